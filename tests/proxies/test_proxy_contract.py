"""What every proxy has to satisfy."""

import json

import jax
import numpy as np
import pytest

from spexjax.metrics import r2
from spexjax.proxies import Fit, Proxy, boosted_trees, kernels, lasso, least_squares, select, sum_of_products

PROXIES = {
    "lasso": lasso(),
    "least_squares": least_squares(),
    "least_squares_of_order_3": least_squares(3, by_size=True),
    "boosted_trees": boosted_trees("fast"),
    "kernels": kernels(),
    "sum_of_products": sum_of_products(),
    "select": select({"lasso": lasso(), "kernels": kernels()}),
}


@pytest.fixture(params=PROXIES.values(), ids=PROXIES.keys())
def proxy(request):
    return request.param


def linear(m, n, seed=0):
    rng = np.random.default_rng(seed)
    masks = rng.random((m, n)) < 0.5
    return masks, (masks @ np.linspace(1, 2, n) + 0.1 * rng.normal(size=m)).astype(np.float32)


def test_returns_a_fit(proxy):
    masks, values = linear(150, 6)
    fit = proxy(masks, values, jax.random.key(0))
    assert isinstance(proxy, Proxy)
    assert isinstance(fit, Fit)
    assert fit.spectrum.num_features == 6
    assert (np.asarray(fit.spectrum.support[0]) == 6).all()  # the constant comes first
    assert len(fit.spectrum.to_dict()) == len(fit.spectrum)
    assert fit.held_out.shape == (150,)
    assert np.isfinite(fit.held_out).all()
    assert json.loads(json.dumps(fit.diagnostics)) == fit.diagnostics


def test_held_out_r2_is_that_of_new_masks(proxy):
    masks, values = linear(256, 8)
    fit = proxy(masks, values, jax.random.key(0))
    new, truth = linear(500, 8, seed=1)
    assert r2(truth, fit.spectrum(new)) > 0.85
    assert r2(values, fit.held_out) == pytest.approx(r2(truth, fit.spectrum(new)), abs=0.08)


def test_same_key_same_fit(proxy):
    masks, values = linear(80, 5)
    a, b = (proxy(masks, values, jax.random.key(7)) for _ in range(2))
    assert a.diagnostics == b.diagnostics
    for one, other in zip(jax.tree.leaves(a[:2]), jax.tree.leaves(b[:2]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_noise_is_not_explained(proxy):
    scores = []
    for seed in range(3):
        masks, _ = linear(200, 10, seed)
        noise = np.random.default_rng(seed + 50).normal(size=200)
        scores.append(r2(noise, proxy(masks, noise, jax.random.key(seed)).held_out))
    assert max(scores) <= 0.05


@pytest.mark.parametrize("value", [0.0, -3.25])
def test_constant_values(proxy, value):
    masks, values = linear(40, 4)
    fit = proxy(masks, np.full_like(values, value), jax.random.key(0))
    assert fit.spectrum.to_dict() == {(): value}
    np.testing.assert_array_equal(fit.held_out, value)


@pytest.mark.parametrize(("m", "n"), [(2, 1), (2, 3), (3, 2), (7, 1), (6, 20), (41, 3)])
def test_small_games(proxy, m, n):
    masks, values = linear(m, n)
    fit = proxy(masks, values, jax.random.key(0))
    assert np.isfinite(np.asarray(fit.spectrum(masks))).all()
    assert np.isfinite(fit.held_out).all()


def test_one_mask_is_refused(proxy):
    with pytest.raises(ValueError, match="2 <= folds <= masks"):
        proxy(np.ones((1, 3), bool), np.ones(1), jax.random.key(0))

"""Choosing by held-out error: what is chosen, what a mixture predicts, and that it is never the worse for it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, random_surrogate

from spexjax._ends import inner_rows
from spexjax.metrics import r2
from spexjax.proxies import Fit, kernels, lasso, select
from spexjax.spectrum import Spectrum

BOTH = {"lasso": lasso(), "kernels": kernels()}


def uniform(m, n, seed=0):
    return np.random.default_rng(seed).random((m, n)) < 0.5


def stub(held_out, terms, n, surrogate=None):
    """A proxy that has already been fitted."""
    fit = Fit(Spectrum.from_dict(terms, n), jnp.asarray(held_out, jnp.float32), {"from": "stub"}, surrogate)
    return lambda masks, values, key: fit


def two_halves(m=60, n=6, seed=0):
    """Values, and two predictions whose errors cancel."""
    masks, rng = uniform(m, n, seed), np.random.default_rng(seed + 1)
    values, error = rng.normal(size=m), 0.5 * rng.normal(size=m)
    return masks, values, values + error, values - error


def test_the_best_is_taken_as_it_is():
    masks, values, good, _ = two_halves()
    bad = values + 3 * np.random.default_rng(9).normal(size=60)
    fit = select({"bad": stub(bad, {(0,): 1.0}, 6), "good": stub(good, {(): 0.5, (1,): 2.0}, 6)})(
        masks, values, jax.random.key(0)
    )
    assert fit.diagnostics["chosen"] == {"good": 1.0}
    assert fit.diagnostics["reason"].startswith("good: the least held-out error of bad (R2 ")
    assert fit.diagnostics["held_out_r2"]["good"] == pytest.approx(r2(values, good), abs=1e-4)
    assert fit.diagnostics["good"] == {"from": "stub"}
    assert "bad" not in fit.diagnostics
    assert fit.diagnostics["terms"] == 1
    assert fit.spectrum.to_dict() == {(): 0.5, (1,): 2.0}
    np.testing.assert_allclose(fit.held_out, good, atol=1e-6)


def test_one_that_fails_does_not_spoil_the_others():
    masks, values, good, _ = two_halves()
    nan = np.where(np.arange(60) == 7, np.nan, good)
    fit = select({"nan": stub(nan, {(0,): 1.0}, 6), "good": stub(good, {(1,): 2.0}, 6)})(
        masks, values, jax.random.key(0)
    )
    assert fit.diagnostics["chosen"] == {"good": 1.0}
    assert fit.diagnostics["not_finite"] == ["nan"]
    nothing = select({"nan": stub(nan, {(0,): 1.0}, 6)})(masks, values, jax.random.key(0))
    assert nothing.diagnostics["chosen"] == {"constant": 1.0}


def test_one_is_spared_where_another_with_co_values_is_enough():
    masks, values, good, _ = two_halves()
    tried = []

    def costly(masks, values, key):
        tried.append(len(masks))
        return stub(values, {(0,): 1.0}, 6)(masks, values, key)

    def chosen(held_out, covalues):
        proxies = {"cheap": stub(held_out, {(): 0.5}, 6), "costly": costly}
        return select(proxies, spared=["costly"])(masks, values, jax.random.key(0), covalues).diagnostics

    close = values + 0.1 * np.random.default_rng(9).normal(size=60)
    said = chosen(close, np.ones((60, 2)))
    assert said["not_tried"] == ["costly"]
    assert said["chosen"] == {"cheap": 1.0}
    assert not tried
    for held_out, covalues in ((close, None), (good, np.ones((60, 2)))):
        assert chosen(held_out, covalues)["chosen"] == {"costly": 1.0}
    assert tried == [60, 60]


def test_of_equals_the_first_is_taken():
    masks, values, good, _ = two_halves()
    proxies = {name: stub(good, {(): c}, 6) for name, c in (("a", 1.0), ("b", 2.0))}
    fit = select(proxies)(masks, values, jax.random.key(0))
    assert fit.diagnostics["chosen"] == {"a": 1.0}


@pytest.mark.parametrize("first", [0.5, 0.75, 0.25])
def test_a_mixture_predicts_the_mixture(first):
    """Of a spectrum and a surrogate whose errors cancel in those shares."""
    masks, values, up, _ = two_halves()
    down = values - (up - values) * first / (1 - first)
    surrogate = random_surrogate(6, rest={(): 0.7, (2,): 0.1})[0]
    sparse = {(): 0.2, (2,): -1.0, (0, 5): 0.4}
    smooth = {(): 0.7, (2,): 0.3}
    mixed = select({"sparse": stub(up, sparse, 6), "smooth": stub(down, smooth, 6, surrogate)})
    fit = mixed(masks, values, jax.random.key(0))
    assert fit.diagnostics["chosen"] == {"sparse": first, "smooth": 1 - first}
    assert "less held-out error together than either alone" in fit.diagnostics["reason"]
    np.testing.assert_allclose(fit.held_out, values, atol=1e-5)
    every, second = all_masks(6), 1 - first
    truncated = first * Spectrum.from_dict(sparse, 6)(every) + second * Spectrum.from_dict(smooth, 6)(every)
    np.testing.assert_allclose(fit.spectrum(every), truncated, atol=1e-5)
    whole = first * np.asarray(Spectrum.from_dict(sparse, 6)(every)) + second * surrogate(every)
    np.testing.assert_allclose(fit.surrogate(every), whole, atol=1e-5)


def test_a_mixture_of_spectra_has_no_surrogate():
    masks, values, up, down = two_halves()
    fit = select({"a": stub(up, {(0,): 1.0}, 6), "b": stub(down, {(1,): 1.0}, 6)})(masks, values, jax.random.key(0))
    assert fit.diagnostics["chosen"] == {"a": 0.5, "b": 0.5}
    assert fit.spectrum.to_dict() == {(0,): 0.5, (1,): 0.5}
    assert fit.surrogate is None


def test_held_out_predictions_are_not_chosen_by_what_they_predict():
    """Of many useless proxies the best looks good by chance, and yet is not reported to be."""
    masks, rng = uniform(60, 6), np.random.default_rng(3)
    values = rng.normal(size=60)
    proxies = {f"p{i}": stub(values.mean() + 0.3 * rng.normal(size=60), {(): float(i)}, 6) for i in range(20)}
    fit = select(proxies)(masks, values, jax.random.key(0))
    assert r2(values, fit.held_out) < 0.05


def test_noise_is_not_learnable():
    """At most by the chance that one standard error leaves."""
    constant = 0
    for seed in range(6):
        masks, values = uniform(128, 14, seed), np.random.default_rng(seed + 20).normal(size=128)
        fit = select(BOTH)(masks, values, jax.random.key(seed))
        assert r2(values, fit.held_out) < 0.1
        if fit.diagnostics["chosen"] == {"constant": 1.0}:
            constant += 1
            assert fit.diagnostics["reason"].startswith("not learnable at this budget")
            assert fit.spectrum.to_dict() == {(): pytest.approx(values[inner_rows(masks)].mean(), rel=1e-5)}
            assert fit.surrogate is None
            assert r2(values, fit.held_out) <= 0
    assert constant >= 3


def test_the_mean_is_no_better_than_the_mean():
    """A proxy that learns nothing predicts each fold by the mean of the others."""
    fold = np.arange(240) % 5
    for seed in range(20):
        values = np.random.default_rng(seed).normal(size=240)
        held_out = np.array([values[fold != k].mean() for k in range(5)])[fold]
        proxy = select({"nothing": stub(held_out, {(): values.mean()}, 8)})
        assert proxy(uniform(240, 8), values, jax.random.key(0)).diagnostics["chosen"] == {"constant": 1.0}, seed


def test_a_linear_game_is_left_to_lasso_or_done_as_well():
    masks = uniform(128, 14)
    values = masks @ np.linspace(1, 2, 14) + 0.3 * np.random.default_rng(1).normal(size=128)
    fit = select(BOTH)(masks, values, jax.random.key(0))
    alone = lasso()(masks, values, jax.random.key(0))
    assert r2(values, fit.held_out) >= r2(values, alone.held_out) - 0.005
    new = uniform(500, 14, seed=1)
    assert r2(new @ np.linspace(1, 2, 14), fit.spectrum(new)) > 0.98


@pytest.mark.parametrize("name", ["exact_tabular_a", "sent24"])
def test_never_worse_than_lasso_on_a_real_game(game, name):
    masks, values = game(name)
    order = np.random.default_rng(0).permutation(len(values))
    rows, new = order[:128], order[128:1152]
    fit = select(BOTH)(masks[rows], values[rows], jax.random.key(0))
    alone = lasso()(masks[rows], values[rows], jax.random.key(0))
    assert r2(values[rows], fit.held_out) >= r2(values[rows], alone.held_out) - 0.01
    assert r2(values[new], fit.surrogate(masks[new])) >= r2(values[new], alone.spectrum(masks[new])) - 0.01
    truncated = r2(values[new], fit.spectrum(masks[new]))
    assert truncated == pytest.approx(r2(values[new], fit.surrogate(masks[new])), abs=0.01)
    assert r2(values[rows], fit.held_out) == pytest.approx(truncated, abs=0.12)

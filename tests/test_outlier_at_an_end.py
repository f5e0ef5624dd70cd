"""A model asked about nothing may answer anything: that value must not bend the rest, and is exact in every index."""

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax.indices import interactions
from spexjax.transforms import exact_spectrum

N = 12
MASKS = all_masks(N)


def game(empty):
    weights = np.random.default_rng(0).normal(size=N)
    values = MASKS @ weights + 2.0 * (MASKS[:, 0] & MASKS[:, 3]) - 1.5 * (MASKS[:, 1] & MASKS[:, 2] & MASKS[:, 4])
    return np.where(MASKS.any(1), values, empty)


def explained(values, method, key):
    ablation = sx.ablations.host_function(lambda m: values[m.astype(int) @ (1 << np.arange(N))], N)
    return sx.explain(ablation, budget=400 if isinstance(method, sx.methods.Spex) else 128, key=key, method=method)


@pytest.mark.parametrize("method", ["lasso", "least-squares", "proxyspex-gp", "proxyspex-fast", "spex"])
def test_both_ends_are_exact_and_the_rest_is_as_without_an_outlier(method, key):
    method = sx.methods.spex(max_order=1, num_groups=2) if method == "spex" else method
    calm, wild = (explained(game(empty), method, key) for empty in (0.0, -300.0))
    inner = MASKS[1:-1]
    score = [sx.metrics.r2(game(0.0)[1:-1], e.predict(inner)) for e in (calm, wild)]
    assert score[1] == pytest.approx(score[0], abs=0.02)
    assert wild.faithfulness.r2 == pytest.approx(calm.faithfulness.r2, abs=0.05)
    np.testing.assert_allclose(wild.predict(MASKS[[0, -1]]), [-300, game(0.0)[-1]], rtol=1e-6)
    outlier = exact_spectrum(MASKS, game(-300.0) - game(0.0))
    for index, order in (("SV", 1), ("FSII", 2), ("SII", 2), ("FBII", 2), ("STII", 2), ("k-SII", 3)):
        found, without = wild.interactions(index, order), calm.interactions(index, order)
        truth = interactions(outlier, index, order).to_dict()
        scale = max(map(abs, truth.values()))
        gaps = [found[s] - without[s] - value for s, value in truth.items()]
        assert np.abs(gaps).max() < 0.02 * scale, index
    shapley = wild.interactions("SV")
    assert shapley.values.sum() == pytest.approx(game(0.0)[-1] + 300, rel=1e-5)


def test_an_end_that_agrees_with_the_others_takes_part(key):
    """An additive function of many features is far from its mean at both ends, and no outlier there."""
    ablation = sx.ablations.host_function(lambda m: m.sum(1) * 1.0, 40)
    explanation = sx.explain(ablation, budget=128, key=key, method="proxyspex-gp")
    row = explanation.masks.all(1) | ~explanation.masks.any(1)
    np.testing.assert_allclose(explanation.surrogate(explanation.masks[row]), [40, 0], atol=1e-2)


def test_designs_begin_with_both_ends():
    for design in (sx.designs.uniform, sx.designs.sized):
        masks = np.asarray(design(jax.random.key(0), 40, 30))
        assert masks[0].all()
        assert not masks[1].any()
    assert np.asarray(sx.designs.uniform(jax.random.key(0), 1, 30)).all()


def test_faithfulness_is_not_measured_at_the_ends(key):
    explanation = explained(game(-300.0), "lasso", key)
    rows = explanation.masks[explanation.faithfulness.rows]
    assert rows.any(1).all()
    assert not rows.all(1).any()
    assert len(rows) == 126


def test_a_default_budget_covers_all_masks(key):
    """Fewer masks than the budget: rows follow the values."""
    ablation = sx.ablations.host_function(lambda m: m[:, 0] * 1.0 + m[:, 1] * m[:, 2], 8)
    explanation = sx.explain(ablation, budget=512, key=key, method="lasso")
    assert len(explanation.values) == 256
    assert len(explanation.faithfulness.rows) == 254


def test_an_exact_explanation_has_no_rounding_added_to_its_indices(key):
    """The values of 4,096 terms are rounded where they are summed in single precision; the coefficients are not."""
    weights = np.random.default_rng(0).normal(size=12)
    ablation = sx.ablations.host_function(lambda m: np.where(m.any(1), m @ weights, -1e6), 12)
    explanation = sx.explain(ablation, budget=4096, key=key)
    shapley = explanation.interactions("SV")
    np.testing.assert_allclose(shapley.values, weights + 1e6 / 12, atol=1e-8)
    np.testing.assert_array_equal(explanation.predict(np.zeros((1, 12), bool)), -1e6)


def quadratic(masks):
    n, rng = masks.shape[1], np.random.default_rng(5)
    pairs = np.triu(rng.normal(size=(n, n)) * 0.3, 1) * (np.random.default_rng(1).random((n, n)) < 0.2)
    x = masks.astype(float)
    return x @ np.linspace(-1, 1, n) + np.einsum("bi,ij,bj->b", x, pairs, x)


@pytest.mark.parametrize(("empty", "unit"), [(-50.0, 1.0), (500.0, 1.0), (None, 1e300), (None, 1e-300)])
def test_spex_decodes_beside_an_outlier_and_in_any_unit(empty, unit, key):
    n = 11

    def f(masks):
        return unit * (quadratic(masks) if empty is None else np.where(masks.any(1), quadratic(masks), empty))

    explanation = sx.explain(sx.ablations.host_function(f, n), budget=1500, method="spex", key=key)
    inner = all_masks(n)[1:]
    assert explanation.diagnostics["chosen"] == {"spex": 1.0}
    assert sx.metrics.r2(quadratic(inner), explanation.predict(inner) / unit) > 1 - 1e-9


@pytest.mark.parametrize("index", [None, "SV"])
def test_an_outlier_beside_a_function_without_noise(index, key):
    """The kernels of a function with next to no noise are nearly singular: what they say of the ends is still true."""
    n = 11
    ablation = sx.ablations.host_function(lambda m: np.where(m.any(1), quadratic(m), -500.0), n)
    explanation = sx.explain(ablation, budget=256, method="proxyspex-gp", index=index, key=key)
    assert explanation.faithfulness.r2 > 0.99
    inner = all_masks(n)[1:]
    assert sx.metrics.r2(quadratic(inner), explanation.predict(inner)) > 0.99

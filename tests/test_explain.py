"""The road: from an ablation to an Explanation and back from the disk."""

import dataclasses

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx

METHODS = ["proxyspex-gp", "proxyspex-fast", "lasso", "least-squares"]


def game(n=12):
    """A function with a strong pair, a triple and two single features."""

    def f(masks):
        x = masks.astype(float)
        return 2 * x[:, 0] - x[:, 3] + 3 * x[:, 1] * x[:, 2] + 2 * x[:, 4] * x[:, 5] * x[:, 6]

    return sx.ablations.host_function(f, n, feature_names=tuple("abcdefghijklmnop"[:n]), fingerprint="game")


def test_finds_the_interactions(key):
    explanation = sx.explain(game(), budget=512, key=key)
    assert explanation.method == "auto"
    assert explanation.faithfulness.r2 > 0.95
    top = explanation.interactions("FBII", max_order=3)
    assert {s for s, _ in top.order(2).top(1)} == {(1, 2)}
    assert abs(top[1, 2] - 3) < 0.4
    new = np.asarray(sx.designs.uniform(jax.random.key(9), 500, 12))
    truth = sx.evaluate(game(), new)
    assert abs(sx.metrics.r2(truth, explanation.spectrum(new)) - explanation.faithfulness.r2) < 0.05


@pytest.mark.parametrize("method", METHODS)
def test_cross_validated_faithfulness_is_honest(method, key):
    """Over many draws, the reported R2 is on average the R2 on all masks that were not evaluated."""
    everything = all_masks(12)
    truth = sx.evaluate(game(), everything)
    gaps = []
    for seed in range(6):
        explanation = sx.explain(game(), budget=100, key=jax.random.key(seed), method=method)
        gaps.append(explanation.faithfulness.r2 - sx.metrics.r2(truth, explanation.spectrum(everything)))
        assert explanation.faithfulness.rows.tolist() == list(range(2, 100))
    assert abs(np.mean(gaps)) < 0.08


def test_noise_is_not_explained(key):
    values = np.asarray(jax.random.normal(key, (300,)))
    masks = np.asarray(sx.designs.uniform(key, 300, 20))
    for method in METHODS:
        assert sx.fit(masks, values, method=method, key=key).faithfulness.r2 < 0.1


def test_exact_where_all_masks_are_there(key):
    explanation = sx.explain(game(7), budget=10_000, key=key)
    assert explanation.faithfulness.exact
    assert "all 128 masks" in str(explanation.faithfulness)
    assert abs(explanation.interactions("Moebius")[4, 5, 6] - 2) < 1e-5
    np.testing.assert_allclose(explanation.spectrum(explanation.masks), explanation.values, atol=1e-5)
    again = sx.explain(game(7), budget=128, key=key, method="lasso")
    assert again.method == "lasso"


@pytest.mark.parametrize("method", METHODS)
def test_same_key_same_explanation(method, key):
    first, again = (sx.explain(game(), budget=64, key=key, method=method) for _ in range(2))
    np.testing.assert_array_equal(first.masks, again.masks)
    assert first.spectrum.to_dict() == again.spectrum.to_dict()
    assert first.faithfulness.r2 == again.faithfulness.r2


def test_any_proxy_can_be_the_method(key):
    def mean_only(masks, values, key):
        spectrum = sx.Spectrum.from_dict({(): float(values.mean())}, masks.shape[1])
        return sx.proxies.Fit(spectrum, np.full(len(values), values.mean()), {"note": "none"})

    explanation = sx.explain(game(), budget=64, key=key, method=mean_only)
    assert explanation.method == "mean_only"
    assert abs(explanation.faithfulness.r2) < 0.05  # the mean of all masks, the ends included
    assert explanation.diagnostics == {"note": "none"}


def test_masks_and_values_alone(key):
    masks = np.asarray(sx.designs.uniform(key, 200, 12)).astype(int)
    values = sx.evaluate(game(), masks.astype(bool)).astype(float).tolist()
    explanation = sx.fit(masks, values, method="lasso", key=key)
    assert explanation.feature_names[:2] == ("x0", "x1")
    twice = sx.fit(np.concatenate([masks, masks]), values * 2, method="lasso", key=key)
    assert len(twice.values) == 200


def test_saved_and_loaded(tmp_path, key):
    explanation = sx.explain(game(), budget=100, key=key, method="lasso")
    path = explanation.save(tmp_path / "a" / "b")
    assert path.name == "explanation.json"
    for source in (path, path.parent):
        back = sx.load(source)
        assert back.spectrum.to_dict() == explanation.spectrum.to_dict()
        for field in dataclasses.fields(explanation):
            if field.name not in ("spectrum", "faithfulness"):
                np.testing.assert_array_equal(getattr(back, field.name), getattr(explanation, field.name))
        assert str(back) == str(explanation)
        assert back.interactions("SV").to_dict() == explanation.interactions("SV").to_dict()


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="no explanation at"):
        sx.load(tmp_path)
    (tmp_path / "explanation.json").write_text("{")
    with pytest.raises(ValueError, match="not an explanation"):
        sx.load(tmp_path)
    (tmp_path / "explanation.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="format 99"):
        sx.load(tmp_path)


def test_budget_and_method_are_checked_before_anything_is_spent(key, monkeypatch):
    def never(masks):
        pytest.fail("an ablation was spent")

    ablation = sx.ablations.host_function(never, 12)
    with pytest.raises(ValueError, match="12 features need at least 20 ablations"):
        sx.explain(ablation, budget=19, key=key)
    with pytest.raises(ValueError, match="no method 'spectral'"):
        sx.explain(ablation, budget=64, key=key, method="spectral")
    with pytest.raises(ValueError, match="needs all 2\\^12 masks"):
        sx.explain(ablation, budget=64, key=key, method="exact")
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    with pytest.raises(ImportError, match=r"pip install 'spexjax\[trees\]'"):
        sx.explain(ablation, budget=64, key=key, method="proxyspex")


MASKS = np.asarray(sx.designs.uniform(jax.random.key(0), 30, 6))


@pytest.mark.parametrize(
    ("masks", "values", "names", "message"),
    [
        (MASKS, np.ones(29), None, r"values \[m\]; got \(30, 6\) and \(29,\)"),
        (MASKS[0], np.ones(6), None, r"must be \[m, n\]"),
        (MASKS * 2, np.ones(30), None, "got something else"),
        (MASKS, np.where(np.arange(30) == 7, np.inf, 1.0), None, "1 of the 30 values are not finite, first at row 7"),
        (np.repeat(MASKS[:5], 6, 0), np.ones(30), None, "5 distinct masks are too few"),
        (MASKS, np.ones(30), ["a"], "6 features but 1 feature names"),
    ],
)
def test_mismatched_masks_and_values(masks, values, names, message, key):
    with pytest.raises(ValueError, match=message):
        sx.fit(masks, values, method="lasso", key=key, feature_names=names)


def test_equal_masks_with_different_values_are_said(key):
    masks, values = np.concatenate([MASKS, MASKS[3:5]]), np.arange(32.0)
    with pytest.warns(UserWarning, match=r"2 masks occurred more than once .* rows 3 and 30, which differ by 27;"):
        explanation = sx.fit(masks, values, key=key, method="lasso")
    assert {16.5, 17.5} < set(explanation.values.tolist())
    sx.fit(masks, np.append(np.arange(30.0), [3.0, 4.0 + 1e-7]), key=key, method="lasso")  # pytest raises warnings


def test_constant_function(key):
    for method in METHODS:
        explanation = sx.fit(MASKS, np.full(30, 2.5), method=method, key=key)
        assert np.isnan(explanation.faithfulness.r2)
        assert len(explanation.interactions("SV").top(3)) == 0


def test_a_proxy_that_is_called_exact_is_none(key):
    """Whether all masks were evaluated is a fact of the fit, not of a name."""

    def exact(masks, values, key):
        return sx.proxies.lasso()(masks, values, key)

    explanation = sx.explain(game(), budget=128, key=key, method=exact)
    assert explanation.method == exact.__name__
    assert not explanation.faithfulness.exact
    assert np.isnan(explanation.prediction_errors(all_masks(12)[:3])).all()
    assert sx.explain(game(7), budget=128, key=key).faithfulness.exact


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_methods_by_name_where_there_are_hardly_any_masks(method, n, key):
    ablation = sx.ablations.host_function(lambda m: 1.0 + 2.0 * m[:, 0] + m[:, -1], n)
    explanation = sx.explain(ablation, budget=1 << n, key=key, method=method, progress=False)
    ends = np.array([[True] * n, [False] * n])
    np.testing.assert_allclose(explanation.predict(ends), [4, 1], atol=1e-6)


@pytest.mark.parametrize("n", [0, -1])
def test_a_number_of_features_that_is_none(n):
    with pytest.raises(ValueError, match="The number of features is a whole number, 1 or more; got"):
        sx.ablations.host_function(lambda m: m[:, 0], n)

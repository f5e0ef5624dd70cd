"""Explanation.remove and .keep, verified by true ablations."""

import jax
import numpy as np
import pytest

import spexjax as sx


def game(x):
    return 1.0 + 3.0 * x[1] * x[4] - 2.0 * x[0] + 0.5 * x[2]


@pytest.fixture(scope="module")
def ablation():
    return sx.ablations.function(game, 6, feature_names=tuple("abcdef"))


@pytest.fixture(scope="module")
def explanation(ablation):
    return sx.explain(ablation, budget=64, key=jax.random.key(0))


def test_remove_and_its_verification(ablation, explanation):
    found = explanation.remove(1)
    assert found.removed in ((1,), (4,))
    assert found.status == "optimal"
    assert found.value == pytest.approx(-0.5, abs=1e-5)
    full, value, removal = found.verify(ablation)
    assert (full, value) == pytest.approx((2.5, -0.5))
    assert removal == pytest.approx(3.0 / 2.5)
    assert len(found.kept) == 5
    assert found.removed_names[0] in "be"
    assert "optimal" in str(found)


def test_true_values_are_shown_where_they_are_known(ablation):
    masks = np.random.default_rng(0).random((40, 6)) < 0.5
    masks[0], masks[1] = True, False
    values = np.array([game(mask) for mask in masks])
    values[0] += 5.0  # which a truncated spectrum misses
    explanation = sx.fit(masks, values, method="lasso", key=jax.random.key(0))
    found = explanation.remove(1)
    assert found.full < 6 < found.true_full == values[0]
    assert f"{values[0]:.4g} (evaluated) -> " in str(found)
    known = values[(masks == found.mask).all(1)]
    assert found.true_value == (pytest.approx(known.mean()) if len(known) else None)
    assert explanation.remove(6).true_value == values[1]
    assert "(evaluated) -> " in str(sx.explain(ablation, budget=64, key=jax.random.key(0)).keep(2))
    unseen = sx.fit(masks[1:], values[1:], method="lasso", key=jax.random.key(0)).remove(1)
    assert unseen.true_full is None
    assert f"{unseen.full:.4g} (predicted)" in str(unseen)


def test_keep_holds_the_output(ablation, explanation):
    found = explanation.keep(4)
    assert len(found.kept) == 4
    assert set(found.kept) >= {0, 1, 2, 4}
    assert found.verify(ablation).removal == pytest.approx(0, abs=1e-5)
    assert explanation.keep(3, goal="largest").kept_names == ("b", "c", "e")


def test_both_signs(explanation):
    assert 0 in explanation.remove(1, goal="largest").removed
    assert 0 not in explanation.remove(2, goal="smallest").removed


def test_another_ablation_is_refused(explanation):
    other = sx.ablations.function(lambda x: x.sum() * 1.0, 3)
    with pytest.raises(ValueError, match="6 features but the ablation has 3"):
        explanation.remove(2).verify(other)


def test_one_of_several_values_is_verified(explanation):
    several = sx.ablations.ridge((np.eye(6), np.arange(6) % 2), (np.eye(6)[:3], np.arange(3) % 2), l2=1.0)
    with pytest.raises(ValueError, match=r"gives 3 values per mask: sx\.explain_each"):
        explanation.remove(2).verify(several)
    assert np.isfinite(explanation.remove(2).verify(several.only(1)).value)


@pytest.mark.parametrize("count", [1.5, 2.0, -1, 7, None, "2"])
def test_counts_of_features(explanation, unchecked, count):
    for function, verb in ((explanation.remove, "removed"), (explanation.keep, "kept")):
        with pytest.raises(
            ValueError, match=f"whole number between 0 and 6 of the 6 features can be {verb}, not {count}"
        ):
            function(count)


def test_the_full_value_may_be_zero():
    nothing = sx.ablations.function(lambda x: x[0] * 1.0 - 1.0, 2)
    explanation = sx.explain(nothing, budget=4, key=jax.random.key(0))
    assert np.isnan(explanation.remove(1).verify(nothing).removal)


def test_sum_adds_explanations(explanation):
    both = sum([explanation, explanation])
    assert both.weights == (1.0, 1.0)
    np.testing.assert_allclose(both.predict(np.ones((1, 6), bool)), [5.0], rtol=1e-6)

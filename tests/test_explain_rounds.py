"""Rounds towards a target, and the design that an index asks for."""

from math import comb

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.indices import INDICES


def counted(function, n=12):
    """An ablation, and the masks it has been asked for."""
    seen = []

    def evaluate(masks):
        seen.append(masks)
        return function(masks.astype(float))

    return sx.ablations.host_function(evaluate, n, fingerprint="counted"), seen


def game(x):
    return 2 * x[:, 0] - x[:, 3] + 3 * x[:, 1] * x[:, 2]


def least_squares(masks, values, key):
    """Order 1 by least squares, each mask predicted by the fit without it; a little ridge for few masks."""
    x = np.concatenate([np.ones((len(masks), 1)), 1 - 2.0 * np.asarray(masks)], axis=1)
    values = np.asarray(values, np.float64)
    hat = x @ np.linalg.inv(x.T @ x + 1e-6 * np.eye(x.shape[1])) @ x.T
    held_out = values - (values - hat @ values) / (1 - np.diag(hat))
    spectrum = sx.Spectrum.from_dict({(): float(values.mean())}, masks.shape[1])
    return sx.proxies.Fit(spectrum, np.float32(held_out), {"masks": len(masks)})


def improving(**r2_of):
    """A proxy whose R2 is what is given for each number of masks, with no uncertainty."""

    def proxy(masks, values, key):
        lost = np.sqrt(1 - r2_of[f"m{len(values)}"])
        held_out = values - lost * (values - values[2:].mean())  # the ends, which come first, do not count
        return sx.proxies.Fit(sx.Spectrum.from_dict({(): 0.0}, masks.shape[1]), np.float32(held_out), {})

    return proxy


def rounds(explanation):
    return [step["ablations"] for step in explanation.provenance["rounds"]]


def test_stops_where_the_target_is_reached(key):
    ablation, seen = counted(lambda x: x @ np.arange(12.0))
    explanation = sx.explain(
        ablation, key=key, target_faithfulness=0.95, max_budget=500, budget=40, method=least_squares
    )
    assert rounds(explanation) == [40]
    assert explanation.faithfulness.r2 > 0.999
    assert sum(map(len, seen)) == explanation.provenance["evaluations"] == len(explanation.values) == 40
    assert explanation.provenance["stopped"].startswith("R2 = 1.000 ± 0.000 reached the target of 0.95 with 40")
    assert explanation.provenance["target_faithfulness"] == 0.95


def test_every_round_reuses_the_values_of_the_earlier_ones(key):
    ablation, seen = counted(game)
    proxy = improving(m20=0.2, m40=0.4, m80=0.6, m160=0.8)
    explanation = sx.explain(ablation, key=key, target_faithfulness=0.79, max_budget=1000, budget=20, method=proxy)
    assert rounds(explanation) == [20, 40, 80, 160]
    assert [step["r2"] for step in explanation.provenance["rounds"]] == pytest.approx([0.2, 0.4, 0.6, 0.8], abs=1e-3)
    masks = np.concatenate(seen)
    assert len(np.unique(masks, axis=0)) == len(masks) == explanation.provenance["evaluations"] == 160
    assert "reached the target" in explanation.provenance["stopped"]
    np.testing.assert_allclose(explanation.values, game(explanation.masks.astype(float)), atol=1e-6)
    np.testing.assert_array_equal(
        explanation.masks, sx.explain(ablation, budget=1000, key=key, method=least_squares).masks[:160]
    )


def test_the_budget_is_never_exceeded(key):
    ablation, seen = counted(game)
    proxy = improving(m30=0.2, m50=0.4)
    explanation = sx.explain(ablation, key=key, target_faithfulness=0.99, max_budget=50, budget=30, method=proxy)
    assert rounds(explanation) == [30, 50]
    assert sum(map(len, seen)) == explanation.provenance["budget"] == 50
    assert explanation.provenance["stopped"] == "the budget of 50 ablations is spent"


def test_all_rounds_give_what_one_round_of_the_same_budget_gives(key):
    ablation, _ = counted(game)
    stepwise = sx.explain(ablation, key=key, target_faithfulness=0.999, max_budget=60, budget=30, method=least_squares)
    at_once = sx.explain(ablation, key=key, budget=60, method=least_squares)
    np.testing.assert_array_equal(stepwise.masks, at_once.masks)
    assert stepwise.spectrum.to_dict() == at_once.spectrum.to_dict()
    assert stepwise.faithfulness.r2 == at_once.faithfulness.r2
    assert "rounds" not in at_once.provenance


def test_out_of_reach_where_it_grows_too_slowly(key):
    ablation, seen = counted(game)
    proxy = improving(m20=0.2, m40=0.4, m80=0.5, m160=0.55)
    explanation = sx.explain(ablation, key=key, target_faithfulness=0.9, max_budget=640, budget=20, method=proxy)
    assert rounds(explanation) == [20, 40, 80, 160]  # 0.5 + 3 * 0.2 would do, 0.55 + 2 * 0.1 not
    assert (
        "grows by 0.100 when they are doubled: the target of 0.9 is out of reach" in explanation.provenance["stopped"]
    )
    assert sum(map(len, seen)) == 160


def test_noise_is_out_of_reach(key):
    rng = np.random.default_rng(0)
    ablation, seen = counted(lambda x: rng.normal(size=len(x)))
    explanation = sx.explain(
        ablation, key=key, target_faithfulness=0.9, max_budget=4000, budget=100, method=least_squares
    )
    assert rounds(explanation) == [100, 200, 400]
    assert "out of reach of 4000" in explanation.provenance["stopped"]
    assert sum(map(len, seen)) == 400


def test_the_first_round_has_128_masks_if_that_is_not_said(key):
    ablation, _ = counted(lambda x: x.sum(1))
    assert rounds(sx.explain(ablation, key=key, target_faithfulness=0.9, max_budget=300, method=least_squares)) == [128]
    assert rounds(sx.explain(ablation, key=key, target_faithfulness=0.9, max_budget=30, method=least_squares)) == [30]


def test_exact_once_all_masks_are_there(key):
    ablation, seen = counted(game, 5)
    explanation = sx.explain(ablation, key=key, target_faithfulness=0.9, max_budget=1000)
    assert explanation.faithfulness.exact
    assert rounds(explanation) == [32]
    assert sum(map(len, seen)) == 32


def test_no_round_without_new_masks(key):
    ablation, _ = counted(game, 5)
    explanation = sx.explain(ablation, key=key, target_faithfulness=0.999, max_budget=200, method=least_squares)
    assert rounds(explanation) == [32]


FIVE = (np.arange(32)[:, None] >> np.arange(5) & 1).astype(bool)
OTHER = sx.fit(FIVE, FIVE.sum(1), key=jax.random.key(0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "Give a budget, or target_faithfulness together with max_budget"),
        ({"max_budget": 100}, "Give a budget, or target_faithfulness together with max_budget"),
        ({"budget": 50, "max_budget": 100}, "Give a budget, or target_faithfulness together with max_budget"),
        ({"target_faithfulness": 0.9}, "needs max_budget"),
        ({"target_faithfulness": 0.9, "budget": 50}, "needs max_budget"),
        ({"target_faithfulness": 1.0, "max_budget": 100}, "an R2 below 1"),
        ({"target_faithfulness": float("nan"), "max_budget": 100}, "an R2 below 1"),
        ({"target_faithfulness": 0.9, "max_budget": 19}, "A budget of 19 is too small"),
        ({"target_faithfulness": 0.9, "max_budget": 100, "budget": 19}, "A budget of 19 is too small"),
        ({"target_faithfulness": 90.0, "max_budget": 100}, "an R2 below 1, say 0.9; got 90.0"),
        ({"target_faithfulness": 0.9, "max_budget": 100, "budget": 0}, "A budget of 0 is too small"),
        ({"target_faithfulness": 0.9, "max_budget": 100, "budget": 200}, "budget = 200, is above max_budget = 100"),
        ({"budget": 50, "index": "shapely"}, "not an index"),
        ({"budget": 50, "method": sx.proxies.lasso}, r"if lasso makes one, call it: lasso\(\)"),
        ({"budget": 50, "method": sx.methods.spex}, r"if spex makes one, call it: spex\(\)"),
        ({"budget": 50, "like": OTHER}, "the same features: there are 12 here, and 5 there"),
        ({"budget": 50, "like": [OTHER], "method": "lasso"}, "Only the methods auto and proxyspex-gp"),
        ({"budget": 4000, "like": [OTHER], "method": "spex"}, "Only the methods auto and proxyspex-gp"),
    ],
)
def test_mistakes_are_named_before_anything_is_spent(key, options, message):
    ablation, seen = counted(game)
    with pytest.raises(ValueError, match=message):
        sx.explain(ablation, key=key, **options)
    assert not seen


@pytest.mark.parametrize("result", [None, sx.Spectrum.from_dict({(): 0.0}, 12)])
def test_a_proxy_that_returns_no_fit_is_named(key, result):
    with pytest.raises(
        ValueError, match=r"must return a proxies.Fit, with a Spectrum, whose held_out has 50 predictions"
    ):
        sx.explain(counted(game)[0], budget=50, key=key, method=lambda masks, values, key: result)


@pytest.mark.parametrize("index", [*INDICES, "sv", None])
def test_the_design_is_that_of_the_index(key, index):
    ablation, _ = counted(game)
    explanation = sx.explain(ablation, budget=64, key=key, index=index, method=least_squares)
    shapley = index in ("SV", "sv", "SII", "STII", "FSII", "k-SII")
    assert explanation.provenance["design"] == ("informative" if shapley else "uniform")
    np.testing.assert_array_equal(explanation.faithfulness.rows, np.arange(2, 64))
    assert "each of 62 masks" in explanation.faithfulness.scheme
    assert ("weighed as if drawn uniformly" in explanation.faithfulness.scheme) == shapley
    assert explanation.masks[0].all()
    assert not explanation.masks[1].any()


def test_faithfulness_weighs_sizes_as_uniform_masks_have_them(key):
    ablation, _ = counted(game)
    explanation = sx.explain(ablation, budget=64, key=key, index="SV", method=least_squares)
    held_out = np.asarray(least_squares(explanation.masks, explanation.values, key).held_out)
    size = explanation.masks[2:].sum(1)
    weights = np.array([comb(12, k) / (size == k).sum() for k in size])
    measured = explanation.values[2:], held_out[2:], weights
    assert explanation.faithfulness.r2 == pytest.approx(sx.metrics.r2(*measured), abs=1e-5)
    assert explanation.faithfulness.error == pytest.approx(sx.metrics.r2_error(*measured, folds=3), rel=1e-3)


def test_rounds_of_the_sized_design(key):
    ablation, seen = counted(game)
    proxy = improving(m20=0.2, m40=0.4, m80=0.9)
    explanation = sx.explain(
        ablation, key=key, target_faithfulness=0.8, max_budget=200, budget=20, method=proxy, index="SII"
    )
    assert rounds(explanation) == [20, 40, 80]
    np.testing.assert_array_equal(explanation.faithfulness.rows, np.arange(2, 80))
    assert len(np.unique(np.concatenate(seen), axis=0)) == 80
    for part in seen[:1]:
        assert part.all(1).any()
        assert (~part).all(1).any()


def test_what_an_explanation_was_to_be_like_is_on_record(key):
    ablation = sx.ablations.host_function(lambda masks: masks.sum(1), 5, fingerprint="sum")
    first = sx.explain(ablation, budget=32, key=key)
    assert "like" not in first.provenance
    assert sx.explain(ablation, budget=32, key=key, like=[first, OTHER]).provenance["like"] == ["sum", None]

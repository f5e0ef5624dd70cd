"""Budgets of any size are judged at once; see `test_explain_rounds.py` for what is done with them."""

import pytest

import spexjax as sx
from spexjax._budget import rounds

HUGE = {"10^30": 10**30, "2^63": 2**63, "10^5000": 10**5000}


@pytest.fixture
def ablation():
    return lambda n: sx.ablations.host_function(lambda masks: masks[:, 0] + 0.5 * masks[:, 1], n)


@pytest.mark.parametrize("budget", HUGE.values(), ids=HUGE)
@pytest.mark.parametrize("settings", [{}, {"index": "SV"}, {"method": "spex"}, {"method": "lasso"}])
def test_a_budget_beyond_all_memory_is_refused_at_once(ablation, budget, settings, key):
    for asked in ({"budget": budget}, {"max_budget": budget, "target_faithfulness": 0.9}):
        said = rf"{next(iter(asked))} = 2\^\d+ is too large: .* 60 features fit no memory; give at most 71,582,788\.$"
        with pytest.raises(ValueError, match=said):
            sx.explain(ablation(60), key=key, **asked, **settings)


@pytest.mark.parametrize("budget", HUGE.values(), ids=HUGE)
def test_few_features_have_few_masks_whatever_the_budget(ablation, budget, key):
    for settings in ({}, {"index": "SV"}, {"method": "spex"}):
        explanation = sx.explain(ablation(3), budget=budget, key=key, **settings)
        assert (explanation.method, len(explanation.values)) == ("exact", 8)
    assert rounds(3, None, 0.9, budget) == [8]


def test_the_largest_budget():
    assert rounds(60, 71_582_788, None, None) == [71_582_788]
    assert rounds(1, 10**30, None, None) == [2]
    with pytest.raises(ValueError, match="budget = 71582789 is too large"):
        rounds(60, 71_582_789, None, None)


@pytest.mark.parametrize("budget", [-(10**30), -(10**5000)], ids=["-10^30", "-10^5000"])
def test_a_budget_far_below_zero(budget):
    with pytest.raises(ValueError, match=r"A budget of -2\^\d+ is too small: 60 features need at least 20 ablations"):
        rounds(60, budget, None, None)
    with pytest.raises(ValueError, match=r"budget = 2\^99, is above max_budget = 50"):
        rounds(60, 10**30, 0.5, 50)


def test_a_truth_value_is_no_budget(unchecked):
    for given in ((True, None, None), (None, 0.9, True)):
        with pytest.raises(ValueError, match="is a whole number of ablations; got True"):
            rounds(1, *given)

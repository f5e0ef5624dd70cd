"""Weighted Banzhaf values and interactions at any probability of keeping a feature, by brute force."""

from fractions import Fraction
from itertools import combinations

import jax
import numpy as np
import pytest
from common import all_masks, random_surrogate

from spexjax.indices import Ends, full_name, get, interactions, standard_errors, surrogate_interactions, with_ends
from spexjax.transforms import exact_spectrum

KEEPS = (0.03, 0.5, 2 / 3, 0.9, 0.999)


def by_definition(f, n, k, keep):
    """`E[Delta_S f(x)]` where every feature outside S is kept with probability p; f is given at `all_masks`."""
    masks, found = all_masks(n), {}
    for s in (s for order in range(1, k + 1) for s in combinations(range(n), order)):
        signs = np.where(masks[:, list(s)], 1, -1).prod(1)
        found[s] = signs * np.delete(np.where(masks, keep, 1 - keep), s, axis=1).prod(1) @ f
    return found


def check(found, expected, tolerance):
    scale = max(1, *map(abs, expected.values()))
    for s, value in expected.items():
        assert found[s] == pytest.approx(value, abs=tolerance * scale), s


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_a_spectrum_and_its_ends(n, keep):
    f = np.random.default_rng(n).normal(size=2**n)
    ends = Ends(2.0, -3.0)
    spectrum = exact_spectrum(all_masks(n), f - ends.at(all_masks(n)))
    for index, k in (("WBV", 1), ("WBII", 2), ("wbii", 3 if n < 12 else 2)):
        found = with_ends(interactions(spectrum, index, k, keep=keep), ends)
        assert found.index == f"{index.upper()}({keep})"
        check(found, by_definition(f, n, min(k, n), keep), 1e-5)


@pytest.mark.parametrize("keep", KEEPS)
@pytest.mark.parametrize("n", [6, 12])
def test_a_surrogate_with_true_values_where_it_was_evaluated(n, keep):
    surrogate, rows, values = random_surrogate(n, 20)
    function = surrogate(all_masks(n)).astype(np.float64)
    residuals = values - function[rows]
    spectrum = exact_spectrum(all_masks(n), function)
    function[rows] = values
    for order in (1, 2):
        closed = surrogate_interactions(surrogate, residuals, spectrum, Ends(0, 0), f"WBII({keep})", order)
        check(closed, by_definition(function, n, order, keep), 1e-5)
        assert (standard_errors(surrogate, closed) >= 0).all()
        assert (standard_errors(surrogate, closed) > 0).any()


@pytest.mark.parametrize(("index", "usual"), [("WBV", "BV"), ("WBII", "BII")])
def test_one_half_is_banzhaf(index, usual):
    f = np.random.default_rng(0).normal(size=2**7)
    with jax.enable_x64(True):
        spectrum = exact_spectrum(all_masks(7), f)
        expected = interactions(spectrum, usual).to_dict()
        for found in (interactions(spectrum, index), interactions(spectrum, index, keep=0.5)):
            assert found.to_dict() == pytest.approx(expected)


def test_a_sum_of_single_effects_is_the_same_everywhere():
    masks = all_masks(5)
    spectrum = exact_spectrum(masks, masks @ np.arange(5.0))
    for keep in KEEPS:
        assert interactions(spectrum, "WBII", keep=keep).to_dict() == pytest.approx(
            {(i,): float(i) for i in range(1, 5)}, abs=1e-5
        )


def test_names():
    record = get("wbii(0.9)")
    assert record is get("WBII", 0.9)
    assert record.name == "WBII(0.9)"
    assert record.weight(1, 3, 2) == Fraction(81, 100)
    assert "with probability 0.9" in record.definition
    assert get("WBII").weight(1, 3, 2) == Fraction(1, 4)
    assert full_name("WBII", 0.8, default=0.9) == "WBII(0.8)"
    assert full_name("WBII") == "WBII"
    assert full_name("FSII", default=0.9) == "FSII"


@pytest.mark.parametrize(
    ("name", "keep", "message"),
    [
        ("SV", 0.9, "SV has no probability of keeping a feature; keep is for WBV and WBII"),
        ("SV(0.9)", None, "SV has no probability of keeping a feature; keep is for WBV and WBII"),
        ("WBII", 1.0, "keep is the probability of keeping a feature, between 0 and 1, say 0.9; got 1.0"),
        ("WBII(1.5)", None, "keep is the probability of keeping a feature, .* got 1.5"),
        ("WBII(much)", None, "keep is the probability of keeping a feature, .* got nan"),
        ("WBII(0.9)", 0.8, "WBII\\(0.9\\) keeps features with probability 0.9, and keep is 0.8; give one"),
        ("WBI", None, "'WBI' is not an index .did you mean WB"),
        ("XYZ(0.9)", None, "'XYZ\\(0.9\\)' is not an index"),
    ],
)
def test_what_cannot_be_meant(name, keep, message):
    with pytest.raises(ValueError, match=message):
        get(name, keep)

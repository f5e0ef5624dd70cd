"""An index that a user adds by its weights works wherever the others do."""

from fractions import Fraction
from itertools import combinations

import jax
import numpy as np
import pytest
from common import all_masks, random_surrogate

import spexjax as sx
from spexjax.indices import Ends, Index, get, interactions, register, standard_errors, surrogate_interactions
from spexjax.indices import _index as module
from spexjax.report import html
from spexjax.transforms import exact_spectrum

P = Fraction(1, 3)


def weighted(s, t, k):
    return P ** (t - s)


def by_definition(f, n, k):
    """The derivative at S where every other feature is kept with probability P, by brute force; of f at `all_masks`."""
    masks, found = all_masks(n), {}
    for s in (s for order in range(1, k + 1) for s in combinations(range(n), order)):
        signs = np.where(masks[:, list(s)], 1, -1).prod(1)
        chances = np.delete(np.where(masks, float(P), float(1 - P)), s, axis=1).prod(1)
        found[s] = signs * chances @ f
    return found


@pytest.fixture(autouse=True)
def pbii():
    """The index under test, registered; forgotten afterwards."""
    before = [table.copy() for table in (module._INDICES, module._SPELLINGS)]
    yield register(Index("pBII", weighted, definition="one in three of the others <kept>", max_order=2))
    for table, entries in zip((module._INDICES, module._SPELLINGS), before, strict=True):
        table.clear()
        table.update(entries)


def check(found, expected, tolerance):
    assert found.index == "pBII"
    for s, value in expected.items():
        assert found[s] == pytest.approx(value, abs=tolerance), s


@pytest.mark.parametrize("n", [1, 2, 7])
def test_a_spectrum_and_its_ends(n):
    f = np.random.default_rng(n).normal(size=2**n)
    ends = Ends(2.0, -3.0)
    with jax.enable_x64(True):
        spectrum = exact_spectrum(all_masks(n), f - ends.at(all_masks(n)))
    for k in (1, 2, 3):
        expected = by_definition(f, n, min(k, n))
        check(sx.indices.with_ends(interactions(spectrum, "pbii", k), ends), expected, 1e-10)


def test_a_surrogate_without_and_with_a_measure():
    n = 6
    surrogate, rows, values = random_surrogate(n, 20)
    function = surrogate(all_masks(n)).astype(np.float64)
    residuals = values - function[rows]
    with jax.enable_x64(True):
        of_surrogate = exact_spectrum(all_masks(n), function)
    arguments = surrogate, residuals, of_surrogate, Ends(0.0, 0.0), "pBII"
    read_off = surrogate_interactions(*arguments)
    check(read_off, by_definition(function, n, 2), 1e-6)
    assert np.isnan(standard_errors(surrogate, read_off)).all()

    register(Index("pBII", weighted, measure=lambda s, k, n: (np.array([1 / 3]), np.ones(1))))
    function[rows] = values
    closed = surrogate_interactions(*arguments)
    check(closed, by_definition(function, n, 2), 1e-5)
    assert (standard_errors(surrogate, closed) > 0).all()


def game(masks):
    return 2.0 * masks[:, 0] - 3.0 * masks[:, 1] * masks[:, 2] + 10.0 * ~masks.any(1)


def test_an_explanation_and_its_page(key):
    explanation = sx.explain(sx.ablations.host_function(game, 6), budget=64, key=key, index="pbii", method="exact")
    check(explanation.interactions("pBII", 2), by_definition(game(all_masks(6)), 6, 2), 1e-6)
    assert "pBII up to order 2. one in three of the others &lt;kept&gt;." in html(explanation, index="pBII")


@pytest.mark.parametrize(("design", "drawn"), [("uniform", "uniform"), ("sized", "informative")])
def test_the_design_is_the_one_the_index_wants(key, design, drawn):
    register(Index("pBII", weighted, design=design))
    ablation = sx.ablations.host_function(game, 8)
    explanation = sx.explain(ablation, budget=100, key=key, index="pbii", method=sx.proxies.lasso())
    assert explanation.provenance["design"] == drawn


def test_names(pbii):
    assert get("PBII") is pbii
    assert "pBII" in sx.indices.INDICES
    with pytest.raises(ValueError, match=r"did you mean pBII\?"):
        get("pBI")
    assert register(Index("pBII", weighted, max_order=1)) is get("pBII")
    for name in ("PBII", "mobius"):
        with pytest.raises(ValueError, match="would be confused with the index"):
            register(Index(name, weighted))


def test_weights_and_measures_are_checked(unchecked):
    with pytest.raises(ValueError, match=r"weights of p must be exact.*fractions.Fraction"):
        Index("p", lambda s, t, k: 0.3 ** (t - s))
    with pytest.raises(ValueError, match="p has a measure, so the empty set must have"):
        Index("p", weighted, smallest=0, measure=get("BII").measure)
    with pytest.raises(ValueError, match="smallest order of 0 or 1"):
        Index("p", weighted, smallest=2)
    with pytest.raises(ValueError, match="must be one of uniform, sized; got 'small'"):
        Index("p", weighted, design="small")
    with pytest.raises(ValueError, match="The name of an index is a string"):
        Index("", weighted)
    with pytest.raises(ValueError, match=r"An index is asked for by its name: .* and give 'SII'"):
        get(get("SII"))
    with pytest.raises(ValueError, match=r"register takes a spexjax.indices.Index; got 'SII'"):
        register("SII")


def test_every_index_says_what_it_is():
    for name in sx.indices.INDICES:
        if name != "pBII":
            assert get(name).definition != Index.definition
            assert get(name).reference


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"measure": lambda s, k, n: (np.array([0.9]), np.ones(1))}, "must have the weights as its moments: for s = 1"),
        ({"of_low_orders": True}, "Fourier terms of 3 or 4 features change its values of order 2; leave of_low_orders"),
        ({"aliases": "mine"}, "The aliases of p must be a tuple of names; got 'mine'"),
        ({"aliases": None}, "The aliases of p must be a tuple of names; got None"),
        ({"aliases": (1,)}, "The aliases of p must be a tuple of names"),
        ({"weight": lambda s, t, k: [1, 2, 3][t - s]}, "of p fails for some 1 <= s <= t: list index out of range"),
        ({"weight": lambda s, t, k: k, "max_order": None}, "p is of all orders .* its weights must not depend on k"),
        ({"measure": lambda s, k, n: ([0.5], [1.0])}, r"measure\(s, k, n\) of p must give .* for s = 1 it fails"),
        (
            {"measure": lambda s, n: None},
            r"measure\(s, k, n\) of p must give .* 2 positional arguments but 3 were given",
        ),
        ({"name": 5}, "The name of an index is a string with at least one character, not 5"),
        ({"max_order": "2"}, "a max_order of 1 or more"),
        ({"weight": 3}, "weight\\(s, t, k\\) of p fails for some 1 <= s <= t: 'int' object is not callable"),
        ({"weight": lambda s, t, k: Fraction(s, t), "smallest": 0}, "of p fails for some 0 <= s <= t"),
    ],
)
def test_what_cannot_be_an_index_is_named(change, message, unchecked):
    with pytest.raises(ValueError, match=message):
        Index(**{"name": "p", "weight": weighted} | change)

"""What the ends add to every index, against the exact spectrum of the function that is nothing else."""

from itertools import combinations

import numpy as np
import pytest
from common import all_masks

from spexjax._ends import end_rows, inner_rows
from spexjax.indices import INDICES, Ends, interactions, with_ends
from spexjax.indices import _ends as module
from spexjax.spectrum import Spectrum
from spexjax.transforms import exact_spectrum

ENDS = Ends(2.0, -3.0)


@pytest.mark.parametrize("n", [1, 2, 3, 6])
@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("index", INDICES)
def test_every_index_is_exact(index, k, n):
    other = {(): 1.0, (0,): 0.5}
    of_ends, of_other = exact_spectrum(all_masks(n), ENDS.at(all_masks(n))), Spectrum.from_dict(other, n)
    expected = interactions(of_ends.merge(of_other), index, k)
    found = with_ends(interactions(of_other, index, k), ENDS)
    assert found.index == index
    largest = min(k if expected.max_order is None else expected.max_order, n)
    for s in (s for order in range(largest + 1) for s in combinations(range(n), order)):
        assert found[s] == pytest.approx(expected[s], abs=1e-12), s


@pytest.mark.parametrize("index", ["Fourier", "Moebius"])
def test_without_an_order_only_the_sets_of_the_table_are_corrected(index):
    spectrum = Spectrum.from_dict({(): 1.0, (0, 2): 0.5}, 4)
    table = interactions(spectrum, index)
    found = with_ends(table, ENDS)
    exact = interactions(exact_spectrum(all_masks(4), spectrum(all_masks(4)) + ENDS.at(all_masks(4))), index)
    assert set(found.to_dict()) == set(table.to_dict())
    assert found.to_dict() == pytest.approx({s: exact[s] for s in table.to_dict()}, abs=1e-6)


def test_too_many_sets_to_name(monkeypatch):
    monkeypatch.setattr(module, "ALL_SETS", 5)
    table = with_ends(interactions(Spectrum.from_dict({(0, 1): 1.0}, 6), "FSII", 2), ENDS)
    assert set(table.to_dict()) == {(), (0,), (1,), (0, 1)}


def test_nothing_is_missed():
    table = interactions(Spectrum.from_dict({(0, 1): 1.0}, 6), "FSII", 2)
    assert with_ends(table, Ends(0.0, 0.0)) is table


def test_rows():
    masks = all_masks(3)
    np.testing.assert_array_equal(end_rows(masks), [0, 7])
    np.testing.assert_array_equal(inner_rows(masks), range(1, 7))
    np.testing.assert_array_equal(inner_rows(all_masks(1)), [0, 1])  # there are no others
    assert not len(end_rows(masks[1:7]))

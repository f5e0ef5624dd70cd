"""Features of the string that is left, against a plain reading of that string."""

from itertools import pairwise

import numpy as np
import pytest
from common import all_masks

from spexjax.gp import padded_strings, strings


def read(mask):
    """The kept features: those that are neighbours, up to 5 apart; the first of the first six; the last likewise."""
    kept, n = np.flatnonzero(mask).tolist(), len(mask)
    pairs = {(i, j, j - i - 1) for i, j in pairwise(kept) if j - i <= 5}
    ends = {(kept[0], 5), (kept[-1], 6)} if kept else set()
    return pairs | {(i, group) for i, group in ends if (i < 6 if group == 5 else i >= n - 6)}


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_each_mask_has_the_features_of_what_is_left(n):
    found, masks = strings(n), all_masks(n)
    names = [
        (*(i for i in kept if i < n), group)
        for kept, group in zip(found.kept.tolist(), found.group.tolist(), strict=True)
    ]
    assert len(set(names)) == len(names) <= padded_strings(n)
    for mask, row in zip(masks, found.at(masks), strict=True):
        assert {names[i] for i in np.flatnonzero(row)} == read(mask)


@pytest.mark.parametrize("n", [1, 2, 7, 9])
def test_the_spectrum_is_exact(n):
    found, masks = strings(n), all_masks(n)
    weights = np.random.default_rng(n).normal(size=len(found.group))
    spectrum = found.spectrum(weights)
    assert spectrum.support.shape[1] <= 6
    np.testing.assert_allclose(spectrum(masks), found.at(masks) @ weights, atol=1e-12)

"""Removal and keep curves."""

import numpy as np
import pytest

from spexjax.metrics import area, nested_masks, removal


def test_removal_by_its_formula():
    values = np.array([3.0, 0.0, -3.0])
    np.testing.assert_allclose(removal(-3.0, values), [2.0, 1.0, 0.0])
    assert isinstance(removal(2.0, 1.0), float)
    with pytest.raises(ValueError, match=r"f\(1\) is 0"):
        removal(0.0, values)


def test_nested_masks_are_nested_and_complements():
    ranking = [4, 0, 2]
    removed, kept = nested_masks(ranking, 5), nested_masks(ranking, 5, keep=True)
    np.testing.assert_array_equal(removed, ~kept)
    for r in range(4):
        assert set(np.flatnonzero(kept[r])) == set(ranking[:r])
    assert nested_masks([], 3).tolist() == [[True] * 3]
    for wrong in ([0, 0], [5], [-1]):
        with pytest.raises(ValueError, match="different features"):
            nested_masks(wrong, 5)
    with pytest.raises(TypeError):
        nested_masks([0.5, 1.7], 5)


def test_area_is_that_of_the_trapezoids():
    sizes, curve = np.array([1.0, 2.0, 5.0, 9.0]), np.array([0.2, 0.9, 0.4, 1.0])
    assert area(sizes, curve) == pytest.approx((0.55 + 3 * 0.65 + 4 * 0.7) / 8)
    assert area(sizes, np.full(4, 0.3)) == pytest.approx(0.3)
    for wrong in ([1.0, 1.0], [2.0, 1.0], [1.0]):
        with pytest.raises(ValueError, match="at least two sizes"):
            area(wrong, [0.0] * len(wrong))

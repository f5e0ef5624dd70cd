"""Masks that keep every feature with one probability: marginals, sizes, distinctness, and complements at one half."""

from math import comb

import jax
import numpy as np
import pytest

from spexjax.designs import all_masks, biased, checked_keep, uniform_size
from spexjax.metrics import size_weights

KEEPS = (0.9, 0.5, 0.2)


@pytest.mark.parametrize("keep", [1e-3, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 1), (3, 2), (7, 3), (8, 3), (31, 5), (60, 12), (40, 40), (300, 70)])
def test_distinct_and_both_ends_first(m, n, keep):
    masks = np.asarray(biased(jax.random.key(1), m, n, keep))
    assert masks.shape == (uniform_size(m, n), n)
    assert masks.dtype == bool
    assert len(np.unique(masks, axis=0)) == len(masks)
    assert masks[0].all()
    assert m == 1 or not masks[1].any()


@pytest.mark.parametrize("keep", KEEPS)
def test_every_feature_is_kept_as_often_as_any_other(keep):
    """In every part of a design: a feature is dealt once before another is dealt twice."""
    masks = np.asarray(biased(jax.random.key(0), 402, 60, keep))[2:]
    for part in (masks[:40], masks[:101], masks):
        kept = part.sum(0)
        assert np.ptp(kept) <= 2
        assert kept.mean() / len(part) == pytest.approx(keep, abs=2 / len(part))


@pytest.mark.parametrize("keep", KEEPS)
def test_sizes_are_those_of_the_binomial_distribution(keep):
    """No count of sizes up to k is off by more than a few masks; independent draws would be off by some 10 of 400."""
    n, masks = 60, np.asarray(biased(jax.random.key(2), 402, 60, keep))[2:]
    mass = np.array([comb(n, k) * keep**k * (1 - keep) ** (n - k) for k in range(n + 1)])
    for part in (masks[:50], masks):
        counts = np.bincount(part.sum(1), minlength=n + 1)
        assert np.abs(np.cumsum(counts) - len(part) * np.cumsum(mass)).max() < 4


def test_pairs_of_features_are_as_good_as_independent():
    """Over many designs: two features are removed together as often as if each went on its own."""
    designs = np.concatenate([np.asarray(biased(jax.random.key(s), 42, 30, 0.8))[2:] for s in range(40)])
    removed = (~designs).astype(float)
    together = (removed.T @ removed)[np.triu_indices(30, 1)] / len(designs)
    assert together.mean() == pytest.approx(0.04, rel=0.03)
    assert np.abs(together - 0.04).max() < 4.5 * np.sqrt(0.04 * 0.96 / len(designs))


def test_a_deck_serves_disjoint_removals():
    masks = np.asarray(biased(jax.random.key(3), 200, 50, 0.9))[2:]
    sizes = (~masks).sum(1)
    first = np.cumsum(sizes) <= 50  # dealt from the first deck
    assert first.sum() > 5
    assert (~masks[first]).sum(0).max() == 1


def test_one_half_gives_complements():
    masks = np.asarray(biased(jax.random.key(0), 130, 25, 0.5))
    np.testing.assert_array_equal(masks[::2], ~masks[1::2])


@pytest.mark.parametrize("keep", [0.1, 0.9])
def test_sizes_that_run_out(keep):
    """All masks but one, and the sizes of a few features near the full mask."""
    assert len(np.unique(np.asarray(biased(jax.random.key(0), 31, 5, keep)), axis=0)) == 31
    sizes = np.bincount((np.asarray(biased(jax.random.key(0), 200, 14, 0.95)) == 0).sum(1), minlength=15)
    assert sizes[1] == 14
    assert sizes[2] == 91
    assert sizes[3] > sizes[4] > sizes[5]


def test_weights_make_up_for_sizes_that_ran_out():
    masks = np.asarray(biased(jax.random.key(0), 700, 10, 0.8))
    value = masks @ np.arange(10.0) + 3 * masks[:, 0] * masks[:, 3]
    expected = 0.8 * 45 + 3 * 0.64
    assert size_weights(masks, keep=0.8) @ value == pytest.approx(expected, rel=0.01)
    assert abs(value.mean() - expected) > 0.1 * expected
    every = all_masks(8)
    chances = (0.3 ** every.sum(1)) * 0.7 ** (~every).sum(1)
    np.testing.assert_allclose(size_weights(every, keep=0.3), chances)


def test_the_same_key_gives_the_same_masks():
    one, same, other = (np.asarray(biased(jax.random.key(seed), 90, 40, 0.9)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("keep", [0, 1, -0.1, 1.5, float("nan"), "0.9", True, None])
def test_keep_is_a_probability(keep):
    with pytest.raises(ValueError, match="keep is the probability of keeping a feature, between 0 and 1"):
        checked_keep(keep)
    if isinstance(keep, float):
        with pytest.raises(ValueError, match=r"between 0 and 1, say 0.9; got"):
            biased(jax.random.key(0), 10, 5, keep)


@pytest.mark.parametrize(("m", "n"), [(0, 5), (5, 0), (-1, 3)])
def test_a_design_needs_masks_and_features(m, n):
    with pytest.raises(ValueError, match="at least one mask and one feature"):
        biased(jax.random.key(0), m, n)

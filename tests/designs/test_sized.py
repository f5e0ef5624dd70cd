"""Masks for Shapley-type indices: even rows uniform, odd rows by the Shapley kernel."""

import jax
import numpy as np
import pytest

from spexjax.designs import size_probabilities, sized, uniform_size

SHAPES = [(1, 1), (2, 1), (3, 2), (7, 3), (8, 3), (100, 5), (60, 12), (61, 21)]


@pytest.fixture(scope="module")
def large():
    """Ten designs of 200 masks of 40 features."""
    return [np.asarray(sized(jax.random.key(seed), 200, 40)) for seed in range(10)]


@pytest.fixture(scope="module")
def odd():
    """The odd rows of sixty designs, few enough masks that their being distinct hardly matters."""
    return np.concatenate([np.asarray(sized(jax.random.key(seed), 40, 40))[3::2] for seed in range(60)])


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_distinct_and_both_ends_first(m, n):
    masks = np.asarray(sized(jax.random.key(1), m, n))
    assert masks.shape == (uniform_size(m, n), n)
    assert masks.dtype == bool
    assert len(np.unique(masks, axis=0)) == len(masks)
    assert masks[0].all()
    if m < 2**n and m > 1:
        empty = np.flatnonzero(~masks.any(1))
        assert len(empty) == 1
        assert empty[0] == 1 or empty[0] % 2 == 0  # among the uniform masks, where these are so few


def test_even_rows_are_a_uniform_design(large):
    even = np.concatenate([masks[2::2] for masks in large])
    assert np.abs(even.mean(0) - 0.5).max() < 4 * 0.5 / np.sqrt(len(even))
    sizes = even.sum(1)
    assert abs(sizes.mean() - 20) < 4 * np.sqrt(10 / len(even))
    assert sizes.var() == pytest.approx(10, rel=0.2)


def test_odd_rows_have_the_sizes_of_the_shapley_kernel(odd):
    counts = np.bincount(odd.sum(1), minlength=41)
    expected = size_probabilities(40) * len(odd)
    assert counts[0] == counts[40] == 0
    chi_square = ((counts - expected)[1:40] ** 2 / expected[1:40]).sum()
    assert chi_square < 39 + 4 * np.sqrt(2 * 39)
    assert np.abs(odd.mean(0) - 0.5).max() < 4.5 * 0.5 / np.sqrt(len(odd))  # every feature as often


@pytest.mark.parametrize("n", [2, 5])
def test_small_games_run_out_of_sizes(n):
    """With all masks but one everything is there, whichever rows were drawn first."""
    masks = np.asarray(sized(jax.random.key(0), 2**n - 1, n))
    assert len(np.unique(masks, axis=0)) == 2**n - 1
    assert (~masks).all(1).any()


def test_the_first_draws_of_few_features_follow_the_kernel():
    first = [np.asarray(sized(jax.random.key(seed), 6, 10))[3].sum() for seed in range(200)]
    expected = 200 * size_probabilities(10)
    counts = np.bincount(first, minlength=11)
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected)).all()


def test_the_first_rows_are_a_smaller_design(large):
    """They are one in the same sense, and so a later round adds masks to those of an earlier one."""
    for m in (2, 20, 33, 64):
        first = [masks[:m] for masks in large]
        assert all(masks[0].all() and not masks[1].any() for masks in first)
        even, odd = (np.concatenate([masks[start::2] for masks in first]) for start in (2, 3))
        assert len(even) == 0 or abs(even.mean() - 0.5) < 4 * 0.5 / np.sqrt(even.size)
        assert m == 2 or odd.sum(1).std() > 2 * even.sum(1).std()


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_probabilities_of_the_sizes(n):
    found = size_probabilities(n)
    assert found.shape == (n + 1,)
    assert found[0] == found[-1] == 0
    np.testing.assert_allclose(found, found[::-1])
    if n > 1:
        assert found.sum() == pytest.approx(1)
        np.testing.assert_allclose(found[1:-1] * np.arange(1, n) * np.arange(n - 1, 0, -1), found[1] * (n - 1))


def test_same_key_same_masks():
    for n in (10, 40):
        first, again, other = (np.asarray(sized(jax.random.key(seed), 40, n)) for seed in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert (first != other).any()


def test_as_many_as_there_are_is_every_mask():
    masks = np.asarray(sized(jax.random.key(0), 10**6, 4))
    assert len(np.unique(masks, axis=0)) == len(masks) == 16


def test_mistakes_are_named():
    for m, n in ((0, 4), (4, 0)):
        with pytest.raises(ValueError, match="at least one mask and one feature"):
            sized(jax.random.key(0), m, n)

"""Masks for Shapley-type indices: pairs of complements, a quarter uniform, the others by the Shapley kernel."""

import jax
import numpy as np
import pytest

from spexjax.designs import size_probabilities, sized, uniform_rows, uniform_size

SHAPES = [(1, 1), (2, 1), (3, 2), (7, 3), (8, 3), (100, 5), (60, 12), (40, 40)]


@pytest.fixture(scope="module")
def designs():
    """Sixty designs, of few enough masks that their being distinct hardly matters."""
    return np.array([np.asarray(sized(jax.random.key(seed), 40, 40)) for seed in range(60)])


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
        assert empty[0] == 1


def test_uniform_rows_are_a_uniform_design(designs):
    rows = designs[:, uniform_rows(40)[2::2]].reshape(-1, 40)[:, 1:]  # of each pair the one that keeps feature 0
    assert np.abs(rows.mean(0) - 0.5).max() < 4 * 0.5 / np.sqrt(len(rows))
    sizes = rows.sum(1)
    assert abs(sizes.mean() - 19.5) < 4 * np.sqrt(9.75 / len(rows))
    assert sizes.var() == pytest.approx(9.75, rel=0.2)


def test_other_rows_have_the_sizes_of_the_shapley_kernel_in_pairs(designs):
    first, second = designs[:, ::2], designs[:, 1::2]
    np.testing.assert_array_equal(first, ~second)
    drawn = np.delete(first, np.arange(0, 20, 4), axis=1).reshape(-1, 40)
    counts = np.bincount(drawn.sum(1), minlength=41)
    expected = size_probabilities(40) * len(drawn)
    assert counts[0] == counts[40] == 0
    chi_square = ((counts - expected)[1:40] ** 2 / expected[1:40]).sum()
    assert chi_square < 39 + 4 * np.sqrt(2 * 39)
    assert np.abs(drawn.mean(0) - 0.5).max() < 4.5 * 0.5 / np.sqrt(len(drawn))  # every feature as often


@pytest.mark.parametrize("n", [2, 5])
def test_small_games_run_out_of_sizes(n):
    """With all masks but one everything is there, whichever rows were drawn first."""
    masks = np.asarray(sized(jax.random.key(0), 2**n - 1, n))
    assert len(np.unique(masks, axis=0)) == 2**n - 1
    assert (~masks).all(1).any()


def test_the_first_draws_of_few_features_follow_the_kernel():
    first = [np.asarray(sized(jax.random.key(seed), 6, 10))[2].sum() for seed in range(60)]
    expected = 60 * size_probabilities(10)
    counts = np.bincount(first, minlength=11)
    assert (np.abs(counts - expected) <= 5 * np.sqrt(expected)).all()


@pytest.mark.parametrize("m", [12, 15, 20])
def test_the_first_rows_are_a_smaller_design(designs, m):
    """They are one in the same sense, and so a later round adds masks to those of an earlier one."""
    first = designs[:, :m]
    assert first[:, 0].all()
    assert not first[:, 1].any()
    uniform, other = first[:, uniform_rows(m)[2:]].sum(-1), np.delete(first, uniform_rows(m), axis=1).sum(-1)
    assert abs(uniform.mean() - 20) < 4 * np.sqrt(10 / uniform.size)
    assert other.std() > 2 * uniform.std()


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

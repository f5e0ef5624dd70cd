"""The SPEX design: masks by their definition, sizes in closed form, every feature kept half of the time."""

import jax
import numpy as np
import pytest

from spexjax.codes import rank
from spexjax.designs import subsampled, subsampled_size

SIZES = [(1, 1, 1, 1), (2, 1, 5, 2), (3, 3, 2, 3), (7, 2, 3, 4), (20, 4, 5, 3), (63, 3, 5, 3), (200, 5, 2, 1)]


@pytest.mark.parametrize(("n", "b", "t", "c"), SIZES)
def test_masks_are_those_of_the_definition(key, n, b, t, c):
    design = subsampled(key, n, b, t, c)
    masks = design.masks()
    assert masks.shape == (subsampled_size(n, b, t, c), n)
    assert masks.dtype == bool
    assert not design.delays[0].any()
    ls = np.arange(1 << b)[:, None] >> np.arange(b) & 1
    expected = [(ls @ m + d) % 2 == 1 for m in design.mixing.astype(int) for d in np.asarray(design.delays, int)]
    np.testing.assert_array_equal(masks, np.concatenate(expected))
    np.testing.assert_array_equal(np.concatenate([*design.packed()]), np.packbits(masks, axis=1))


@pytest.mark.parametrize(("n", "b", "t", "c"), SIZES)
def test_matrices_and_properties(key, n, b, t, c):
    design = subsampled(key, n, b, t, c)
    assert (design.num_features, design.bins_log2, design.max_order, design.num_groups) == (n, b, min(t, n), c)
    assert all(rank(m) == b for m in design.mixing)
    assert design.mixing.any(1).all()


@pytest.mark.parametrize(("n", "b"), [(5, 1), (100, 2), (1000, 3)])
def test_every_feature_is_kept_in_half_of_the_masks(key, n, b):
    design = subsampled(key, n, b, 2)
    for block in design.packed():
        np.testing.assert_array_equal(np.unpackbits(block, axis=1, count=n).sum(0), 1 << (b - 1))


def test_pairs_of_features_look_independent(key):
    masks = np.asarray(subsampled(key, 63, 8).masks(), float)
    pairs = np.corrcoef(masks.T) - np.eye(63)
    assert np.abs(pairs).mean() < 0.01


def test_large_designs_come_in_parts(key):
    design = subsampled(key, 10_000, 10)
    blocks = design.packed()
    assert next(blocks).nbytes == 1024 * 1250
    assert subsampled_size(10_000, 10) == 3 * 71 * 1024
    assert 1 + sum(1 for _ in blocks) == 3 * 71


def test_same_key_same_masks():
    first, again, other = (subsampled(jax.random.key(k), 40, 4).masks() for k in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((10, 0), "1 <= b <= n"),
        ((10, 11), "1 <= b <= n"),
        ((10, 4, 0), "at least one feature"),
        ((10, 4, 2, 0), "at least one group"),
        ((20_000, 4), "A code holds 1 to 16383 features"),
    ],
)
def test_mistakes_are_named(key, arguments, match):
    with pytest.raises(ValueError, match=match):
        subsampled_size(*arguments)
    with pytest.raises(ValueError, match=match):
        subsampled(key, *arguments)

"""Uniform masks: distinct, the answer itself among them, and uniform."""

from importlib import import_module

import jax
import numpy as np
import pytest

from spexjax.designs import all_masks, uniform, uniform_size


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize(
    ("m", "n"), [(2, 1), (4, 2), (6, 3), (8, 3), (100, 5), (30, 5), (300, 21), (64, 64), (50, 1000)]
)
def test_distinct_and_all_kept_first(m, n, paired):
    masks = np.asarray(uniform(jax.random.key(1), m, n, paired=paired))
    assert masks.shape == (uniform_size(m, n), n)
    assert masks[0].all()
    assert len(np.unique(masks, axis=0)) == len(masks)
    if paired:
        np.testing.assert_array_equal(masks[1::2], ~masks[::2])


def test_enumerates_when_there_is_budget():
    assert len(uniform(jax.random.key(0), 10**6, 4)) == 16
    assert uniform_size(10**9, 4) == 16
    assert uniform_size(1, 10_000) == 1


def test_all_masks_come_quickly_beyond_the_limit(monkeypatch):
    monkeypatch.setattr(import_module("spexjax.designs._uniform"), "ENUMERABLE", 5)
    masks = np.asarray(uniform(jax.random.key(0), 2**12, 12))
    assert sorted(masks @ (1 << np.arange(12))) == list(range(2**12))
    assert masks[0].all()


def test_each_feature_is_kept_half_the_time():
    masks = np.asarray(uniform(jax.random.key(0), 4000, 30))
    rate, deviation = masks.mean(0), 0.5 / np.sqrt(4000)
    assert np.abs(rate - 0.5).max() < 4 * deviation
    pairs = np.corrcoef(masks.T.astype(float)) - np.eye(30)
    assert np.abs(pairs).max() < 5 / np.sqrt(4000)


def test_draws_without_replacement_are_uniform():
    counts = np.zeros(16)
    for seed in range(600):
        masks = np.asarray(uniform(jax.random.key(seed), 6, 4))
        counts += np.bincount(masks @ (1 << np.arange(4)), minlength=16)
    assert counts[15] == counts[0] == 600
    assert np.abs(counts[1:15] - 600 * 4 / 14).max() < 5 * np.sqrt(600 * 4 / 14 * 10 / 14)


def test_same_key_same_masks():
    first, again = uniform(jax.random.key(3), 40, 25), uniform(jax.random.key(3), 40, 25)
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(uniform(jax.random.key(4), 40, 25))).any()


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="even number"):
        uniform(jax.random.key(0), 5, 4, paired=True)
    with pytest.raises(ValueError, match="at least one mask"):
        uniform(jax.random.key(0), 0, 4)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_all_masks_come_once_with_feature_0_fastest(n):
    masks = all_masks(n)
    assert masks.dtype == bool
    assert masks.shape == (2**n, n)
    assert ["".join("01"[kept] for kept in row[::-1]) for row in masks.tolist()] == [
        f"{number:0{n}b}" if n else "" for number in range(2**n)
    ]

"""Variance factors by the size of a mask, against how they were drawn and against brute force."""

import numpy as np
import pytest
from common import all_masks, functional

from spexjax.gp import size_factors
from spexjax.gp._by_size import index_factor
from spexjax.indices import get


@pytest.mark.parametrize("slope", [0.0, -3.0, 2.0])
def test_a_trend_is_found(slope):
    rng = np.random.default_rng(0)
    sizes = rng.binomial(12, 0.5, 2000)
    true = np.exp(slope * (2 * np.arange(13) / 12 - 1))
    factors = size_factors(true[sizes] * rng.chisquare(1, 2000), sizes, 12)
    np.testing.assert_allclose(np.log(factors[3:10] / true[3:10]), 0, atol=0.3)


def test_the_mean_is_that_of_the_ratios_and_few_masks_tell_little():
    rng, sizes = np.random.default_rng(0), np.full(10, 6)
    ratios = 3 * rng.chisquare(1, 10)
    factors = size_factors(ratios, sizes, 12)
    assert factors[6] == pytest.approx(ratios.mean(), rel=1e-3)
    assert np.isfinite(factors).all()
    assert np.ptp(np.log(factors)) < 1


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("BII", 2), ("FSII", 1), ("FSII", 2), ("STII", 2)])
def test_the_factor_of_an_index_weighs_sizes_by_squared_weights(index, order):
    n, factors = 7, np.random.default_rng(0).uniform(1, 5, 8)
    at, mu = get(index).measure(order, 2, n)
    weights, size = functional(n, range(order), at, mu) ** 2, all_masks(n).sum(1)
    inner = (size > 0) & (size < n)
    expected = (weights * factors[size])[inner].sum() / weights[inner].sum()
    assert index_factor(factors, order, at, mu) == pytest.approx(expected, rel=1e-9)


def test_many_features():
    at, mu = get("SV").measure(1, 1, 1200)
    assert index_factor(np.full(1201, 2.0), 1, at, mu) == pytest.approx(2.0)

"""The measures on [0, 1], and the exact sums of weights, against each other."""

import numpy as np
import pytest

from spexjax.indices import INDICES, get
from spexjax.indices._weights import end_weights

WITH_MEASURE = ["Moebius", "SV", "BV", "SII", "BII", "STII", "FSII", "k-SII", "WBV", "WBII"]


def orders(index, n):
    """Pairs of k and s."""
    return [(k, s) for k in ((1,) if get(index).single else (1, 2, 3, 4)) for s in range(1, min(k, n) + 1)]


@pytest.mark.parametrize("index", WITH_MEASURE)
@pytest.mark.parametrize("n", [1, 4, 12, 40])
def test_moments_are_the_weights(index, n):
    for k, s in orders(index, n):
        measure = get(index).measure(s, k, n)
        if index == "k-SII" and s < k - 1:
            assert measure is None
            continue
        at, mu = measure
        assert at.shape == mu.shape
        assert (at >= 0).all()
        assert (at <= 1).all()
        for t in range(s, n + 1):
            assert mu @ at ** (t - s) == pytest.approx(float(get(index).weight(s, t, k)), abs=1e-11), (k, s, t)


@pytest.mark.parametrize("index", ["SV", "SII", "STII", "FSII", "k-SII"])
def test_many_features_need_no_more_than_128_nodes(index):
    record = get(index)
    k = record.max_order
    at, mu = record.measure(k, k, 2000)
    assert len(at) == 128
    for t in (k, k + 1, 100, 500):
        assert mu @ at ** (t - k) == pytest.approx(float(record.weight(k, t, k)), abs=1e-10)


@pytest.mark.parametrize("index", [name for name in INDICES if name not in WITH_MEASURE])
def test_indices_without_a_measure(index):
    assert get(index).measure(1, 2, 5) is None


@pytest.mark.parametrize("index", WITH_MEASURE)
@pytest.mark.parametrize("n", [1, 5, 60])
def test_both_ways_to_the_ends_agree(index, n):
    for k, s in orders(index, n):
        if measure := get(index).measure(s, k, n):
            at, mu = measure
            expected = mu @ at ** (n - s), (-1) ** s * (mu @ (1 - at) ** (n - s))
            np.testing.assert_allclose(end_weights(get(index), k, n, s), expected, rtol=0, atol=1e-11)

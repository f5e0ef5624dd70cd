"""The measures on [0, 1] against the weight table, which has every index's formula."""

import pytest

from spexjax.indices import INDICES, measure
from spexjax.indices._measure import CLOSED
from spexjax.indices._weights import TABLE


@pytest.mark.parametrize("index", [*CLOSED, "Moebius"])
@pytest.mark.parametrize("n", [1, 4, 12, 40])
def test_moments_are_the_weights(index, n):
    for k in (1,) if TABLE[index].single else (1, 2, 3, 4):
        for s in range(1, min(k, n) + 1):
            at, mu = measure(index, s, k, n)
            assert at.shape == mu.shape
            assert (at >= 0).all()
            assert (at <= 1).all()
            for t in range(s, n + 1):
                expected = float(TABLE[index].weight(s, t, k))
                assert mu @ at ** (t - s) == pytest.approx(expected, abs=1e-11), (k, s, t)


@pytest.mark.parametrize("index", ["SV", "SII", "STII", "FSII"])
def test_many_features_need_no_more_than_128_nodes(index):
    k = TABLE[index].max_order
    at, mu = measure(index, k, k, 2000)
    assert len(at) == 128
    for t in (k, k + 1, 100, 500):
        assert mu @ at ** (t - k) == pytest.approx(float(TABLE[index].weight(k, t, k)), abs=1e-10)


@pytest.mark.parametrize("index", [name for name in INDICES if name not in (*CLOSED, "Moebius")])
def test_indices_without_a_measure(index):
    with pytest.raises(ValueError, match=f"{index} is not an average of derivatives; the indices that are: SV, BV"):
        measure(index, 1, 2, 5)


def test_names_in_any_case():
    assert measure("bii", 1, 2, 5)[0].tolist() == [0.5]
    with pytest.raises(ValueError, match="did you mean FSII"):
        measure("FSI", 1, 2, 5)

import time

import numpy as np
import pytest

from spexjax.indices import INDICES, interactions
from spexjax.spectrum import Spectrum


def random_spectrum(n, terms, order, seed=0):
    rng = np.random.default_rng(seed)
    support = np.full((terms, order), n, np.int32)
    for row in support:
        size = rng.integers(order + 1)
        row[:size] = np.sort(rng.choice(n, size, False))
    return Spectrum(support, rng.normal(size=terms), n)


@pytest.mark.parametrize("index", INDICES)
def test_a_thousand_terms_convert_at_once(index):
    spectrum = random_spectrum(50_000, 1000, 5)
    interactions(spectrum, index, 5)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        interactions(spectrum, index, 5)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2


@pytest.mark.parametrize("index", INDICES)
def test_only_subsets_up_to_max_order_are_made(index):
    n = 1000
    spectrum = Spectrum(np.arange(0, 300, 10, dtype=np.int32)[None], np.ones(1), n)
    result = interactions(spectrum, index, 2)
    assert len(result) <= 1 + 30 + 30 * 29 // 2


def test_a_hopeless_expansion_is_refused():
    spectrum = Spectrum(np.arange(60, dtype=np.int32)[None], np.ones(1), 60)
    with pytest.raises(ValueError, match="ask for a smaller max_order"):
        interactions(spectrum, "Moebius")


@pytest.mark.parametrize("index", INDICES)
@pytest.mark.parametrize("width", [0, 3])
def test_no_terms(index, width):
    result = interactions(Spectrum(np.zeros((0, width), np.int32), np.zeros(0), 5), index)
    assert len(result) == 0
    assert result.to_dict() == {}


def test_repeated_and_padded_constants_are_added():
    spectrum = Spectrum(np.array([[4, 4], [1, 3], [4, 4]], np.int32), np.array([2.0, 1.0, 0.0]), 4)
    assert interactions(spectrum, "Fourier").to_dict() == {(): 2.0, (1, 3): 1.0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_cancels_is_absent(dtype):
    """The conjunction of three features, scaled so that its coefficients round, has one Möbius term."""
    support = np.array([[3, 3, 3], [0, 3, 3], [1, 3, 3], [2, 3, 3], [0, 1, 3], [0, 2, 3], [1, 2, 3], [0, 1, 2]])
    signs = np.array([1, -1, -1, -1, 1, 1, 1, -1])
    result = interactions(Spectrum(support, (signs * 0.3 / 8).astype(dtype), 3), "Moebius")
    assert list(result.to_dict()) == [(0, 1, 2)]
    assert result[0, 1, 2] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        *[(i.upper(), i) for i in INDICES],
        *[(i.lower(), i) for i in INDICES],
        ("Möbius", "Moebius"),
        ("mobius", "Moebius"),
    ],
)
def test_names_of_indices(given, meant):
    assert interactions(random_spectrum(6, 4, 2), given).index == meant


def test_unknown_index():
    spectrum = random_spectrum(6, 4, 2)
    with pytest.raises(
        ValueError, match=r"'kSII' is not an index \(did you mean k-SII\?\); the known ones are Fourier, "
    ):
        interactions(spectrum, "kSII")
    with pytest.raises(ValueError, match="'zzz' is not an index; the known ones are"):
        interactions(spectrum, "zzz")


@pytest.mark.parametrize("index", INDICES)
def test_static_mistakes(index):
    spectrum = random_spectrum(6, 4, 2)
    with pytest.raises(ValueError, match="1 or more; got 0"):
        interactions(spectrum, index, 0)
    with pytest.raises(ValueError, match="6 features but 2 names"):
        interactions(spectrum, index, feature_names=["a", "b"])


def test_orders_are_whole_numbers(unchecked):
    with pytest.raises(ValueError, match=r"a whole number, 1 or more; got 2\.5"):
        interactions(random_spectrum(6, 4, 2), "FSII", 2.5)


def test_defaults():
    spectrum = random_spectrum(6, 4, 2)
    orders = {index: interactions(spectrum, index).max_order for index in INDICES}
    assert orders == dict.fromkeys(INDICES, 2) | {"Fourier": None, "Moebius": None, "SV": 1, "BV": 1, "WBV": 1}


def test_an_order_beyond_the_features_is_theirs():
    spectrum = Spectrum.from_dict({(0,): 1.0, (0, 1, 2): 0.5}, 3)
    found = interactions(spectrum, "FSII", 100)
    assert found.max_order == 3
    assert found.to_dict() == interactions(spectrum, "FSII", 3).to_dict()
    with pytest.raises(ValueError, match="a whole number, 1 or more; got True"):
        interactions(spectrum, "FSII", True)

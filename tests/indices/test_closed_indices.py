"""Indices of a surrogate against those of its exact spectrum, true values put in at the evaluated masks."""

import dataclasses
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, functional, random_surrogate

from spexjax.indices import interactions, standard_errors, surrogate_interactions
from spexjax.indices.weights import TABLE
from spexjax.spectrum import Spectrum
from spexjax.surrogate import Process
from spexjax.transforms import exact_spectrum

UNDERFLOW = pytest.mark.xfail(reason="0 * inf at t = 0 from order 4: NaN")
REST = {(): 0.3, (1,): -0.4, (0, 2, 3): 0.6, (1, 2, 4, 5): -0.2}


def corrected(n=6, m=20, **options):
    """A surrogate, its residuals, and the spectrum of the function that is right at the evaluated masks."""
    surrogate, rows, values = random_surrogate(n, m, **options)
    function = surrogate(all_masks(n)).astype(np.float64)
    residuals = values - function[rows]
    function[rows] = values
    with jax.enable_x64(True):
        return surrogate, residuals, exact_spectrum(all_masks(n), function)


@pytest.fixture(scope="module", params=[{}, {"share": 0.5, "rest": REST}], ids=["plain", "mixed"])
def case(request):
    return corrected(**request.param)


def check(found, expected):
    assert found.index == expected.index
    assert found.max_order == expected.max_order
    assert set(expected.to_dict()) <= set(found.to_dict())
    scale = max(map(abs, expected.values))
    for s, value in found:
        assert value == pytest.approx(expected[s], abs=2e-5 * scale), s


@pytest.mark.parametrize(
    ("index", "k"),
    [
        ("SV", 1),
        ("BV", 1),
        ("SII", 6),
        ("BII", 3),
        ("STII", 1),
        ("STII", 3),
        pytest.param("STII", 6, marks=UNDERFLOW),
        ("FSII", 1),
        ("FSII", 3),
        ("k-SII", 1),
        ("k-SII", 2),
    ],
)
def test_closed_form_equals_the_exact_spectrum(case, index, k):
    surrogate, residuals, spectrum = case
    found = surrogate_interactions(surrogate, residuals, spectrum, index, k)
    check(found, interactions(spectrum, index, k))
    assert len(found) == sum(comb(6, o) for o in range(TABLE[index].smallest, k + 1))  # every set, none twice


@pytest.mark.parametrize("index", ["STII", "k-SII"])
def test_fewer_features_than_orders(index):
    surrogate, residuals, spectrum = corrected(1, 2)
    check(surrogate_interactions(surrogate, residuals, spectrum, index, 2), interactions(spectrum, index, 2))


@pytest.mark.parametrize("index", ["Fourier", "Moebius", "FBII", "k-SII"])
def test_others_are_read_off_the_spectrum(case, index):
    surrogate, residuals, spectrum = case
    found = surrogate_interactions(surrogate, residuals, spectrum, index, 3)
    assert found.to_dict() == interactions(spectrum, index, 3).to_dict()


def test_only_the_named_sets_where_there_are_too_many():
    """Features beyond the eighth that do not matter: 201 have more than 20,000 pairs."""
    narrow, n = random_surrogate(8, 10)[0], 201
    (process,), added = narrow.processes, ((0, 0), (0, n - 8))
    kernels = dataclasses.replace(
        process.kernels,
        rates=jnp.pad(process.kernels.rates, ((0, 0), *added)),
        linear=jnp.pad(process.kernels.linear, added),
    )
    named, empty = (Spectrum.from_dict(terms, n) for terms in ({(0, 1): 1.0, (2, 5): 0.5}, {(): 0.0}))
    wide = dataclasses.replace(
        narrow, masks=np.pad(narrow.masks, added), processes=(Process(kernels, process.alphas),), rest=empty
    )
    found = surrogate_interactions(wide, np.zeros(10), named, "BII", 2)
    assert set(found.to_dict()) == {(i,) for i in range(n)} | {(0, 1), (2, 5)}
    mean = covariance(process.first, all_masks(8), narrow.masks) @ np.asarray(process.alphas[0], np.float64)
    for s in ((0,), (7,), (0, 1), (2, 5)):
        assert found[s] == pytest.approx(functional(8, s, [0.5], [1]) @ mean, abs=1e-5)
    assert found[100] == 0


def test_names_and_mistakes(case):
    names = tuple("abcdef")
    assert surrogate_interactions(*case, "SII", 1, names).feature_names == names
    with pytest.raises(ValueError, match="did you mean FSII"):
        surrogate_interactions(*case, "FSI")
    with pytest.raises(ValueError, match="max_order"):
        surrogate_interactions(*case, "SII", 0)


def test_standard_errors_where_there_is_a_closed_form():
    """k-SII is SII at its highest order, and has none below."""
    surrogate, residuals, spectrum = corrected()
    errors = standard_errors(surrogate, surrogate_interactions(surrogate, residuals, spectrum, "k-SII", 2))
    assert np.isnan(errors).tolist() == [True] * 7 + [False] * 15
    assert (errors[7:] > 0).all()
    assert np.isnan(standard_errors(surrogate, interactions(spectrum, "FBII", 2))).all()
    fourier = interactions(spectrum, "Fourier", 2)
    np.testing.assert_array_equal(standard_errors(surrogate, fourier), surrogate.coefficient_errors(fourier.support))

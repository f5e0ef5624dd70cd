"""Indices of a surrogate against those of its exact spectrum, true values put in at the evaluated masks."""

import dataclasses
from math import comb

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, functional, random_surrogate

from spexjax.indices import Ends, get, interactions, standard_errors, surrogate_interactions
from spexjax.spectrum import Spectrum
from spexjax.transforms import exact_spectrum

NO_ENDS = Ends(0.0, 0.0)
REST = {(): 0.3, (1,): -0.4, (0, 2, 3): 0.6, (1, 2, 4, 5): -0.2}


def corrected(n=6, m=20, **options):
    """A surrogate, its residuals, and the spectrum of the function that is right at the evaluated masks."""
    surrogate, rows, values = random_surrogate(n, m, **options)
    function = surrogate(all_masks(n)).astype(np.float64)
    residuals = values - function[rows]
    function[rows] = values
    with jax.enable_x64(True):
        return surrogate, residuals, exact_spectrum(all_masks(n), function)


@pytest.fixture(scope="module")
def case():
    """Half of a surrogate, and a sparse part."""
    return corrected(share=0.5, rest=REST)


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
        ("BII", 2),
        ("STII", 1),
        ("STII", 3),
        ("STII", 5),
        ("FSII", 1),
        ("FSII", 3),
        ("k-SII", 1),
        ("k-SII", 2),
        ("Moebius", 1),
        ("Moebius", 3),
        ("FBII", 1),
        ("FBII", 2),
        ("FBII", 3),
        ("Fourier", 2),
        ("Fourier", 6),
    ],
)
def test_closed_form_equals_the_exact_spectrum(case, index, k):
    surrogate, residuals, spectrum = case
    found = surrogate_interactions(surrogate, residuals, spectrum, NO_ENDS, index, k)
    check(found, interactions(spectrum, index, k))
    assert len(found) == sum(comb(6, o) for o in range(get(index).smallest, k + 1))  # every set, none twice


@pytest.mark.parametrize(("n", "m"), [(6, 20), (1, 2)])
def test_closed_form_of_a_surrogate_alone(n, m):
    surrogate, residuals, spectrum = corrected(n, m)
    check(
        surrogate_interactions(surrogate, residuals, spectrum, NO_ENDS, "k-SII", 2), interactions(spectrum, "k-SII", 2)
    )


@pytest.mark.parametrize("index", ["Fourier", "Moebius", "k-SII"])
def test_others_are_read_off_the_spectrum(case, index):
    surrogate, residuals, spectrum = case
    k = 3 if index == "k-SII" else None
    found = surrogate_interactions(surrogate, residuals, spectrum, NO_ENDS, index, k)
    assert found.to_dict() == interactions(spectrum, index, k).to_dict()
    if index == "Moebius":
        assert np.isnan(standard_errors(surrogate, found)).all()


def test_only_the_named_sets_where_there_are_too_many():
    """Features beyond the eighth that do not matter: 201 have more than 20,000 pairs."""
    narrow, n = random_surrogate(8, 10)[0], 201
    (process,), added = narrow.processes, ((0, 0), (0, n - 8))
    process = dataclasses.replace(process, kernels=dataclasses.replace(process.kernels, near=jnp.zeros((1, 0))))
    kernels = dataclasses.replace(
        process.kernels,
        rates=jnp.pad(process.kernels.rates, ((0, 0), *added)),
        linear=jnp.pad(process.kernels.linear, added),
    )
    named, empty = (Spectrum.from_dict(terms, n) for terms in ({(0, 1): 1.0, (2, 5): 0.5}, {(): 0.0}))
    wide = dataclasses.replace(
        narrow,
        masks=np.pad(narrow.masks, added),
        processes=(dataclasses.replace(process, kernels=kernels),),
        rest=empty,
    )
    found = surrogate_interactions(wide, np.zeros(10), named, NO_ENDS, "BII", 2)
    assert set(found.to_dict()) == {(i,) for i in range(n)} | {(0, 1), (2, 5)}
    mean = covariance(process.first, all_masks(8), narrow.masks) @ np.asarray(process.alphas[0], np.float64)
    for s in ((0,), (7,), (0, 1), (2, 5)):
        assert found[s] == pytest.approx(functional(8, s, [0.5], [1]) @ mean, abs=1e-5)
    assert found[100] == 0


def test_names_and_mistakes(case):
    names = tuple("abcdef")
    assert surrogate_interactions(*case, NO_ENDS, "SII", 1, names).feature_names == names
    with pytest.raises(ValueError, match="did you mean FSII"):
        surrogate_interactions(*case, NO_ENDS, "FSI")
    with pytest.raises(ValueError, match="max_order"):
        surrogate_interactions(*case, NO_ENDS, "SII", 0)


def test_standard_errors_where_there_is_a_closed_form(case, monkeypatch):
    """Each order by its own measure; k-SII has none more than one below its highest order."""

    def errors(self, sets, at, mu):
        return 10 * sets.shape[1] + np.sum(np.asarray(at) * mu) + np.arange(len(sets)) / 100

    monkeypatch.setattr("spexjax.gp.Surrogate.index_errors", errors)
    monkeypatch.setattr("spexjax.gp.Surrogate.coefficient_errors", lambda self, support: support.sum(1) / 7)
    surrogate, _, spectrum = case
    for index, k, known in (
        ("SV", 1, {1: "SV"}),
        ("STII", 3, {1: "STII", 2: "STII", 3: "STII"}),
        ("k-SII", 3, {2: "k-SII", 3: "SII"}),
    ):
        table = interactions(spectrum, index, k)
        found = standard_errors(surrogate, table)
        for order in range(k + 1):
            rows = table.orders == order
            if order not in known:
                assert np.isnan(found[rows]).all()
            elif rows.any():
                measured = errors(surrogate, table.support[rows, :order], *get(known[order]).measure(order, k, 6))
                np.testing.assert_array_equal(found[rows], measured)
    assert np.isnan(standard_errors(surrogate, interactions(spectrum, "FBII", 2))).all()
    fourier = interactions(spectrum, "Fourier", 2)
    np.testing.assert_array_equal(standard_errors(surrogate, fourier), fourier.support.sum(1) / 7)

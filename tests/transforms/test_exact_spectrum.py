import numpy as np
import pytest

from spexjax.spectrum import Spectrum
from spexjax.transforms import exact_spectrum


def all_masks(n, seed=0):
    masks = np.arange(1 << n)[:, None] >> np.arange(n) & 1 == 1
    return np.random.default_rng(seed).permutation(masks)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 10])
def test_the_definition(n):
    masks = all_masks(n)
    f = np.random.default_rng(n).normal(size=1 << n).astype(np.float32)
    spectrum = exact_spectrum(masks, f)
    signs = (-1.0) ** (masks.astype(int) @ masks.T)
    expected = {tuple(np.flatnonzero(s).tolist()): c for s, c in zip(masks, signs @ f / (1 << n), strict=True)}
    assert spectrum.to_dict() == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(spectrum(masks), f, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 10.0])
def test_a_sparse_function_has_a_sparse_spectrum(dtype, offset):
    terms = {(): offset, (2,): 1.0, (0, 3): -0.7, (1, 4, 5): 0.3, (9,): -0.1}
    masks = all_masks(10)
    f = sum(c * (-1.0) ** masks[:, list(s)].sum(1) for s, c in terms.items())
    spectrum = exact_spectrum(masks, f.astype(dtype))
    assert list(spectrum.to_dict()) == list(terms)
    assert spectrum.to_dict() == pytest.approx(terms, abs=20 * float(np.finfo(dtype).eps))
    assert spectrum.coefficients.dtype == np.float64
    assert spectrum.support.dtype == np.int32
    assert spectrum.support.shape == (5, 3)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_constant(value):
    spectrum = exact_spectrum(all_masks(3), np.full(8, value, np.float32))
    assert isinstance(spectrum, Spectrum)
    assert spectrum.to_dict() == {(): value}
    assert spectrum.support.shape == (1, 0)


@pytest.mark.parametrize(
    "masks",
    [
        all_masks(3)[:-1],
        all_masks(3)[[0, 1, 2, 3, 4, 5, 6, 6]],
        np.zeros((0, 3), bool),
        np.zeros((4, 70), bool),
    ],
)
def test_incomplete_masks(masks):
    with pytest.raises(ValueError, match=f"got {len(masks)} masks"):
        exact_spectrum(masks, np.zeros(len(masks), np.float32))


def test_whole_numbers_and_values_that_are_not_finite(unchecked):
    masks = all_masks(2)
    assert exact_spectrum(masks.astype(float), masks.sum(1)).to_dict() == {(): 1.0, (0,): -0.5, (1,): -0.5}
    with pytest.raises(ValueError, match="value of mask 2 is not finite"):
        exact_spectrum(masks, np.array([0.0, 1.0, np.nan, 2.0]))

"""Screening: correlations against numpy's, and the road from packed masks to a spectrum of all features."""

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.proxies import columns, lift, screen


def chunked(masks, size):
    packed = np.packbits(masks, axis=1)
    return [packed[i : i + size] for i in range(0, len(masks), size)]


@pytest.mark.parametrize(("n", "size"), [(21, 40), (16, 64), (5, 100)])
@pytest.mark.parametrize("many", [False, True])
def test_correlations_are_those_of_numpy(n, size, many):
    rng = np.random.default_rng(0)
    masks, values = rng.random((100, n)) < 0.3, 5 + rng.normal(size=(100, 3))
    values[:, 0] += 4 * masks[:, 3]
    values = values if many else values[:, 0]
    masks[:, 1] = True  # has no correlation
    found = screen(chunked(masks, size), values, n, keep=3)
    with np.errstate(invalid="ignore"):
        expected = np.nan_to_num(np.corrcoef(masks.T, values.T)[n:, :n])
    expected = expected if many else expected[0]
    np.testing.assert_allclose(found.correlations, expected, atol=1e-5)
    np.testing.assert_array_equal(found.features, np.argsort(-np.abs(expected))[..., :3])
    assert found.features.ravel()[0] == 3


def test_survivors_are_fitted_and_mapped_back():
    rng = np.random.default_rng(1)
    truth = sx.Spectrum.from_dict({(): 2.0, (40,): 1.0, (733,): -1.5, (40, 733): 0.7, (990,): 0.5}, 1000)
    masks = rng.random((600, 1000)) < 0.5
    chunks, values = chunked(masks, 250), np.asarray(truth(masks))
    found = screen(chunks, values, 1000, keep=8)
    survivors = columns(chunks, found.features)
    np.testing.assert_array_equal(survivors, masks[:, found.features])
    fit = sx.fit(survivors, values, method="lasso", key=jax.random.key(0))
    lifted = lift(fit.spectrum, found.features, 1000)
    np.testing.assert_allclose(lifted(masks), fit.spectrum(survivors), atol=1e-5)
    assert {(40,), (733,), (990,)} <= lifted.to_dict().keys()
    assert lifted.num_features == 1000


def test_a_constant_has_no_correlations():
    masks = np.random.default_rng(0).random((50, 9)) < 0.5
    assert not screen(chunked(masks, 50), np.full(50, 3.0), 9, keep=2).correlations.any()


def test_bad_input():
    packed = np.zeros((10, 2), np.uint8)
    values = np.arange(10.0)
    for arguments, message in [
        (([packed], values, 9, 10), "keep must be between 1 and 9"),
        (([packed], values, 20, 3), "20 features are 3 bytes each"),
        (([packed[:6]], values, 9, 3), "10 values but 6 masks"),
        (([packed, packed], values, 9, 3), "for masks 10 to 19"),
        (([packed], np.full(10, np.nan), 9, 3), "Values must be finite"),
    ]:
        *first, keep = arguments
        with pytest.raises(ValueError, match=message):
            screen(*first, keep=keep)
    used_up = (chunk for chunk in [packed])
    screen(used_up, values, 9, keep=3)
    with pytest.raises(ValueError, match=r"There are no masks\. If the chunks come from .* create a new one"):
        columns(used_up, np.array([0]))
    for feature in (-1, 16):
        with pytest.raises(ValueError, match=f"from 0 to 15 in chunks of 2 bytes a mask; got {feature} to {feature}"):
            columns([packed], np.array([feature]))
    spectrum = sx.Spectrum.from_dict({(0, 1): 1.0}, 2)
    for features in ([3], [3, 3], [3, 9]):
        with pytest.raises(ValueError, match=r"distinct features of 0\.\.8"):
            lift(spectrum, np.array(features), 9)

"""Masks that were measured several times, with noise: all of them are not an exact explanation."""

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx


def fitted(signal, repeats=25):
    rng, masks = np.random.default_rng(0), np.repeat(all_masks(3), repeats, axis=0)
    values = signal * masks[:, 0] + rng.normal(size=len(masks))
    with pytest.warns(UserWarning, match="8 masks occurred more than once"):
        return sx.fit(masks, values, key=jax.random.key(0))


def test_repeats_that_differ_are_not_exact():
    found = fitted(10.0)
    assert not found.faithfulness.exact
    assert found.faithfulness.r2 == pytest.approx(1 - (1 / 25) / (25 + 1 / 25), abs=5e-4)
    assert "repeats of a mask differ" in repr(found)
    assert np.isnan(found.interactions("SV").standard_errors).all()


def test_pure_noise_is_not_learnable():
    assert "Not learnable" in repr(fitted(0.0))


def test_equal_repeats_are_exact():
    masks = np.repeat(all_masks(3), 2, axis=0)
    assert sx.fit(masks, masks @ [1.0, 2.0, 0.1], key=jax.random.key(0)).faithfulness.exact

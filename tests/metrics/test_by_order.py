"""R2 by order: over all masks the shares of energy, by Parseval."""

import numpy as np
import pytest
from common import all_masks

from spexjax.metrics import r2_by_order
from spexjax.spectrum import Spectrum


def test_over_all_masks_it_is_the_share_of_energy():
    rng = np.random.default_rng(0)
    spectrum = Spectrum.from_dict({s: rng.normal() for s in [(), (0,), (3,), (1, 2), (0, 3), (1, 2, 4)]}, 5)
    masks = all_masks(5)
    energy = spectrum.energy_by_order()
    expected = np.cumsum([0, *energy[1:]]) / energy[1:].sum()
    found = r2_by_order(spectrum, masks, np.asarray(spectrum(masks)))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.shape == (4,)


def test_a_constant_and_nothing():
    masks, values = all_masks(3), np.arange(8.0)
    assert r2_by_order(Spectrum.from_dict({(): 3.5}, 3), masks, values).tolist() == pytest.approx([0.0])
    assert r2_by_order(Spectrum.from_dict({}, 3), masks, values)[0] < 0

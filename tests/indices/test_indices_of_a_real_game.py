"""A real game, known at all 2^14 masks: see tests/games/README.md."""

from math import factorial
from pathlib import Path

import jax
import numpy as np
import pytest

from spexjax.indices import interactions
from spexjax.transforms import exact_spectrum


@pytest.fixture(scope="module")
def game():
    stored = np.load(Path(__file__).parents[1] / "games" / "exact_tabular_a.npz")
    masks = np.unpackbits(stored["masks"], axis=1)[:, : int(stored["n"])].astype(bool)
    return masks, stored["values"].astype(np.float64)


@pytest.fixture(scope="module")
def spectrum(game):
    with jax.enable_x64(True):
        return exact_spectrum(*game)


def ends(game):
    masks, values = game
    return values[~masks.any(1)].item(), values[masks.all(1)].item()


def test_spectrum_gives_the_game_back(game):
    masks, values = game
    single = exact_spectrum(masks, values.astype(np.float32))
    np.testing.assert_allclose(single(masks), values, atol=1e-5)


def test_shapley_values_by_the_direct_formula(game, spectrum):
    masks, values = game
    n = masks.shape[1]
    size = masks.sum(1)
    weight = np.array([factorial(t) * factorial(n - t - 1) / factorial(n) for t in range(n)] + [0.0])
    shapley = interactions(spectrum, "SV")
    for i in range(n):
        kept = masks[:, i]
        direct = (weight[size[kept] - 1] * values[kept]).sum() - (weight[size[~kept]] * values[~kept]).sum()
        assert shapley[i] == pytest.approx(direct, abs=1e-10)
    none, everything = ends(game)
    assert shapley.values.sum() == pytest.approx(everything - none, abs=1e-10)


@pytest.mark.parametrize("index", ["k-SII", "STII", "FSII"])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_efficiency(game, spectrum, index, k):
    none, everything = ends(game)
    result = interactions(spectrum, index, k)
    assert result[()] == pytest.approx(none, abs=1e-10)
    assert result.values.sum() == pytest.approx(everything, abs=1e-10)


def test_efficiency_in_single_precision(game):
    masks, values = game
    none, everything = ends(game)
    shapley = interactions(exact_spectrum(masks, values.astype(np.float32)), "SV")
    assert shapley.values.sum() == pytest.approx(everything - none, abs=1e-5)


def test_banzhaf_interactions_are_scaled_coefficients(spectrum):
    coefficients = spectrum.to_dict()
    banzhaf = interactions(spectrum, "BII", 3)
    assert set(banzhaf.to_dict()) == {s for s in coefficients if 1 <= len(s) <= 3}
    for s, value in banzhaf:
        assert value == pytest.approx((-2) ** len(s) * coefficients[s], abs=1e-12)

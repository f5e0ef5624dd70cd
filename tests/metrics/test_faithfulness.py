"""R2, also where there is nothing to explain."""

import numpy as np
import pytest
from common import all_masks

from spexjax.metrics import few_hold_half, r2, r2_error, size_weights


def test_r2_equals_its_definition():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=50), rng.normal(size=50)
    assert abs(r2(f, g) - (1 - ((f - g) ** 2).sum() / ((f - f.mean()) ** 2).sum())) < 1e-12
    assert r2(f, f) == 1.0
    assert abs(r2(f, np.full(50, f.mean()))) < 1e-12


def test_a_constant_has_no_variance_to_explain():
    for constant in (np.full(9, 3.3, np.float32), np.zeros(3), np.ones(1), np.full(5, 0.1) + 1e-17):
        for gap in (0.0, 0.1):
            assert np.isnan(r2(constant, constant + gap))
            assert np.isnan(r2_error(constant, constant + gap))


def test_neither_offset_nor_unit_matters():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=(2, 50))
    for offset, scale in ((1e7, 1.0), (0.0, 1e-200), (0.0, 1e200), (1e9, 1e30)):
        assert r2(scale * (f + offset), scale * (g + offset)) == pytest.approx(r2(f, g), abs=1e-6)


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    f, g, counts = rng.normal(size=40), rng.normal(size=40), rng.integers(1, 5, 40)
    assert r2(f, g, counts) == pytest.approx(r2(np.repeat(f, counts), np.repeat(g, counts)))


def test_sizes_are_weighed_as_uniform_masks_have_them():
    """An average over masks of every size, weighed, is the average over all masks."""
    masks = np.concatenate([all_masks(8)] + [all_masks(8)[all_masks(8).sum(1) == 1]] * 5)
    weights, value = size_weights(masks), masks @ np.arange(8.0) + masks[:, 0] * masks[:, 3]
    everything = all_masks(8) @ np.arange(8.0) + all_masks(8)[:, 0] * all_masks(8)[:, 3]
    assert weights.sum() == pytest.approx(1)
    assert weights @ value == pytest.approx(everything.mean())


def test_cross_validation_is_less_certain():
    rng = np.random.default_rng(0)
    f = rng.normal(size=400)
    g = f + 0.3 * rng.normal(size=400)
    once, twice = r2_error(f, g), r2_error(f, g, folds=3)
    assert 1.58 * once < twice < 2 * once
    g[0] += 30  # one mask makes up the error
    assert r2_error(f, g, folds=3) > 3 * r2_error(f, g)


@pytest.mark.parametrize("noise", [1.0])
def test_guessing_the_mean_is_uncertain_too(noise):
    """R2 of a constant is minus the square of its error, which the linear term of the expansion does not see."""
    rng = np.random.default_rng(0)
    f = noise * rng.normal(size=(2000, 60))
    scores = [r2(a, np.full(60, b.mean())) for a, b in zip(f, rng.normal(size=(2000, 60)), strict=True)]
    errors = [r2_error(a, np.zeros(60)) for a in f]
    assert np.mean(errors) == pytest.approx(np.std(scores), rel=0.5)


def test_few_masks_with_half_of_the_error():
    assert few_hold_half(np.array([1.0, 1, 1, 9]), np.zeros(4)) == 1
    assert few_hold_half(np.ones(10), np.zeros(10)) == 5
    assert few_hold_half(np.ones(3), np.ones(3)) == 3


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_the_error_is_the_spread_over_samples(noise):
    """Of a skewed function that is predicted worse where it is large."""
    rng = np.random.default_rng(0)
    f = rng.gamma(4, size=(2000, 300))
    g = f * (1 + 0.2 * noise * rng.normal(size=f.shape)) + 0.2 * noise
    scores, errors = np.array([(r2(a, b), r2_error(a, b)) for a, b in zip(f, g, strict=True)]).T
    assert errors.mean() == pytest.approx(scores.std(), rel=0.1)


def test_the_error_does_not_depend_on_the_unit():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=(2, 50))
    assert r2_error(5 + 1e3 * f, 5 + 1e3 * g) == pytest.approx(r2_error(f, g), rel=1e-6)
    assert r2_error(f, f) == 0
    assert r2_error(1 + 1e-9 * f, 1 + 1e-9 * g) == pytest.approx(r2_error(f, g), rel=1e-4)


def test_mistakes_are_named():
    for f, g in [(np.ones(3), np.ones(2)), (np.ones(0), np.ones(0))]:
        with pytest.raises(ValueError, match="as many predictions as values"):
            r2(f, g)
        with pytest.raises(ValueError, match="as many predictions as values"):
            r2_error(f, g)

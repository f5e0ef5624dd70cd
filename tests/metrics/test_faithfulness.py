"""R2, also where there is nothing to explain."""

import numpy as np
import pytest

from spexjax.metrics import r2, r2_error


def test_r2_equals_its_definition():
    rng = np.random.default_rng(0)
    f, g = rng.normal(size=50), rng.normal(size=50)
    assert abs(r2(f, g) - (1 - ((f - g) ** 2).sum() / ((f - f.mean()) ** 2).sum())) < 1e-12
    assert r2(f, f) == 1.0
    assert abs(r2(f, np.full(50, f.mean()))) < 1e-12


def test_constant_functions():
    constant = np.full(9, 3.3, np.float32)
    assert r2(constant, constant) == 1.0
    assert r2(constant, constant + 1e-8) == 1.0
    assert r2(constant, constant + 0.1) == 0.0
    assert r2(np.zeros(3), np.zeros(3)) == 1.0
    assert r2(np.zeros(3), np.ones(3)) == 0.0
    assert r2(np.ones(1), np.ones(1)) == 1.0


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
    assert r2_error(f, f) == r2_error(np.ones(5), np.ones(5)) == r2_error(np.ones(5), np.zeros(5)) == 0
    assert r2_error(1 + 1e-9 * f, np.ones(50)) == 0  # constant to single precision


def test_mistakes_are_named():
    for f, g in [(np.ones(3), np.ones(2)), (np.ones(0), np.ones(0))]:
        with pytest.raises(ValueError, match="as many predictions as values"):
            r2(f, g)
        with pytest.raises(ValueError, match="as many predictions as values"):
            r2_error(f, g)

"""What a proxy returns is put in order, or refused, where it enters an explanation."""

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.proxies import Fit
from spexjax.spectrum import Spectrum

N = 14
MASKS = np.asarray(sx.designs.uniform(jax.random.key(0), 60, N))


def explained(support, coefficients, held_out=None, rows=None):
    def proxy(masks, values, key):
        spectrum = Spectrum(np.array(support, np.int32), np.array(coefficients, np.float64), N)
        return Fit(spectrum, spectrum(masks) if held_out is None else held_out, {}, None, rows)

    values = 1.0 * MASKS[:, 13] - 2.0 * MASKS[:, 9]
    return sx.fit(MASKS, values, method=proxy, key=jax.random.key(0))


def test_rows_in_any_order_and_given_twice():
    wanted = explained([[14, 14], [13, 14], [9, 13]], [0.5, -0.25, 0.125])
    found = explained([[14, 9 + 4], [14, 14], [13, 9], [9, 13]], [-0.25, 0.5, 0.1, 0.025])
    for index in ("FSII", "SV", "Fourier"):
        a, b = wanted.interactions(index).to_dict(), found.interactions(index).to_dict()
        assert a == pytest.approx(b, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[3, 3]], [1.0]), "not a set of the features"),
        (([[-1, 3]], [1.0]), "not a set of the features"),
        (([[3, 15]], [1.0]), "not a set of the features"),
        (([[3, 14]], [np.nan], np.zeros(60)), "finite number"),
        (([[3, 14]], [1.0], np.full(60, np.nan)), "60 held-out predictions that are not finite, first at row 0"),
        (([[3, 14]], [1.0], np.zeros(59)), "held_out has 60 predictions"),
        (([[3, 14]], [1.0], np.zeros(60), np.array([60])), "rows 0..59"),
        (([[3, 14]], [1.0], np.zeros(60), np.array([3])), "at least two of the rows"),
        (([[3, 14]], [1.0], np.zeros(60), np.array([4, 4])), "at least two of the rows"),
        (([[3, 14]], [1.0], np.zeros(60), np.ones(60, bool)), "must be whole numbers"),
        (([[3, 14]], [1.0], np.zeros(60), np.arange(60.0)), "must be whole numbers"),
        (([[3, 14]], [1.0], np.full(60, "1")), "must be real numbers"),
        (([[3, 14]], [1.0], np.zeros(60) + 1j), "must be real numbers"),
        (([[3, 14], [3, 14]], [1e308, 1e308], np.zeros(60)), "add up to more"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        explained(*arguments)


def fitted_by(**wrong):
    def proxy(masks, values, key):
        return Fit(Spectrum.constant(0.0, N), np.zeros(60), {}, None)._replace(**wrong)

    return sx.fit(MASKS, 1.0 * MASKS[:, 13], method=proxy, key=jax.random.key(0))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"spectrum": None}, "with a Spectrum"),
        ({"surrogate": Spectrum.constant(0.0, N)}, "must be a Surrogate"),
        ({"diagnostics": None}, "must be a dict"),
        ({"diagnostics": {"model": object()}}, "is a object"),
    ],
)
def test_parts_of_another_kind_are_named(wrong, words):
    with pytest.raises(ValueError, match=words):
        fitted_by(**wrong)


@pytest.mark.parametrize("support", [[[0.0, 1.0]], [[np.nan, 1.0]], [[True, False]], [1, 2], [[[1, 2]]]])
def test_supports_of_another_kind_are_named(support):
    spectrum = Spectrum(np.array(support), np.ones(len(support)), N)
    with pytest.raises(ValueError, match="must be whole numbers"):
        fitted_by(spectrum=spectrum)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_proxy_that_changes_what_it_is_given_changes_nothing_else(mixed):
    def careless(masks, values, key):
        values -= values.mean()
        fit = sx.proxies.lasso()(masks, values, key)
        masks[:] = True
        return fit

    values = 100 + 1.0 * MASKS[:, 13] - 2.0 * MASKS[:, 9] + 0.1 * MASKS[:, 2]
    before = values.copy()
    method = sx.proxies.select({"careless": careless, "lasso": sx.proxies.lasso()}) if mixed else careless
    explanation = sx.fit(MASKS, values, method=method, key=jax.random.key(0))
    for array, expected in ((values, before), (explanation.values, before), (explanation.masks, MASKS)):
        np.testing.assert_array_equal(array, expected)
    values[:] = 50  # reused for something else
    np.testing.assert_array_equal(explanation.values, before)
    assert explanation.predict(np.ones((1, N), bool)) == pytest.approx(99.1)

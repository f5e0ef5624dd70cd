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
        (([[3, 3]], [1.0]), "no set of the features"),
        (([[-1, 3]], [1.0]), "no set of the features"),
        (([[3, 15]], [1.0]), "no set of the features"),
        (([[3, 14]], [np.nan], np.zeros(60)), "finite number"),
        (([[3, 14]], [1.0], np.full(60, np.nan)), "60 held-out predictions that are not finite, first at row 0"),
        (([[3, 14]], [1.0], np.zeros(59)), "held_out has 60 predictions"),
        (([[3, 14]], [1.0], np.zeros(60), np.array([60])), "rows 0..59"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        explained(*arguments)

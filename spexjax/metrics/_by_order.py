"""Faithfulness by order: what single features explain, what pairs add, and so on."""

import dataclasses

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from spexjax.metrics._faithfulness import r2
from spexjax.spectrum import Spectrum
from spexjax.typing import Masks, Values


def r2_by_order(spectrum: Spectrum, masks: Masks, values: Values) -> Float[np.ndarray, " o"]:
    """R2 of the terms of at most d features, `sum_{|S| <= d} F(S) (-1)^{|S ∩ x|}`, for d = 0, 1, ..., max |S|.

    The terms of low order are taken from the whole spectrum, not refitted. Over uniform masks they are the best
    function of that order, because the characters are orthogonal.

    Args:
      spectrum: of the explanation.
      masks: bool `[m, n]`, uniform masks that the fit has not seen.
      values: `[m]`, the value function there.

    Raises:
      ValueError: if the masks have another number of features, or there are none.

    >>> xor = Spectrum.from_dict({(): 0.5, (0, 1): -0.5}, num_features=2)
    >>> masks = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], bool)
    >>> r2_by_order(xor, masks, np.array([0.0, 1.0, 1.0, 0.0])).tolist()
    [0.0, 0.0, 1.0]
    """
    orders = np.asarray(spectrum.orders)
    scores = []
    for d in range(int(orders.max(initial=0)) + 1):
        low = dataclasses.replace(spectrum, coefficients=jnp.where(orders <= d, spectrum.coefficients, 0))
        scores.append(r2(values, low(masks)))
    return np.array(scores)

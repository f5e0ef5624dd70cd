"""Values on the host: centred and scaled in double precision before anything is cast to single precision."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

_EQUAL = 8 * np.finfo(np.float64).eps  # relative to the largest |f|: what rounding alone can cause


class Standardised(NamedTuple):
    """`f = centre + spread * y`, where y has mean 0 and variance 1; y and the spread are 0 if all values are equal."""

    y: Float[np.ndarray, " m"]
    centre: float
    spread: float


def standardise(values: ArrayLike) -> Standardised:
    """Centres and scales values in float64, so that a large constant or an extreme unit costs no digits.

    In the single precision of a device, 1e8 + 1 is 1e8 and 1e-40 is 0. Values count as equal if they
    differ by less than eight units in the last place of double precision.

    Args:
      values: `[m]` finite numbers, m >= 1.

    >>> standardise([3e6, 3e6 + 0.5])
    Standardised(y=array([-1.,  1.]), centre=3000000.25, spread=0.25)
    """
    f = np.asarray(values, np.float64)
    unit = _power_of_two(f)
    scaled = f / unit  # exact, and squares and sums of it neither overflow nor vanish
    centre = scaled.mean()
    deviations = scaled - centre
    if np.abs(deviations).max() <= _EQUAL * np.abs(scaled).max():
        return Standardised(np.zeros_like(f), float(f[0]), 0.0)
    spread = np.sqrt(np.mean(deviations**2))
    return Standardised(deviations / spread, float(centre * unit), float(spread * unit))


def real_numbers(values: ArrayLike, what: str) -> Float[np.ndarray, "*m"]:
    """Copies numbers to float64; later changes to the original have no effect.

    Args:
      values: numbers of any real type.
      what: what to call them in the error.

    Raises:
      ValueError: if they are complex, text or dates, some are masked, or their shapes differ.
    """
    hidden = isinstance(values, np.ma.MaskedArray) and np.ma.getmaskarray(values).any()
    try:
        array = np.asarray(values)
        if hidden or array.dtype.kind in "cSUTmM":
            raise TypeError
        return np.array(array, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what} must be real numbers, all of one shape, and none of them masked.") from error


def narrowed(values: ArrayLike) -> Float[np.ndarray, "*m"]:
    """Converts numbers to float32 if that loses nothing, else to float64.

    >>> narrowed([0.5]).dtype, narrowed([0.1]).dtype
    (dtype('float32'), dtype('float64'))
    """
    f = np.asarray(values, np.float64)
    with np.errstate(over="ignore"):
        single = f.astype(np.float32)
    return single if (single == f).all() else f


def _power_of_two(f: Float[np.ndarray, " m"]) -> float:
    """A power of two above the largest |f| and at most twice as large, within the range of float64; 1 if all are 0."""
    return float(2.0 ** np.clip(np.frexp(np.abs(f).max())[1], -1021, 1023))

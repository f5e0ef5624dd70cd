"""What a page needs to predict values: a spectrum, its errors, and the masks that were evaluated."""

import base64
from math import isfinite, isnan
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from spexjax.explanation import Explanation
from spexjax.spectrum import Spectrum, numbered_masks
from spexjax.transforms import exact_spectrum

_SIZES, _PER_SIZE = 12, 64  # masks where the error of predictions is computed; 16 would put it a quarter too low
_ALL = 10  # features up to which no term is left out
_MOST_MASKS = 1 << 18  # bytes of masks that a page holds


def prediction(explanation: Explanation) -> dict[str, Any]:
    """The spectrum: the constant, and for each other term its order, its features and its coefficient."""
    spectrum, n = _spectrum(explanation), len(explanation.feature_names)
    orders, coefficients = np.asarray(spectrum.orders), np.asarray(spectrum.coefficients, np.float64)
    joint = orders > 0
    support = np.asarray(spectrum.support)[joint]
    offsets, errors = _by_size(explanation, spectrum)
    ends = explanation.predict(np.array([[True] * n, [False] * n]))  # true values, where they were evaluated
    return {
        "constant": float(coefficients[~joint].sum()),
        "orders": _base64(orders[joint].astype(np.uint16)),
        "features": _base64(support[support < n].astype(np.uint32 if n > 0xFFFF else np.uint16)),
        "coefficients": _base64(coefficients[joint].astype(np.float32)),
        "ends": ends.tolist(),
        "offsets": [rounded(offset) for offset in offsets],
        "errors": [rounded(error) for error in errors],
    }


def _spectrum(explanation: Explanation) -> Spectrum:
    """The explanation's; for few features, all terms of its predictions."""
    n = len(explanation.feature_names)
    if explanation.surrogate is None or n > _ALL:
        return explanation.spectrum
    masks = numbered_masks(np.arange(1 << n), n)
    return exact_spectrum(masks, explanation.predict(masks))


def _by_size(explanation: Explanation, spectrum: Spectrum) -> tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]:
    """For masks of 0..n kept features, what the spectrum misses on average, and the error that is left.

    A surrogate's spectrum is truncated. Near the full mask the many small terms that it lacks have the same sign, so
    they are replaced by their mean. The error is the root of the surrogate's variance plus the variance of what is
    missed, at a few random masks of each size. Without a surrogate it is that of the held-out predictions.
    """
    n, faithfulness = len(explanation.feature_names), explanation.faithfulness
    if faithfulness.exact or isnan(faithfulness.r2):
        return np.zeros(n + 1), np.zeros(n + 1)
    if explanation.surrogate is None:
        left = (1 - faithfulness.r2) * np.var(explanation.values[faithfulness.rows])
        return np.zeros(n + 1), np.full(n + 1, np.sqrt(max(float(left), 0.0)))
    removed = np.geomspace(1, n, _SIZES).round().astype(int)
    sizes = np.repeat(np.unique(n - removed), _PER_SIZE)
    places = np.random.default_rng(0).random((len(sizes), n)).argsort(1).argsort(1)
    masks = places < sizes[:, None]
    missed, errors = explanation.predict(masks) - spectrum(masks), explanation.prediction_errors(masks)
    at, missed, errors = np.unique(sizes), missed.reshape(-1, _PER_SIZE), errors.reshape(-1, _PER_SIZE)
    left = np.sqrt((errors**2).mean(1) + missed.var(1))
    return np.interp(np.arange(n + 1), at, missed.mean(1)), np.interp(np.arange(n + 1), at, left)


def evaluated(explanation: Explanation) -> dict[str, str] | None:
    """The masks, as bits, and their values; None if there are too many for a page."""
    bits = np.packbits(explanation.masks, axis=1)
    if bits.size > _MOST_MASKS:
        return None
    return {"masks": _base64(bits), "values": _base64(explanation.values.astype(np.float32))}


def rounded(value: float) -> float:
    """Six digits; an unknown error counts as none."""
    return float(f"{value:.6g}") if isfinite(value) else 0.0


def _base64(array: Shaped[np.ndarray, "*_"]) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()

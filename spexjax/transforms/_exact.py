"""The exact spectrum of a function known at all 2^n masks."""

import numpy as np

from spexjax._values import standardise
from spexjax.spectrum import Spectrum, mask_numbers
from spexjax.transforms._hadamard import host_walsh_hadamard
from spexjax.typing import Masks, Values


def exact_spectrum(masks: Masks, values: Values) -> Spectrum:
    """All Fourier coefficients `F(S) = 2^-n sum_x f(x) (-1)^{|S ∩ x|}` that are not zero to rounding.

    Args:
      masks: `Bool[2^n, n]`, every mask once, in any order.
      values: `Float[2^n]`, f at each mask; their dtype says how exact they are.

    Returns:
      In float64 on the host: the constant, then the terms with `|F(S)| > 2 eps max |f - mean f|`, strongest first, eps
      being that of the values' type.

    Raises:
      ValueError: if some of the 2^n masks are missing or repeated, or the numbers of masks and values differ, or a
        value is not finite.

    >>> masks = np.array([[1, 1], [0, 0], [1, 0], [0, 1]], bool)
    >>> exact_spectrum(masks, np.array([4.0, 0.0, 2.0, 2.0])).to_dict()
    {(): 2.0, (0,): -1.0, (1,): -1.0}
    """
    masks, values = np.asarray(masks, bool), np.asarray(values)
    eps = float(np.finfo(values.dtype if values.dtype == np.float32 else np.float64).eps)
    m, n = masks.shape
    subset = mask_numbers(masks)
    if len(values) != m or m != 1 << n or np.bincount(subset, minlength=m).max() > 1:
        raise ValueError(
            f"An exact spectrum of n = {n} features needs each of the 2^{n} masks once, with one value each; "
            f"got {m} masks and {len(values)} values."
        )
    if not np.isfinite(values).all():
        raise ValueError(f"The value of mask {np.isfinite(values).argmin()} is not finite; evaluate it again.")
    y, centre, spread = standardise(values)
    ordered = np.empty(m)
    ordered[subset] = y
    coefficients = host_walsh_hadamard(ordered) / m
    strength = np.abs(coefficients)
    strength[0] = np.inf
    kept = np.argsort(-strength, kind="stable")
    kept = kept[: np.count_nonzero(strength > 2 * eps * np.abs(y).max())]
    features = np.arange(n, dtype=np.int32)
    support = np.sort(np.where(kept[:, None] >> features & 1, features, np.int32(n)), axis=1)
    width = (support < n).sum(1).max()
    found = coefficients[kept] * spread
    found[0] += centre
    return Spectrum(support[:, :width], found, n)

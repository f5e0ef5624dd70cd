"""Removal curves: how far the output moves as features are removed."""

import operator
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Shaped

from spexjax.typing import Array

Numbers = Sequence[float | int] | Shaped[Array, " k"]


def removal(full: float, value: float | Numbers) -> float | Float[np.ndarray, " k"]:
    """`|f(1) - f(S)| / |f(1)|`: 0 where nothing has changed, 1 where the output is gone (ProxySPEX, arXiv 2505.17495).

    Args:
      full: f(1), with every feature kept.
      value: f(S), one number or many.

    Raises:
      ValueError: if f(1) is 0, where the ratio has no meaning.

    >>> removal(2.0, 0.5), removal(-2.0, [-2.0, 1.0]).tolist()
    (0.75, [0.0, 1.5])
    """
    if full == 0:
        raise ValueError("f(1) is 0, so a change relative to it has no meaning; compare f(1) - f(S) instead.")
    change = np.abs(full - np.asarray(value, np.float64)) / abs(full)
    return float(change) if change.ndim == 0 else change


def nested_masks(ranking: Numbers, num_features: int, *, keep: bool = False) -> Bool[np.ndarray, "k n"]:
    """Masks that remove, or keep alone, the first 0, 1, 2, ... features of a ranking.

    Args:
      ranking: k feature indices, the most important first.
      num_features: n.
      keep: keep these features and remove all others, instead of removing them.

    Returns:
      bool `[k + 1, n]`, True = kept.

    Raises:
      ValueError: if the ranking repeats a feature or names one outside `0..n-1`.
      TypeError: if an entry is not a whole number.

    >>> nested_masks([2, 0], 3).astype(int).tolist()
    [[1, 1, 1], [1, 1, 0], [0, 1, 0]]
    """
    features = [operator.index(feature) for feature in np.asarray(ranking).tolist()]
    if len(set(features)) != len(features) or not all(0 <= feature < num_features for feature in features):
        raise ValueError(f"A ranking must name different features out of 0..{num_features - 1}.")
    named = np.zeros((len(features) + 1, num_features), bool)
    for r, feature in enumerate(features):
        named[r + 1 :, feature] = True
    return named if keep else ~named


def area(sizes: Numbers, curve: Numbers) -> float:
    """The mean height of a curve over its range, by the trapezoidal rule.

    Args:
      sizes: `Float[k]`, increasing: how many features were removed or kept.
      curve: `Float[k]`.

    Raises:
      ValueError: if there are fewer than two sizes, or they do not increase.

    >>> area([0, 1, 3], [0.0, 1.0, 1.0])
    0.8333333333333334
    """
    sizes, curve = np.asarray(sizes, np.float64), np.asarray(curve, np.float64)
    if sizes.shape != curve.shape or len(sizes) < 2 or not (np.diff(sizes) > 0).all():
        raise ValueError("A curve needs at least two sizes, increasing, and a height for each.")
    return float(np.trapezoid(curve, sizes) / (sizes[-1] - sizes[0]))

"""The two ends of the cube: the mask that keeps everything, the answer explained, and the one that keeps nothing.

They are always evaluated, and no other mask is like them. Out of 2^n masks they count for nothing in R2, but Shapley
values give each of them a weight of 1 / n. A value there may be an outlier: a model asked about an empty text, say.
"""

import numpy as np
from jaxtyping import Int

from spexjax.typing import Masks


def inner_rows(masks: Masks) -> Int[np.ndarray, " r"]:
    """The masks that keep something and remove something; all masks, if fewer than two are such.

    >>> inner_rows(np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)).tolist()
    [1, 2]
    """
    size = np.asarray(masks).sum(1)
    inner = np.flatnonzero((size > 0) & (size < masks.shape[1]))
    return inner if len(inner) > 1 else np.arange(len(masks))


def end_rows(masks: Masks) -> Int[np.ndarray, " e"]:
    """The masks that keep everything or nothing."""
    size = np.asarray(masks).sum(1)
    return np.flatnonzero((size == 0) | (size == masks.shape[1]))

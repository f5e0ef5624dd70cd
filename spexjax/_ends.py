"""The two ends of the cube: the mask that keeps everything, the answer explained, and the one that keeps nothing.

They are always evaluated, and no other mask is like them. Out of 2^n masks they count for nothing in R2, but Shapley
values give each of them a weight of 1 / n. A value there may be an outlier: a model asked about an empty text, say.
"""

import numpy as np
from jaxtyping import Int

from spexjax.typing import Masks


def inner_rows(masks: Masks) -> Int[np.ndarray, " r"]:
    """The masks that are no `end_rows`; all masks, if fewer than two are such.

    >>> inner_rows(np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)).tolist()
    [1, 2]
    """
    inner = np.setdiff1d(np.arange(len(masks)), end_rows(masks))
    return inner if len(inner) > 1 else np.arange(len(masks))


def end_rows(masks: Masks) -> Int[np.ndarray, " e"]:
    """The mask that keeps everything and the one that keeps nothing, if they are there once.

    Among masks of few features that were drawn with replacement an end may come more often; then it is one of them.
    """
    size = np.asarray(masks).sum(1)
    ends = [np.flatnonzero(size == k) for k in (0, masks.shape[1])]
    return np.sort(np.concatenate([rows for rows in ends if len(rows) == 1] or [np.zeros(0, np.int64)]))

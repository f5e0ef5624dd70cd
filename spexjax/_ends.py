"""The two ends of the cube: the mask that keeps everything and the mask that keeps nothing.

The value at the first is the output being explained. Both ends are always evaluated. They hardly count in R2, being two
of 2^n masks, but Shapley values give each a weight of 1 / n. The value at an end may be an outlier, such as the answer
of a model to an empty text.
"""

import numpy as np
from jaxtyping import Int

from spexjax.typing import Masks


def inner_rows(masks: Masks) -> Int[np.ndarray, " r"]:
    """The rows of all masks except the `end_rows`; all rows if fewer than two would be left.

    >>> inner_rows(np.array([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0]], bool)).tolist()
    [1, 2]
    """
    inner = np.setdiff1d(np.arange(len(masks)), end_rows(masks))
    return inner if len(inner) > 1 else np.arange(len(masks))


def end_rows(masks: Masks) -> Int[np.ndarray, " e"]:
    """The rows of the mask that keeps everything and of the one that keeps nothing, where each occurs once.

    Masks of few features, drawn with replacement, may hold an end several times. Then it is a mask like the others.
    """
    size = np.asarray(masks).sum(1)
    ends = [np.flatnonzero(size == k) for k in (0, masks.shape[1])]
    return np.sort(np.concatenate([rows for rows in ends if len(rows) == 1] or [np.zeros(0, np.int64)]))

"""Linear algebra over GF(2), on the host."""

import jax
import numpy as np
from jaxtyping import Bool, Int

from spexjax.typing import Key


def independent_rows(matrix: Bool[np.ndarray, "r c"]) -> tuple[Int[np.ndarray, " k"], Bool[np.ndarray, "r k"]]:
    """The earliest maximal set of independent rows, and every row as a combination of them.

    Args:
      matrix: bool `[r, c]` of rank k.

    Returns:
      Indices `[k]` in increasing order and `coefficients [r, k]`, with
      `matrix = coefficients @ matrix[indices]` mod 2.

    >>> rows, coefficients = independent_rows(np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1]], bool))
    >>> rows.tolist(), coefficients.astype(int).tolist()
    ([0, 2], [[1, 0], [1, 0], [0, 1], [1, 1]])
    """
    left, identity = matrix.copy(), np.eye(len(matrix), dtype=bool)
    combination = identity.copy()  # left = combination @ matrix, throughout
    rows = []
    for i in range(len(matrix)):
        if left[i].any():
            rows.append(i)
            later = i + 1 + np.flatnonzero(left[i + 1 :, left[i].argmax()])
            left[later] ^= left[i]
            combination[later] ^= combination[i]
    # A row that vanished is the sum of the others in its combination, and those are all independent ones.
    coefficients = combination ^ identity
    coefficients[rows] = identity[rows]
    return np.array(rows, np.int64), coefficients[:, rows]


def rank(matrix: Bool[np.ndarray, "r c"]) -> int:
    """The rank over GF(2).

    >>> rank(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], bool))
    2
    """
    return len(independent_rows(matrix)[0])


def random_full_rank(key: Key, b: int, n: int) -> Bool[np.ndarray, "b n"]:
    """Draws a matrix uniformly from those of rank b, by rejection; a draw has rank b with probability over 0.28.

    Args:
      key: PRNG key, consumed.
      b: number of rows.
      n: number of columns.

    Raises:
      ValueError: if b > n, where no such matrix exists.

    >>> rank(random_full_rank(jax.random.key(0), 4, 6))
    4
    """
    if b > n:
        raise ValueError(f"{b} rows of length {n} cannot be independent; take b <= n.")
    while True:
        key, draw = jax.random.split(key)
        matrix = np.asarray(jax.random.bernoulli(draw, shape=(b, n)))
        if rank(matrix) == b:
            return matrix

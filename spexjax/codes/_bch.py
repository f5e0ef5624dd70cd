"""Shortened binary BCH codes: a parity-check matrix whose products with sets of at most t columns all differ."""

import dataclasses
import functools

import jax
import numpy as np

from spexjax._equality import by_content
from spexjax.codes._field import MAX_DEGREE, field
from spexjax.codes._gf2 import independent_rows
from spexjax.typing import Leaf


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class BCH:
    """The t-error-correcting BCH code of length 2^m - 1, shortened to its first n positions; see `bch`.

    Codes of equal n and t share compiled programs: the numbers are static, the tables are leaves.
    """

    parity_check: Leaf  # Bool[p, n], of rank p
    recover: Leaf  # Bool[t * m, p]: parities -> the bits of the syndromes S_1, S_3, ..., S_{2t-1}, low bit first
    num_features: int = dataclasses.field(metadata={"static": True})  # n
    max_order: int = dataclasses.field(metadata={"static": True})  # t
    degree: int = dataclasses.field(metadata={"static": True})  # m


@functools.cache
def bch(num_features: int, max_order: int) -> BCH:
    """The BCH code whose p parities `H 1_S` distinguish all sets of at most t out of n features.

    Feature j stands for alpha^j in GF(2^m), with the least m >= 2 such that n < 2^m. The rows of H are the m bits
    of `alpha^{ij}` for i = 1, 3, ..., 2t-1, without rows that depend linearly on earlier ones.

    Args:
      num_features: n, at most 16383.
      max_order: t; more than n is taken as n.

    Returns:
      A code whose `parity_check` has `parity_size(n, t)` rows.

    Raises:
      ValueError: if n is not in 1..16383 or t is below 1.

    >>> bch(7, 1).parity_check.astype(int).tolist()
    [[1, 0, 0, 1, 0, 1, 1], [0, 1, 0, 1, 1, 1, 0], [0, 0, 1, 0, 1, 1, 1]]
    """
    m, t = _degree(num_features, max_order), min(max_order, num_features)
    powers = np.outer(np.arange(1, 2 * t, 2), np.arange(num_features)) % ((1 << m) - 1)
    bits = field(m).exp[powers][:, None] >> np.arange(m)[:, None] & 1  # [t, m, n]
    matrix = bits.reshape(t * m, num_features).astype(bool)
    rows, recover = independent_rows(matrix)
    parity_check = matrix[rows]
    parity_check.flags.writeable = recover.flags.writeable = False
    return BCH(parity_check, recover, num_features, t, m)


def parity_size(num_features: int, max_order: int) -> int:
    """The number of parities p that `bch(n, t)` has: `min(n, |C_1 ∪ C_3 ∪ ... ∪ C_{2t-1}|)`.

    `C_i = {i 2^s mod 2^m - 1}` is a cyclotomic coset, whose size is the degree of the minimal polynomial of alpha^i.
    Consecutive columns of a cyclic code's full-rank H have full rank, hence the minimum.

    Args:
      num_features: n, at most 16383.
      max_order: t.

    Raises:
      ValueError: if n is not in 1..16383 or t is below 1.

    >>> parity_size(63, 5), parity_size(16, 5)
    (27, 16)
    """
    m, t = _degree(num_features, max_order), min(max_order, num_features)
    zeros = {(i << s) % ((1 << m) - 1) for i in range(1, 2 * t, 2) for s in range(m)}
    return min(num_features, len(zeros))


def _degree(num_features: int, max_order: int) -> int:
    if not 1 <= num_features < 1 << MAX_DEGREE:
        raise ValueError(f"A code holds 1 to {(1 << MAX_DEGREE) - 1} features; got n = {num_features}.")
    if max_order < 1:
        raise ValueError(f"A code needs sets of at least one feature; got t = {max_order}.")
    return max(2, num_features.bit_length())

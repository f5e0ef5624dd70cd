"""From a sparse Fourier spectrum to any interaction index, sparse in and sparse out."""

from collections.abc import Sequence
from itertools import chain, combinations
from math import comb

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.indices._index import Index, check_index, get
from spexjax.indices._interactions import Interactions
from spexjax.indices._weights import fourier_weights
from spexjax.spectrum import Spectrum, joined_supports, unique_rows

_MAX_ENTRIES = 1 << 27  # of the table of all subsets, before equal ones are merged: 0.5 GiB

Table = tuple[Int[np.ndarray, "_ _"], Float[np.ndarray, " _"]]


def interactions(
    spectrum: Spectrum,
    index: str,
    max_order: int | None = None,
    feature_names: Sequence[str] | None = None,
    keep: float | None = None,
) -> Interactions:
    """An interaction index of a function given by its spectrum: `I(S) = sum_{R ⊇ S} W(|S|, |R|) F(R)`.

    `get(index)` says what each index is and where it comes from.

    The empty set is part of Fourier, Moebius and FBII. STII, FSII and k-SII give it the value f(nothing kept), and then
    sum to f(everything kept). A term is spread over its subsets of at most k features, so the cost does not depend on
    n.

    Args:
      spectrum: k terms of any order over n features.
      index: a name of `INDICES`, in upper or lower case.
      max_order: the order k of the index; by default 2, and all orders for Fourier and Moebius. SV, BV and WBV are
        of order 1 whatever is given.
      feature_names: n names, for display.
      keep: for WBV and WBII, the probability with which every other feature is kept; 1/2 by default, as in BV and BII.

    Returns:
      The interactions by increasing order, without those that are zero to the precision of the coefficients.

    Raises:
      ValueError: if the index is unknown, `max_order < 1`, the names are not n, or the subsets of terms of
        high order would fill the memory.

    >>> both = Spectrum.from_dict({(): 0.25, (0,): -0.25, (7,): -0.25, (0, 7): 0.25}, num_features=9)
    >>> interactions(both, "Moebius").to_dict(), interactions(both, "SV").to_dict()
    ({(0, 7): 1.0}, {(0,): 0.5, (7,): 0.5})
    """
    record, n = get(check_index(index, max_order), keep), spectrum.num_features
    if feature_names is not None and len(feature_names) != n:
        raise ValueError(f"The spectrum has {n} features but {len(feature_names)} names were given.")
    if max_order is None or record.single:
        max_order = record.max_order
    elif max_order > n:
        max_order = max(n, 1)
    tables = [table for table in _expand(spectrum, record, max_order) if len(table[1])]
    return Interactions(
        joined_supports([sets for sets, _ in tables], n),
        np.concatenate([np.empty(0), *(values for _, values in tables)]),
        record.name,
        max_order,
        n,
        None if feature_names is None else tuple(feature_names),
    )


def _expand(spectrum: Spectrum, index: Index, max_order: int | None) -> list[Table]:
    """For s = 0, 1, ...: the sets S of s features with a value, and I(S)."""
    support, orders = np.sort(np.asarray(spectrum.support, np.int32), axis=1), np.asarray(spectrum.orders)
    coefficients = np.asarray(spectrum.coefficients, np.float64)
    counts = np.bincount(orders).tolist()
    steps = [
        (r, s, weight)
        for r, count in enumerate(counts)
        if count
        for s, weight in enumerate(fourier_weights(index, max_order or r, r))
        if weight != 0
    ]
    total = sum(counts[r] * comb(r, s) * max(s, 1) for r, s, _ in steps)
    if total > _MAX_ENTRIES:
        raise ValueError(
            f"{index.name} of terms of order {len(counts) - 1} needs a table of {total:,} entries, more than the "
            f"{_MAX_ENTRIES:,} that are allowed; ask for a smaller max_order."
        )
    shares: dict[int, list[Table]] = {}  # by s: the subsets of the terms, and what each term gives to each
    for r, s, weight in steps:
        each = comb(r, s)
        positions = np.fromiter(chain.from_iterable(combinations(range(r), s)), np.intp, each * s)
        subsets = support[orders == r][:, positions].reshape(counts[r] * each, s)
        shares.setdefault(s, []).append((subsets, np.repeat(weight * coefficients[orders == r], each)))
    eps = float(jnp.finfo(spectrum.coefficients.dtype).eps)
    return [_merge(shares[s], eps) for s in sorted(shares)]


def _merge(shares: list[Table], eps: float) -> Table:
    """Adds up the shares of equal subsets, and drops the sums that are zero to rounding."""
    subsets, values = (np.concatenate(parts) for parts in zip(*shares, strict=True))
    subsets, inverse = unique_rows(subsets)
    sums = np.bincount(inverse, values, len(subsets))
    kept = np.abs(sums) > 4 * eps * np.bincount(inverse, np.abs(values), len(subsets))
    return subsets[kept], sums[kept]

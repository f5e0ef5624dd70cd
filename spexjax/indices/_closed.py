"""Interaction indices of a surrogate, in closed form: no value is truncated, and what was evaluated counts exactly."""

from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float, Int

from spexjax.gp import Surrogate
from spexjax.indices._convert import check_index, interactions
from spexjax.indices._ends import ALL_SETS, Ends, with_ends
from spexjax.indices._interactions import Interactions
from spexjax.indices._measure import CLOSED, measure
from spexjax.indices._weights import TABLE
from spexjax.spectrum import Spectrum
from spexjax.typing import Values


def surrogate_interactions(
    surrogate: Surrogate,
    residuals: Values,
    spectrum: Spectrum,
    ends: Ends,
    index: str,
    max_order: int | None = None,
    feature_names: tuple[str, ...] | None = None,
) -> Interactions:
    """An interaction index of a surrogate that is right at the masks that were evaluated.

    SV, BV, SII, BII, STII, FSII, Moebius where `max_order` is given, and k-SII up to order 2 are averages of
    derivatives that have a closed form (`measure`); the others are read off the truncated spectrum. Where an order has
    at most 20,000 sets (pairs of 200 features) all of them get a value; else only those that the truncated spectrum
    names do, the others count as 0, and k-SII is read off that spectrum.

    Args:
      surrogate: of n features.
      residuals: value minus surrogate at each mask that was evaluated, `surrogate.masks`; see `Surrogate.index`.
      spectrum: the surrogate's, truncated.
      ends: what that spectrum misses where everything is kept and where nothing is; for what is read off it.
      index: a name of `INDICES`.
      max_order: the order of the index, by default as in `interactions`.
      feature_names: n names, for display.

    Raises:
      ValueError: as `interactions`.
    """
    index = check_index(index, max_order)
    read_off = interactions(spectrum, index, max_order, feature_names)
    n, k = spectrum.num_features, read_off.max_order
    if index == "k-SII" and k <= 2 and comb(n, 2) <= ALL_SETS:
        return _k_sii(surrogate, residuals, spectrum, ends, read_off)
    if not _closed(index, k):
        return with_ends(read_off, ends)
    rest = interactions(surrogate.rest, index, k)
    supports, values = [], []
    if TABLE[index].smallest == 0:
        supports.append(np.full((1, k), n))
        values.append([_at_nothing(surrogate, residuals)])
    for order in range(1, min(k, n) + 1):
        if comb(n, order) <= ALL_SETS:
            sets = np.array(list(combinations(range(n), order)), np.int32)
        else:
            sets = read_off.order(order).support[:, :order]
        if len(sets):
            smooth = surrogate.index(sets, *measure(index, order, k, n), residuals)
            sparse = [rest[s] for s in map(tuple, sets.tolist())] if len(rest) else 0
            supports.append(np.pad(sets, ((0, 0), (0, k - order)), constant_values=n))
            values.append(smooth + sparse)
    return Interactions(np.concatenate(supports), np.concatenate(values), index, k, n, feature_names)


def _closed(index: str, max_order: int | None) -> bool:
    return index in CLOSED or (index == "Moebius" and max_order is not None)


def standard_errors(surrogate: Surrogate, table: Interactions) -> Float[np.ndarray, " k"]:
    """The standard error of each value of a table made from the surrogate; NaN where it has no closed form.

    Args:
      surrogate: the Gaussian process that the table was taken from.
      table: k interactions, as `surrogate_interactions` returns them.

    Returns:
      `[k]`, in the units of the values.
    """
    errors, n = np.full(len(table), np.nan), table.num_features
    if table.index == "Fourier":
        return np.asarray(surrogate.coefficient_errors(table.support))
    for order in range(1, table.support.shape[1] + 1):
        rows = np.flatnonzero(table.orders == order)
        top_k_sii = table.index == "k-SII" and order == table.max_order
        name = "SII" if top_k_sii else table.index
        if len(rows) and _closed(name, table.max_order):
            at, mu = measure(name, order, table.max_order, n)
            errors[rows] = surrogate.index_errors(table.support[rows, :order], at, mu)
    return errors


def _k_sii(
    surrogate: Surrogate, residuals: Values, spectrum: Spectrum, ends: Ends, table: Interactions
) -> Interactions:
    """k-SII up to order 2: SII, from which each feature gives half of its pairs away."""
    sii = surrogate_interactions(surrogate, residuals, spectrum, ends, "SII", table.max_order, table.feature_names)
    values, n = sii.values.copy(), sii.num_features
    for pair, value in zip(sii.support[n:], sii.values[n:], strict=True):
        values[pair] -= value / 2
    empty = np.full((1, sii.support.shape[1]), n)
    return Interactions(
        np.concatenate([empty, sii.support]),
        np.concatenate([[_at_nothing(surrogate, residuals)], values]),
        table.index,
        table.max_order,
        n,
        table.feature_names,
    )


def _at_nothing(surrogate: Surrogate, residuals: Values) -> float:
    """f where every feature is removed: the true value if it was evaluated."""
    empty: Int[np.ndarray, " r"] = np.flatnonzero(~np.asarray(surrogate.masks).any(1))
    value = surrogate(np.zeros((1, surrogate.rest.num_features), bool))[0]
    return float(value + np.asarray(residuals)[empty].sum())

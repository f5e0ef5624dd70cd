"""Interaction indices of a surrogate in closed form, without truncation and with true values at evaluated masks."""

from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float, Int

from spexjax.gp import Surrogate
from spexjax.indices._convert import interactions
from spexjax.indices._ends import ALL_SETS, Ends, with_ends
from spexjax.indices._index import Index, Measure, get
from spexjax.indices._interactions import Interactions
from spexjax.spectrum import EMPTY_SET, Spectrum, joined_supports
from spexjax.typing import Values


def surrogate_interactions(
    surrogate: Surrogate,
    residuals: Values,
    spectrum: Spectrum,
    ends: Ends,
    index: str,
    max_order: int | None = None,
    feature_names: tuple[str, ...] | None = None,
    all_sets: int = ALL_SETS,
) -> Interactions:
    """An interaction index of a surrogate, with the true value at every mask that was evaluated.

    An index has a closed form if it is of a finite order and has a measure at each of its orders (`Index.measure`): SV,
    BV, SII, BII, STII, FSII, WBV, WBII, Moebius where `max_order` is given, and k-SII up to order 2. FBII, and Fourier
    where `max_order` is given, follow from BII of that order (`Index.of_low_orders`). The others are read off the
    truncated spectrum. In closed form, if an order has at most 20,000 sets (pairs of 200 features), every
    set gets a value; otherwise only the sets in the truncated spectrum do, and the others count as 0.

    Args:
      surrogate: of n features.
      residuals: value minus surrogate at each mask that was evaluated, `surrogate.masks`; see `Surrogate.index`.
      spectrum: the surrogate's, truncated.
      ends: what that spectrum misses where everything is kept and where nothing is; used if the index is read off it.
      index: a name of `INDICES`.
      max_order: the order of the index, by default as in `interactions`.
      feature_names: n names, for display.
      all_sets: up to so many sets of one order, every one gets a value.

    Raises:
      ValueError: as `interactions`.
    """
    read_off, record = interactions(spectrum, index, max_order, feature_names), get(index)
    n, k = spectrum.num_features, read_off.max_order
    if record.of_low_orders and k is not None:
        low = _low_orders(surrogate, residuals, spectrum, ends, k, all_sets)
        return interactions(low, index, k, feature_names)
    measures = _measures(record, k, n)
    if measures is None:
        return with_ends(read_off, ends)
    rest = interactions(surrogate.rest, index, k)
    supports: list[Int[np.ndarray, "_ _"]] = []
    values: list[Float[np.ndarray, " _"]] = []
    if record.smallest == 0:
        supports.append(EMPTY_SET)
        values.append(np.array([_at_nothing(surrogate, residuals)]))
    for order, (at, mu) in enumerate(measures, 1):
        if comb(n, order) <= all_sets:
            sets = np.array(list(combinations(range(n), order)), np.int32)
        else:
            sets = read_off.order(order).support[:, :order]
        if len(sets):
            smooth = surrogate.index(sets, at, mu, residuals)
            sparse = [rest[s] for s in map(tuple, sets.tolist())] if len(rest) else 0
            supports.append(sets)
            values.append(smooth + sparse)
    return Interactions(joined_supports(supports, n), np.concatenate(values), record.name, k, n, feature_names)


def _low_orders(
    surrogate: Surrogate, residuals: Values, spectrum: Spectrum, ends: Ends, max_order: int, all_sets: int
) -> Spectrum:
    """The Fourier terms of up to `max_order` features, `F(S) = (-1/2)^|S| BII(S)`, and the mean of all 2^n values."""
    n = spectrum.num_features
    found = surrogate_interactions(surrogate, residuals, spectrum, ends, "BII", max_order, all_sets=all_sets)
    terms = surrogate.spectrum(EMPTY_SET)
    mean = np.asarray(terms.coefficients, np.float64)[np.asarray(terms.orders) == 0].sum() + np.sum(residuals) / 2.0**n
    coefficients = np.concatenate([[mean], (-0.5) ** found.orders * found.values])
    return Spectrum(joined_supports([EMPTY_SET, found.support], n), coefficients, n)


def _measures(index: Index, max_order: int | None, num_features: int) -> list[Measure] | None:
    """The measures of orders 1, 2, ...; None if one of them is missing, or the order is not finite."""
    if max_order is None:
        return None
    found = [index.measure(order, max_order, num_features) for order in range(1, min(max_order, num_features) + 1)]
    measures = [measure for measure in found if measure is not None]
    return measures if len(measures) == len(found) else None


def standard_errors(surrogate: Surrogate, table: Interactions) -> Float[np.ndarray, " k"]:
    """The standard error of each value of a table made from the surrogate; NaN where the index has no measure.

    Args:
      surrogate: the one that the table was taken from.
      table: k interactions, as `surrogate_interactions` returns them.

    Returns:
      `[k]`, in the units of the values.
    """
    if table.index == "Fourier":
        return np.asarray(surrogate.coefficient_errors(table.support))
    errors, index = np.full(len(table), np.nan), get(table.index)
    for order in range(1, table.support.shape[1] + 1):
        rows = np.flatnonzero(table.orders == order)
        if len(rows) and table.max_order is not None:
            measure = index.measure(order, table.max_order, table.num_features)
            if measure is not None:
                errors[rows] = surrogate.index_errors(table.support[rows, :order], *measure)
    return errors


def _at_nothing(surrogate: Surrogate, residuals: Values) -> float:
    """f where every feature is removed: the true value if it was evaluated."""
    empty: Int[np.ndarray, " r"] = np.flatnonzero(~np.asarray(surrogate.masks).any(1))
    value = surrogate(np.zeros((1, surrogate.rest.num_features), bool))[0]
    return float(value + np.asarray(residuals)[empty].sum())

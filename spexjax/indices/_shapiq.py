"""Tables of interactions to and from shapiq's `InteractionValues`."""

from collections.abc import Iterable
from typing import Any

from spexjax.indices._tables import from_terms

_INDICES = ("SV", "BV", "SII", "BII", "STII", "FSII", "FBII", "k-SII", "Moebius", "Fourier")  # defined as ours are
_FULL = ("Moebius", "Fourier")  # of all orders unless fewer are asked for
NEEDED = "pip install 'shapiq>=1.8', on Python 3.12 or later"


def written(table: Any, baseline: float | None) -> Any:
    """The table as `InteractionValues`; see `Interactions.to_shapiq`.

    Args:
      table: of an index that shapiq has.
      baseline: the value where nothing is kept.
    """
    if table.index not in _INDICES:
        raise ValueError(f"shapiq has no index {table.index}; these can be handed over: {', '.join(_INDICES)}.")
    try:
        from shapiq import InteractionValues
    except ImportError as error:
        raise ImportError(f"This needs shapiq: {NEEDED}.") from error
    terms = table.to_dict()
    if () in terms or baseline is not None:
        terms = {(): terms.get((), 0.0 if baseline is None else float(baseline)), **terms}
    orders = [len(s) for s in terms]
    exact = bool(len(table)) and not table.standard_errors.any()  # unknown ones are NaN, and count as estimated
    return InteractionValues(
        terms,
        index=table.index,
        max_order=table.num_features if table.max_order is None else table.max_order,
        min_order=0 if () in terms else min(orders, default=1),
        n_players=table.num_features,
        estimated=not exact,
        baseline_value=terms.get((), 0.0) if baseline is None else float(baseline),
    )


def read(cls: Any, values: Any, feature_names: Iterable[str] | None) -> Any:
    """The table of `InteractionValues`; see `Interactions.from_shapiq`.

    Args:
      cls: the type of a table.
      values: from shapiq.
      feature_names: n names, or None.
    """
    try:
        terms = {tuple(sorted(map(int, s))): float(value) for s, value in values.interactions.items()}
        index, max_order, n = str(values.index), int(values.max_order), int(values.n_players)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"from_shapiq takes a shapiq.InteractionValues; got {type(values).__name__}.") from error
    names = None if feature_names is None else [*feature_names]
    if names is not None and len(names) != n:
        raise ValueError(f"There are {n} features but {len(names)} feature names.")
    return from_terms(cls, terms, index, None if index in _FULL and max_order >= n else max_order, n, names)

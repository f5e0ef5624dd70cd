"""What is done with whole tables of interactions: weighted sums, data frames and JSON."""

import dataclasses
import json
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float

from spexjax.spectrum import joined_supports, unique_rows

_SCHEMA = "spexjax-interactions"


def check_alike(tables: Sequence[Any]) -> None:
    """Raises ValueError unless all tables are of one index and order, and of the same features.

    Args:
      tables: one or more.
    """
    first = tables[0]
    for other in tables[1:]:
        mine, its = ((t.index, t.max_order) for t in (first, other))
        if mine != its:
            raise ValueError(f"Only tables of one index and order can be combined; got {_of(first)} and {_of(other)}.")
        check_same_features(*(t.names(range(t.num_features)) for t in (first, other)))


def check_same_features(names: Sequence[str], others: Sequence[str]) -> None:
    """Raises ValueError unless these are the same names.

    Args:
      names: of the features of one explanation.
      others: of the other.
    """
    if tuple(names) == tuple(others):
        return
    advice = "only explanations of the same features can be combined (sx.comparison.aggregate takes others)"
    if len(names) != len(others):
        raise ValueError(f"There are {len(names)} features here and {len(others)} there; {advice}.")
    i = next(i for i, (a, b) in enumerate(zip(names, others, strict=True)) if a != b)
    raise ValueError(f"Feature {i} is {names[i]!r} here and {others[i]!r} there; {advice}.")


def combined(tables: Sequence[Any], weights: Sequence[float]) -> Any:
    """`sum_i weight_i table_i`, with `se^2 = sum_i weight_i^2 se_i^2`, as if the errors were independent.

    Args:
      tables: of one index and the same features.
      weights: one number for each.

    Raises:
      ValueError: if the tables are of different indices, orders or features.
    """
    check_alike(tables)
    first = tables[0]
    support, inverse = unique_rows(joined_supports([t.support for t in tables], first.num_features))
    values = np.zeros(len(support))
    np.add.at(values, inverse, np.concatenate([w * t.values for w, t in zip(weights, tables, strict=True)]))
    by_order = np.argsort((support < first.num_features).sum(1), kind="stable")
    known = all(t.errors_of is not None for t in tables)
    sources = tuple(t.errors_of for t in tables)
    errors_of = partial(_root_sum_of_squares, sources, tuple(weights)) if known else None
    note = " ".join(dict.fromkeys(t.note for t in tables if t.note))
    made = {"support": support[by_order], "values": values[by_order], "errors_of": errors_of, "note": note}
    return dataclasses.replace(first, **made)


def _root_sum_of_squares(sources: tuple, weights: tuple[float, ...], table: Any) -> Float[np.ndarray, " k"]:
    squares = [(w * source(table)) ** 2 for source, w in zip(sources, weights, strict=True)]
    return np.sqrt(np.sum(squares, axis=0))


def rows(table: Any) -> list[dict[str, Any]]:
    """Every interaction as plain JSON values.

    Args:
      table: of any index.
    """
    found = zip(table, table.standard_errors.tolist(), strict=True)
    return [
        {"features": [*s], "names": [*table.names(s)], "value": _finite(value), "standard_error": _finite(error)}
        for (s, value), error in found
    ]


def frame(table: Any) -> Any:
    """The table as a `pandas.DataFrame`; see `Interactions.to_pandas`.

    Args:
      table: of any index.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError("A data frame needs pandas: pip install 'spexjax[tables]'.") from error
    sets = [s for s, _ in table]
    columns = {
        "interaction": [" × ".join(table.labels[i] for i in s) for s in sets],
        "features": sets,
        "order": np.array([len(s) for s in sets], np.int64),
        "value": table.values,
        "standard_error": table.standard_errors,
    }
    made = pandas.DataFrame(columns)
    made.attrs = {"index": table.index, "max_order": table.max_order}
    return made


def written(table: Any, indent: int | None) -> str:
    """The table as JSON text; see `Interactions.to_json`.

    Args:
      table: of any index.
      indent: as in `json.dumps`.
    """
    record = {
        "kind": _SCHEMA,
        "index": table.index,
        "max_order": table.max_order,
        "num_features": table.num_features,
        "feature_names": None if table.feature_names is None else [*table.feature_names],
        "interactions": rows(table),
        **({"note": table.note} if table.note else {}),
    }
    return json.dumps(record, indent=indent, allow_nan=False)


def read(cls: Any, text: str) -> Any:
    """The table in JSON text; see `Interactions.from_json`.

    Args:
      cls: the type of a table.
      text: what `written` gave.
    """
    try:
        record = json.loads(text)
        if record["kind"] != _SCHEMA:
            raise ValueError(f"its kind is {str(record['kind'])[:40]!r}")
        terms = {tuple(map(int, row["features"])): row for row in record["interactions"]}
        values = [float("nan") if row["value"] is None else float(row["value"]) for row in terms.values()]
        given = {s: row["standard_error"] for s, row in terms.items()}
        errors = {s: float("nan") if error is None else float(error) for s, error in given.items()}
        n, names = int(record["num_features"]), record["feature_names"]
        if names is not None and len(names) != n:
            raise ValueError(f"it has {len(names)} names for {n} features")
        max_order = None if record["max_order"] is None else int(record["max_order"])
        made = dict(zip(terms, values, strict=True)), str(record["index"]), max_order, n, names, errors
        return dataclasses.replace(from_terms(cls, *made), note=str(record.get("note", "")))
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        said = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(f"This is no table that Interactions.to_json wrote: {said}.") from error


def from_terms(
    cls: Any,
    terms: dict[tuple[int, ...], float],
    index: str,
    max_order: int | None,
    num_features: int,
    feature_names: Sequence[str] | None = None,
    errors: dict[tuple[int, ...], float] | None = None,
) -> Any:
    """A table of sets given one by one, in increasing order.

    Args:
      cls: the type of a table.
      terms: `{S: I(S)}`, each S in increasing order.
      index: the name of the index.
      max_order: its order; None for all.
      num_features: n.
      feature_names: n names, or None.
      errors: `{S: standard error}`; unknown by default.

    Raises:
      ValueError: if an S is no set of features in increasing order.
    """
    sets = sorted(terms, key=lambda s: (len(s), s))
    for s in sets:
        if any(a >= b for a, b in pairwise(s)) or (s and not 0 <= s[0] <= s[-1] < num_features):
            raise ValueError(f"{s} is no set of features out of 0..{num_features - 1} in increasing order")
    support = np.full((len(sets), max(map(len, sets), default=0)), num_features, np.int32)
    for row, s in zip(support, sets, strict=True):
        row[: len(s)] = s
    names = None if feature_names is None else tuple(map(str, feature_names))
    values = np.array([terms[s] for s in sets], np.float64)
    errors_of = None if errors is None else partial(_looked_up, errors)
    return cls(support, values, index, max_order, num_features, names, errors_of)


def _looked_up(errors: dict[tuple[int, ...], float], table: Any) -> Float[np.ndarray, " k"]:
    """The errors of a table's sets; a set that is not among the known ones has an unknown error."""
    return np.array([errors.get(s, np.nan) for s, _ in table], np.float64)


def _of(table: Any) -> str:
    return f"{table.index} of {'all orders' if table.max_order is None else f'order {table.max_order}'}"


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None

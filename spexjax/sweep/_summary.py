"""Means by group, with bootstrap intervals over inputs."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from spexjax._numbers import counted
from spexjax._printable import labels

GROUP_BY = ("model", "method", "index", "budget")
_DRAWS, _LEVEL = 2000, 0.95
_LARGE = 100
_NAME = 14  # characters of a model or a method on a terminal


class Group(NamedTuple):
    """The explanations of a sweep that share a model, a method, an index and a budget, say."""

    key: Mapping[str, Any]
    explanations: int  # that did not fail
    failures: int
    r2: float  # the mean over inputs of their mean R2
    low: float  # of the 95 % interval
    high: float
    error: float  # the bootstrap's standard error
    ablations: float  # mean
    seconds: float  # mean


def summarise(rows: Sequence[Mapping[str, Any]], by: Sequence[str] = GROUP_BY) -> list[Group]:
    """Mean R2 of each group, and 95 % percentile intervals of 2,000 bootstrap draws of its inputs.

    Seeds of one input are averaged first, because they are not independent. The draws are the same every time.

    Args:
      rows: of the table, from `load(folder).to_dict("records")`, say.
      by: the columns that make a group.

    Raises:
      ValueError: if there is no such column.
    """
    if rows and (unknown := [name for name in by if name not in rows[0]]):
        raise ValueError(f"`by` names {unknown[0]!r}, which is no column of the table.")
    groups: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in by), []).append(row)
    return [_group(dict(zip(by, key, strict=True)), some) for key, some in groups.items()]


def _group(key: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Group:
    fine = [row for row in rows if not row["error"]]
    of_input: dict[int, list[float]] = {}
    for row in fine:
        if np.isfinite(row["r2"]):
            of_input.setdefault(row["input"], []).append(row["r2"])
    means = np.array([np.mean(scores) for scores in of_input.values()])
    low, high, error = bootstrap(means)
    return Group(
        key=key,
        explanations=len(fine),
        failures=len(rows) - len(fine),
        r2=float(means.mean()) if len(means) else np.nan,
        low=low,
        high=high,
        error=error,
        ablations=float(np.mean([row["ablations"] for row in fine])) if fine else np.nan,
        seconds=float(np.mean([row["seconds"] for row in fine])) if fine else np.nan,
    )


def bootstrap(numbers: Float[np.ndarray, " k"]) -> tuple[float, float, float]:
    """The ends of the 95 % percentile interval of a mean, and its standard error; NaN of fewer than two numbers.

    Args:
      numbers: independent ones.
    """
    if len(numbers) < 2:
        return np.nan, np.nan, np.nan
    rng = np.random.default_rng(0)
    means = np.array([numbers[rng.integers(0, len(numbers), len(numbers))].mean() for _ in range(_DRAWS)])
    low, high = np.quantile(means, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high), float(means.std())


def summary_table(groups: Sequence[Group]) -> Any:
    """The groups as a table for `rich.print`.

    Args:
      groups: from `summarise`.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made, failed = sum(group.explanations for group in groups), sum(group.failures for group in groups)
    every = list(groups[0].key) if groups else []
    names = [name for name in every if len({group.key[name] for group in groups}) > 1]
    shared = [f"{name} {groups[0].key[name]}" for name in every if name not in names and groups[0].key[name] != ""]
    among = [f"{failed:,} of them failed"] if failed else []
    title = ", ".join([counted(made + failed, "explanation"), *among, *shared])
    table = Table(box=box.SIMPLE_HEAD, padding=0, title=Text(title), title_justify="left")
    columns = {name: _short(name, groups) for name in names}
    columns["done"] = [f"{group.explanations:,}" for group in groups]
    if failed:
        columns["failed"] = [f"{group.failures:,}" for group in groups]
    columns["mean R²"] = [_said(group.r2, ".3f") for group in groups]
    columns["95 %"] = [" to ".join(filter(None, [_said(g.low, ".2f"), _said(g.high, ".2f")])) for g in groups]
    if "budget" not in names:
        columns["ablations"] = [_said(group.ablations, ",.0f") for group in groups]
    columns["seconds"] = [_said(group.seconds, ",.1f") for group in groups]
    for name, cells in columns.items():
        side: Any = "left" if name in names and name != "budget" else "right"
        table.add_column(name, justify=side, no_wrap=True, min_width=max(map(len, [name, *cells])))
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def _short(name: str, groups: Sequence[Group]) -> list[str]:
    """What a column of names says in each row, so short that all columns fit a terminal."""
    if all(isinstance(group.key[name], int) for group in groups):
        return [f"{group.key[name]:,}" for group in groups]
    distinct = list(dict.fromkeys(str(group.key[name]) for group in groups))
    short = dict(zip(distinct, labels(distinct, _NAME), strict=True))
    return [short[str(group.key[name])] for group in groups]


def _said(number: float, how: str) -> str:
    whole = abs(number) >= _LARGE  # an R2 that bad has no decimals worth the room
    return "" if np.isnan(number) else format(number, ",.0f" if whole else how).replace("-", "−")

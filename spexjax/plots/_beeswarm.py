"""Beeswarm: the values of the same features, or words, in many explanations."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Shown, Term, any_noise, checked_top, read
from spexjax.plots._style import FADED, INK, MUTED, Axes, colour, new_axes, plain, tidy, titled

_BINS = 60  # along the axis: dots of one bin are spread over the row
_STEP = 0.11  # between two dots of a bin, in rows

Row = list[Term]


def beeswarm(
    sources: Sequence[Explanation | Interactions],
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 15,
    by: Literal["feature", "name"] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws one dot for each explanation and feature; rows are sorted by the mean absolute value.

    Args:
      sources: explanations, or what their `interactions` returned.
      index: a name from `indices.INDICES`, SV by default; one with pairs gives rows of pairs, too.
      max_order: the order of the index.
      top: the most rows.
      by: "feature" puts feature i of each into one row; "name" puts equal names into one row, wherever they stand and
        without regard to capitals. By default "feature" if all have the same names, else "name".
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if there is no explanation, they have different features though `by` is "feature", the index is
        unknown, or `top` is below 1.
    """
    if isinstance(sources, Explanation | Interactions | str) or not isinstance(sources, Iterable):
        kind = type(sources).__name__
        raise ValueError(f"A beeswarm is made of several explanations, given as a list; got one {kind}.")
    shown = [read(source, index, max_order, default="SV") for source in sources]
    if not shown:
        raise ValueError("A beeswarm is made of several explanations; got none.")
    if by not in (None, "feature", "name"):
        raise ValueError(f'Rows are made by "feature" or by "name"; got {by!r}.')
    names = {one.table.names(range(one.table.num_features)) for one in shown}
    if by == "feature" and len({len(some) for some in names}) > 1:
        raise ValueError('These explanations have different features: give by="name".')
    found = _rows(shown, by_feature=by == "feature" or (by is None and len(names) == 1))
    ranked = sorted(found, key=lambda name: -sum(abs(term.value) for term in found[name]) / len(found[name]))
    rows = ranked[: checked_top(top)]
    ax = new_axes(ax, 6.4, 1.4 + 0.32 * max(2, len(rows)))
    tidy(ax, grid="x", left=False)
    dots = [term for name in rows for term in found[name]]
    reach = max((abs(term.value) for term in dots), default=1.0) or 1.0
    for row, name in enumerate(rows):
        _row(ax, row, found[name], reach)
    ax.axvline(0, color=INK, linewidth=0.8, zorder=0.9)
    counted = [f"{name}  ({len(found[name])})" if len(found[name]) != len(shown) else name for name in rows]
    ax.set_yticks(range(len(rows)), map(plain, counted))
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(max(len(rows), 1) - 0.4, -0.6))
    ax.set_xlabel(plain(_common([one.signed_unit for one in shown], f"{shown[0].table.index} of each explanation")))
    what = f"{len(shown)} explanations" if len(shown) > 1 else "one explanation"
    title = f"{rows[0]} matters most across {what}" if rows else f"No feature has an effect in {what}"
    cut = [f"the {len(rows)} strongest of {len(found):,} rows"] if len(rows) < len(found) else []
    faded = ["faded: below two standard errors"] if any_noise(dots) else []
    titled(ax, title, [*cut, "bar: mean", *faded])
    return ax


def _rows(shown: Sequence[Shown], by_feature: bool) -> dict[str, Row]:
    """The terms of each row, by the row's name. By feature, a set that a table lacks has the value 0 there."""
    rows: dict[str, Row] = {}
    for one in shown:
        given = one.table.names(range(one.table.num_features))
        for term in one.terms():
            words = sorted(" ".join(given[i].split()).lower() for i in term.members)
            rows.setdefault(shown[0].name(term.members) if by_feature else " × ".join(words), []).append(term)
    if by_feature:
        for row in rows.values():
            row += [Term((), 0.0, float("nan"))] * (len(shown) - len(row))
    return rows


def _row(ax: Axes, row: int, terms: Row, reach: float) -> None:
    from matplotlib.colors import to_rgba

    values = np.array([term.value for term in terms])
    bins, shifts = np.round(values / reach * _BINS).astype(int), np.zeros(len(values))
    for place in np.unique(bins):
        members = np.flatnonzero(bins == place)
        k = np.arange(len(members))  # alternately to both sides of the middle
        shifts[members] = min(_STEP, 0.76 / max(1, len(members) - 1)) * ((k + 1) // 2) * (-1) ** k
    inks = np.array([to_rgba(*_ink(term)) for term in terms])
    for marker, some in (("o", values >= 0), ("v", values < 0)):
        ax.scatter(values[some], row + shifts[some], s=18, c=inks[some], marker=marker, linewidths=0, zorder=2)
    mean = float(values.mean())
    ax.plot([mean, mean], [row - 0.32, row + 0.32], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=3)


def _ink(term: Term) -> tuple[str, float]:
    """Colour and opacity of a dot."""
    return colour(term.value) if term.value else MUTED, FADED if term.noise else 0.8


def _common(strings: Sequence[str], otherwise: str) -> str:
    return strings[0] if len(set(strings)) == 1 else otherwise

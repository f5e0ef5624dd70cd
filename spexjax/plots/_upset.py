"""UpSet: the strongest sets as columns, their features as rows, their values as bars above."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Shown, Term, any_noise, checked_top, read
from spexjax.plots._style import FADED, INK, LINE, NORMAL, Axes, colour, new_axes, plain, tidy, titled

_HEIGHT = 9.0  # of the bars, in rows of the matrix


def upset(
    source: Explanation | Interactions,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draws the strongest sets of any order as columns: dots mark the features of a set, a bar above shows its value.

    Args:
      source: an explanation, or what its `interactions` returned.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most sets.
      ax: where to draw; by default a new figure.

    Returns:
      The axes. Rows of the matrix are at y = 0, -1, ...; bars stand above them.

    Raises:
      ValueError: if the index is unknown, or `top` is below 1.
    """
    shown = read(source, index, max_order)
    terms = shown.terms(checked_top(top))
    features = sorted({i for term in terms for i in term.members}) or list(range(min(shown.table.num_features, top)))
    rows = {feature: -row for row, feature in enumerate(features)}
    ax = new_axes(ax, 2.6 + 0.24 * max(len(terms), 10), 1.2 + 0.2 * (len(features) + _HEIGHT))
    tidy(ax, left=False)
    ticks, names = _bars(ax, shown, terms)
    for feature, row in rows.items():
        if row % 2 == 0:
            ax.axhspan(row - 0.5, row + 0.5, color="#f4f6f8", zorder=0)
        ax.plot(range(len(terms)), [row] * len(terms), ".", color=LINE, markersize=4, zorder=1)
        ticks.append(row)
        names.append(plain(shown.name([feature], 30)))
    for column, term in enumerate(terms):
        at = [rows[i] for i in term.members]
        look: dict[str, Any] = {"color": colour(term.value), "alpha": FADED if term.noise else 1.0}
        ax.plot([column] * len(at), at, marker="o", markersize=5.5, linewidth=1.8, **look)
    ax.set_yticks(ticks, names, fontsize=NORMAL)
    ax.tick_params(axis="y", length=0)
    ax.set(xticks=[], xlim=(-0.7, max(len(terms), 1) - 0.3), ylim=(0.4 - len(features), _HEIGHT))
    ax.spines["bottom"].set_visible(False)
    lines = ["lines: one standard error"] if any(term.error > 0 for term in terms) else []
    titled(
        ax,
        shown.headline(terms),
        [shown.unit, *shown.notes(len(terms), shown.count(), faded=any_noise(terms)), *lines],
    )
    return ax


def _bars(ax: Axes, shown: Shown, terms: Sequence[Term]) -> tuple[list[float], list[str]]:
    """Draws the bars above the matrix; returns the places and labels of their scale."""
    from matplotlib.ticker import MaxNLocator

    reach = [(term.value, term.error if np.isfinite(term.error) else 0.0) for term in terms]
    low = min((value - error for value, error in reach), default=0.0)
    high = max((value + error for value, error in reach), default=0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    unit = (_HEIGHT - 1.5) / ((high - low) or 1.0)
    zero = 1.2 - low * unit
    for column, term in enumerate(terms):
        alpha = FADED if term.noise else 1.0
        ax.bar(column, term.value * unit, bottom=zero, width=0.66, color=colour(term.value), alpha=alpha, linewidth=0)
        if np.isfinite(term.error) and term.error > 0:
            at, error = zero + term.value * unit, term.error * unit
            ax.errorbar(column, at, yerr=error, color=INK, alpha=max(alpha, 0.5), linewidth=0.9, capsize=1.6)
    ax.axhline(zero, color=INK, linewidth=0.8)
    if not terms:
        return [zero], ["0"]
    values = [v for v in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= v <= high]
    for value in values:
        ax.axhline(zero + value * unit, color=LINE, linewidth=0.6, zorder=0)
    return [zero + value * unit for value in values], [shown.number(value) if value else "0" for value in values]

"""Bars: the strongest interactions, by order, with their signs and standard errors."""

from itertools import groupby

import numpy as np

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Term, any_noise, checked_top, read
from spexjax.plots._style import FADED, INK, MUTED, SMALL, Axes, colour, new_axes, plain, tidy, titled

_HEADINGS = {1: "single features", 2: "pairs", 3: "triples"}


def bars(
    source: Explanation | Interactions,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 20,
    ax: Axes | None = None,
) -> Axes:
    """Draws the strongest interactions as signed bars, grouped by order, with one standard error to each side.

    Args:
      source: an explanation, or what its `interactions` returned (which has no standard errors).
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most bars.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if the index is unknown, or `top` is below 1.

    >>> import numpy as np, spexjax as sx
    >>> pair = sx.Interactions(np.array([[0, 2], [0, 1]]), np.array([0.5, -2.0]), "SII", 2, 2, ("not", "good"))
    >>> sx.plots.bars(pair).get_xlabel()
    '←  lowers the value        raises the value  →\\nSII in units of the value function'
    """
    shown = read(source, index, max_order)
    terms = sorted(shown.terms(checked_top(top)), key=_order)
    groups = [(order, list(group)) for order, group in groupby(terms, key=_order)]
    ax = new_axes(ax, 6.4, 1.3 + 0.21 * max(len(terms) + len(groups), 2))
    tidy(ax, grid="x", left=False)
    names: dict[int, str] = {}
    headings = set()
    for order, group in groups:
        headings.add(len(names))
        of = shown.count(order.__eq__)
        names[len(names)] = f"{_HEADINGS.get(order, f'sets of {order}')}, {len(group):,} of {of:,}"
        for term in group:
            _bar(ax, len(names), term)
            names[len(names)] = shown.name(term.members)
    ax.set_yticks(list(names), map(plain, names.values()))
    for row, label in enumerate(ax.get_yticklabels()):
        if row in headings:
            label.set(color=MUTED, fontsize=SMALL, fontstyle="italic")
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(len(names), 1) - 0.4, -0.6)
    ax.axvline(0, color=INK, linewidth=0.8)
    if not terms:
        ax.set_xlim(-1, 1)
    ax.set_xlabel(plain(shown.signed_unit))
    errors = ["lines: one standard error"] if any(term.error > 0 for term in terms) else []
    titled(
        ax,
        shown.headline(terms),
        shown.notes(len(terms), shown.count(), faded=any_noise(terms)) + errors,
    )
    return ax


def _order(term: Term) -> int:
    return len(term.members)


def _bar(ax: Axes, row: int, term: Term) -> None:
    alpha = FADED if term.noise else 1.0
    ax.barh(row, term.value, height=0.72, color=colour(term.value), alpha=alpha, linewidth=0)
    if np.isfinite(term.error) and term.error > 0:
        ax.errorbar(term.value, row, xerr=term.error, color=INK, alpha=max(alpha, 0.5), linewidth=0.9, capsize=1.8)

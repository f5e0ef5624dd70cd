"""Waterfall: how the value of nothing kept becomes the value of everything kept, term by term."""

from itertools import accumulate
from typing import Any

from spexjax.explanation import Explanation
from spexjax.plots._steps import way
from spexjax.plots._style import FADED, INK, MUTED, SMALL, Axes, new_axes, plain, tidy
from spexjax.report import value_in_words


def waterfall(
    source: Explanation,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draws how the terms of an index lead from the value of nothing kept to the value of everything kept.

    `f(1) = f(0) + sum_S I(S)` for indices that share out the whole change: SV, STII, FSII, k-SII and Moebius. What
    the terms of another index, or of a truncated one, do not add up to is a bar of its own.

    Args:
      source: an explanation.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most terms; the weaker ones are one bar.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if it is not an explanation, the index is unknown, or `top` is below 1.
    """
    found = way(source, index, max_order, top)
    steps, number = found.steps, found.shown.number
    last = len(steps) + 1
    ax = new_axes(ax, 6.4, 1.5 + 0.24 * (last + 1))
    tidy(ax, grid="x", left=False)
    starts = list(accumulate((step.change for step in steps), initial=found.nothing))
    for row, (step, start) in enumerate(zip(steps, starts[:-1], strict=True), 1):
        alpha, hatch, side = FADED if step.noise else 1.0, None if step.term else "////", 1 if step.change > 0 else -1
        ax.barh(row, step.change, left=start, height=0.66, color=step.colour, alpha=alpha, hatch=hatch, edgecolor="w")
        beside = _beside(3.0 * side) | {"ha": "left" if side > 0 else "right", "color": MUTED if step.noise else INK}
        ax.annotate(number(step.change), (start + step.change, row), **beside)
    for row, at in enumerate(starts):
        ax.plot([at, at], [row, row + 1], color=MUTED, linewidth=0.7, zorder=0.9)
    for row, value in ((0, found.nothing), (last, found.everything)):
        ax.plot(value, row, marker="D", markersize=5, color=INK)
        ax.annotate(number(value), (value, row), **_beside(7.0), color=INK, fontweight="bold")
    ax.set_yticks(range(last + 1), map(plain, ["nothing kept", *(step.name for step in steps), "everything kept"]))
    ax.tick_params(axis="y", length=0)
    low, high = min(*starts, found.everything), max(*starts, found.everything)
    room = 0.12 * ((high - low) or 1.0)
    ax.set(ylim=(last + 0.6, -0.6), xlim=(low - room, high + room))
    ax.set_xlabel(plain(value_in_words(found.shown.provenance) or "value function"))
    found.titled(ax)
    return ax


def _beside(shift: float) -> dict[str, Any]:
    """A small number beside a point, so many points to the right."""
    return {"xytext": (shift, 0), "textcoords": "offset points", "va": "center", "fontsize": SMALL}

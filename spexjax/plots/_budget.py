"""Budget: faithfulness against the number of ablations."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from spexjax.explanation import Explanation
from spexjax.plots._style import INK, LINE, SMALL, Axes, cut, new_axes, plain, tidy, titled

Point = tuple[float | int, ...]
Curve = Explanation | Sequence[Explanation | Point]

_COLOURS = ("#0b4f9c", "#f0814f", "#1b1f24", "#2a9d8f", "#b07aa1", "#8a6d3b")  # for lines; markers tell them apart, too
_MARKERS = ("o", "s", "D", "^", "v", "P")
_INSIDE, _ROWS = 8, 18  # curves whose names have room among them; names in a column beside them


def budget(sources: Curve | Mapping[str, Curve], *, ax: Axes | None = None) -> Axes:
    """Draws R2 on unseen masks against the number of ablations, with one standard error to each side.

    Args:
      sources: explanations of the same function with several budgets; one explanation with a `target_faithfulness`,
        whose rounds are drawn; pairs (ablations, R2) or triples with a standard error; or several of these by name.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if there is nothing to draw, or something is neither an explanation nor a pair or triple.

    >>> import spexjax as sx
    >>> sx.plots.budget([(50, 0.2), (100, 0.6), (200, 0.8)]).get_title(loc="left")
    'R² reaches 0.80 with 200 ablations'
    """
    named = sources if isinstance(sources, Mapping) else {"": sources}
    curves = {name: points for name, some in named.items() if (points := _points(some))}
    if not curves:
        raise ValueError("There is no R2 to draw: give explanations, or pairs of ablations and R2.")
    columns = 0 if len(curves) <= _INSIDE else math.ceil(len(curves) / _ROWS)
    ax = new_axes(ax, 5.6 + 2.4 * columns, 3.6)
    tidy(ax, grid="y")
    for k, (name, points) in enumerate(curves.items()):
        x, y, errors = zip(*points, strict=True)
        line, look = _COLOURS[k % len(_COLOURS)], dict[str, Any](linewidth=1.6, markersize=5, capsize=2.5)
        again = k // len(_COLOURS)
        marker, dashed = _MARKERS[(k + again) % len(_MARKERS)], "--" if again % 2 else "-"
        ax.errorbar(x, y, errors, marker=marker, color=line, linestyle=dashed, label=name, **look)
    _axis(ax, sorted({x for points in curves.values() for x, *_ in points}))
    low = min(0.0, *(y - error for points in curves.values() for _, y, error in points))
    ax.set(ylim=(max(low, -1.0) - 0.04, 1.04), xlabel="ablations", ylabel="R² on masks the fit never saw")
    ax.axhline(1, color=LINE, linewidth=0.8)
    if len(curves) > 1 or "" not in curves:
        inside: dict[str, Any] = {"loc": "lower right"}
        beside: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0), "ncols": columns}
        ax.legend(
            list(ax.containers),
            [plain(cut(name, 40)) for name in curves],
            frameon=False,
            fontsize=SMALL,
            labelcolor=INK,
            **(beside if columns else inside),
        )
    every = ((name, point) for name, points in curves.items() for point in points)
    name, best = max(every, key=lambda of: (round(of[1][1], 2), -of[1][0]))  # as printed; the fewest ablations for it
    known = any(error for points in curves.values() for *_, error in points)
    title = (f"{cut(name, 40)}: " if name else "") + f"R² reaches {best[1]:.2f} with {best[0]:,g} ablations"
    titled(ax, title, ["lines: one standard error"] if known else [])
    return ax


def _points(source: Curve) -> list[tuple[float, float, float]]:
    """(ablations, R2, standard error), fewest ablations first, without those that had nothing to explain."""
    several = [source] if isinstance(source, Explanation) else source
    points: list[tuple[float, float, float]] = []
    for one in several:
        if isinstance(one, Explanation):
            points += _of_explanation(one)
        elif isinstance(one, Sequence) and len(one) in (2, 3):
            points.append((float(one[0]), float(one[1]), float(one[2]) if len(one) == 3 else 0.0))
        else:
            raise ValueError(f"A point is an explanation, or a pair of ablations and R2; got {one!r}.")
    return sorted((x, y, error if math.isfinite(error) else 0.0) for x, y, error in points if math.isfinite(y))


def _of_explanation(explanation: Explanation) -> list[tuple[float, float, float]]:
    rounds = explanation.provenance.get("rounds")
    if rounds:
        return [(float(one["ablations"]), float(one["r2"]), float(one["error"])) for one in rounds]
    faithfulness = explanation.faithfulness
    return [(float(len(explanation.values)), faithfulness.r2, faithfulness.error)]


def _axis(ax: Axes, budgets: Sequence[float]) -> None:
    """A logarithmic axis with the budgets themselves as ticks, as far as their labels keep apart."""
    ax.set_xscale("log")
    ax.minorticks_off()
    span, kept = math.log(budgets[-1] / budgets[0]) or 1.0, [budgets[0]]
    for x in budgets[1:]:
        if math.log(x / kept[-1]) / span >= 0.12:
            kept.append(x)
    ax.set_xticks(kept, [f"{x:,g}" for x in kept])
    if len(budgets) == 1:
        ax.set_xlim(budgets[0] / 2, budgets[0] * 2)

"""Panels of curves: values against the number of features removed or kept, or against the budget."""

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from spexjax._durable import write_durably

Curve = tuple[Sequence[float | int], Sequence[float | int]]


def draw_curves(
    panels: Mapping[str, Mapping[str, Curve]],
    path: str | Path,
    *,
    x_label: str,
    y_label: str,
    columns: int = 3,
    log_x: bool = False,
    y_range: tuple[float | int, float | int] | None = None,
    zero: bool = False,
) -> Path:
    """Draws `{title: {name: (x, y)}}`: one panel per title, with one legend for all.

    Args:
      panels: a name has the same colour in every panel.
      path: the picture's file; the suffix gives the format.
      x_label: below each panel.
      y_label: left of each row of panels.
      columns: panels in a row.
      log_x: use a logarithmic x axis, base 2.
      y_range: limits of y for all panels; by default each panel has its own.
      zero: draw a line at y = 0, where a difference of two answers changes sign.

    Returns:
      The path.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(0.6 + 3.6 * columns, 0.8 + 2.7 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False)
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    for ax, (title, curves) in zip(axes.flat, panels.items(), strict=False):
        for name, (x, y) in curves.items():
            ax.plot(x, y, marker="o", markersize=3.5, linewidth=1.4, color=f"C{names.index(name)}", label=name)
        ticks = _apart(sorted({v for x, _ in curves.values() for v in x}), log_x)
        if log_x:
            ax.set_xscale("log", base=2)
        if len(ticks) <= 10:
            ax.set_xticks(ticks, [f"{v:,}" for v in ticks])
            ax.minorticks_off()
        if zero:
            ax.axhline(0, color="0.6", linewidth=0.8)
        if y_range is not None:
            ax.set_ylim(*y_range)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(x_label, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes[:, 0]:
        ax.set_ylabel(y_label, fontsize=9)
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    handles = {label: h for ax in axes.flat for h, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(
        [handles[name] for name in names], names, loc="outside upper center", ncols=min(len(names), 6), frameon=False
    )
    picture = io.BytesIO()
    figure.savefig(picture, dpi=110, format=Path(path).suffix[1:] or None)
    return write_durably(path, picture.getvalue())


def _apart(ticks: list[float | int], log: bool) -> list[float | int]:
    """Drops ticks whose labels would overlap: the rest are at least a twelfth of the axis apart."""
    at = [math.log2(tick) if log else tick for tick in ticks]
    kept: list[int] = []
    for i, place in enumerate(at):
        if not kept or place - at[kept[-1]] >= (at[-1] - at[0]) / 12:
            kept.append(i)
    return [ticks[i] for i in kept]

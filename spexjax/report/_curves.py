"""Curves side by side: values against how many features were removed or kept, or against the budget."""

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
    """Draws `{title: {name: (x, y)}}`, a panel for each title and one legend for all.

    Args:
      panels: the same name has the same colour in every panel.
      path: where the picture goes; its ending says which kind.
      x_label: below each panel.
      y_label: left of each row.
      columns: panels in a row.
      log_x: a logarithmic x axis, base 2.
      y_range: the same limits everywhere; each panel its own by default.
      zero: a line at y = 0, where an answer turns into the other one.

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
    """Those of the sorted ticks whose labels do not overlap: a twelfth of the axis from the one before, at least."""
    at = [math.log2(tick) if log else tick for tick in ticks]
    kept = []
    for i, place in enumerate(at):
        if not kept or place - at[kept[-1]] >= (at[-1] - at[0]) / 12:
            kept.append(i)
    return [ticks[i] for i in kept]

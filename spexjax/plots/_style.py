"""What all pictures share: colours that also differ in grey, axes of a fitting size, titles, notes and legends."""

import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
else:
    Axes = Any  # annotations are checked at run time, where matplotlib may not be installed

Colour = tuple[float, float, float]

POSITIVE, NEGATIVE = "#0b4f9c", "#f0814f"  # dark and light: apart in grey, and for every kind of colour blindness
INK, MUTED, LINE, REST = "#1b1f24", "#5b6472", "#d5dae1", "#a9b1bc"
FADED = 0.3  # the opacity of what looks like noise
SMALL, NORMAL, LARGE = 7.5, 8.5, 11  # points
_SMALLEST = 4.0  # points
_ASTRAL = 0x10000  # from here on, matplotlib's font has next to no signs
_MIXED = 0.85  # of the full colour, for the strongest: ink on it stays legible


def new_axes(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes to draw into, by default those of a new figure.

    Args:
      ax: given by the user, or None.
      width: of a new figure, in inches.
      height: of a new figure, in inches.

    Raises:
      ImportError: if matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: pip install 'spexjax[plots]'.") from error
    return plt.subplots(figsize=(width, height), layout="constrained")[1] if ax is None else ax


def root_figure(ax: Axes) -> Any:
    """The figure of axes, even if they are in a subfigure."""
    return ax.figure.canvas.figure


def size_in_points(ax: Axes) -> tuple[float, float]:
    """Width and height of axes, once their figure has been laid out."""
    figure = root_figure(ax)
    figure.draw_without_rendering()
    box, scale = ax.get_window_extent(), 72 / figure.dpi
    return box.width * scale, box.height * scale


def text_width(string: str, size: float, weight: str = "normal") -> float:
    """The width of a string on one line, in points.

    Args:
      string: taken as it is, not as mathematics.
      size: of the font, in points.
      weight: of the font.
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(size=size, weight=weight)
    return float(TextToPath().get_text_width_height_descent(string, font, ismath=False)[0])


def plain(string: str) -> str:
    """A string that matplotlib does not take for mathematics, and without signs that its font lacks, such as emoji."""
    return "".join(c if ord(c) < _ASTRAL else "\u25a1" for c in string if c != "\u200d").replace("$", r"\$")


def cut(string: str, most: int) -> str:
    """A string of at most this many characters.

    >>> cut("remarkable", 7), cut("good", 7)
    ('remark…', 'good')
    """
    return string if len(string) <= most else string[: most - 1].rstrip() + "…"


def colour(value: float) -> str:
    """The colour of a sign."""
    return POSITIVE if value > 0 else NEGATIVE


def dashes(value: float) -> str | tuple[float, tuple[float, ...]]:
    """The line style of a sign: negative lines are dashed."""
    return "-" if value > 0 else (0.0, (3.2, 1.4))


def tint(value: float, scale: float, *, faded: bool = False) -> Colour:
    """The colour of a sign mixed with white, the stronger the value the fuller.

    Args:
      value: the number to show.
      scale: the largest absolute value of its kind.
      faded: whether the value looks like noise.
    """
    from matplotlib.colors import to_rgb

    share = _MIXED * min(1.0, abs(value) / scale) * (FADED if faded else 1) if scale > 0 else 0.0
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour(value)))
    return red, green, blue


def ink_on(background: Colour) -> str:
    """Black or white, whichever is legible on a colour."""
    red, green, blue = background
    return "white" if 0.3 * red + 0.59 * green + 0.11 * blue < 0.55 else INK


def tidy(ax: Axes, *, grid: str | None = None, left: bool = True) -> None:
    """Removes what distracts from the data.

    Args:
      ax: the axes.
      grid: "x" or "y": where faint lines help to read values.
      left: whether the line at the left stays.
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines["left"].set_visible(left)
    ax.spines[:].set_color(MUTED)
    ax.tick_params(labelsize=NORMAL, colors=MUTED, labelcolor=INK, length=3)
    ax.xaxis.label.set(fontsize=NORMAL, color=INK)
    ax.yaxis.label.set(fontsize=NORMAL, color=INK)
    if grid:
        ax.grid(axis="x" if grid == "x" else "y", color=LINE, linewidth=0.6)
        ax.set_axisbelow(True)


def titled(ax: Axes, title: str, notes: Sequence[str] = (), width: float | None = None) -> None:
    """A title at the left, and below it, small and grey, what there is to know about the picture.

    Args:
      ax: the axes.
      title: one sentence; it is broken where it exceeds the axes.
      notes: short phrases; empty ones are left out.
      width: of the axes, in points; measured by default.
    """
    width = width or _room(ax)
    note = _joined([note for note in notes if note], max(24, int(width / (0.52 * SMALL))))
    above = 7 + 1.35 * SMALL * (note.count("\n") + 1) if note else 6
    title = re.sub('"[^"]*"', lambda quoted: quoted[0].replace(" ", "\u00a0"), title)  # no break inside quotes
    title = textwrap.fill(title, max(20, int(width / (0.66 * LARGE))))
    ax.set_title(plain(title), loc="left", fontsize=LARGE, fontweight="bold", color=INK, pad=above + 2)
    if note:
        place: dict[str, Any] = {"xytext": (0, 6), "xycoords": "axes fraction", "textcoords": "offset points"}
        ax.annotate(plain(note), (0, 1), **place, va="bottom", fontsize=SMALL, color=MUTED, linespacing=1.25)
    if ax.axison:
        _fit_labels(ax)


def _room(ax: Axes) -> float:
    """The width that titles and legends may take, in points: what labels at the left leave."""
    figure = root_figure(ax)
    whole = 0.94 * 72 * float(figure.get_size_inches()[0])
    return whole if len(figure.axes) == 1 and not ax.axison else size_in_points(ax)[0]


def _fit_labels(ax: Axes) -> None:
    """Makes the names beside rows and under columns smaller where they would overlap."""
    sizes = dict(zip("xy", size_in_points(ax), strict=True))
    for axis, limits in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        labels, places = axis.get_ticklabels(), np.sort(axis.get_ticklocs())
        if len(places) < 2 or axis.get_scale() != "linear" or (axis is ax.xaxis and labels[0].get_rotation() != 90):
            continue
        apart = float(np.diff(places).min() / abs(limits[1] - limits[0])) * sizes["x" if axis is ax.xaxis else "y"]
        for label in labels:
            label.set_fontsize(min(label.get_fontsize(), max(_SMALLEST, 0.95 * apart)))


def _joined(phrases: Sequence[str], most: int) -> str:
    """Phrases with dots between them, on lines of about this many characters."""
    lines: list[str] = []
    for phrase in phrases:
        if lines and len(lines[-1]) + len(phrase) + 3 <= most:
            lines[-1] += f" · {phrase}"
        else:
            lines += textwrap.wrap(phrase, most)
    return "\n".join(lines)


def legend(
    ax: Axes,
    directions: tuple[str, str],
    *,
    faded: bool,
    below: float = 4.0,
    marks: bool = False,
    width: float | None = None,
) -> None:
    """What the colours mean, under the axes.

    Args:
      ax: the axes.
      directions: what positive and negative values do.
      faded: whether something in the picture is faded.
      below: how far under the axes, in points.
      marks: explain filled areas rather than lines.
      width: of the axes, in points; measured by default.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.transforms import ScaledTranslation

    def handle(sign: float, label: str, **changes: Any) -> Any:
        if marks:
            return Patch(**{"facecolor": colour(sign), "label": plain(label), **changes})
        return Line2D([], [], **{"color": colour(sign), "linestyle": dashes(sign), "label": plain(label), **changes})

    handles = [handle(1.0, directions[0]), handle(-1.0, directions[1])]
    if faded:
        handles.append(handle(1.0, "faded: below two standard errors", alpha=FADED))
    figure = root_figure(ax)
    needed = sum(38 + text_width(handle.get_label(), SMALL) for handle in handles)
    one_row = needed <= (width or _room(ax))
    shift = ScaledTranslation(0, -below / 72, figure.dpi_scale_trans)
    ax.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        bbox_transform=ax.transAxes + shift,
        borderaxespad=0,
        ncols=len(handles) if one_row else 1,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        handlelength=2,
        columnspacing=1.6,
    )

"""Force: one prediction as a strip, the terms that raise it against those that lower it."""

from collections.abc import Sequence

from spexjax.explanation import Explanation
from spexjax.plots._steps import Step, way
from spexjax.plots._style import FADED, INK, MUTED, REST, SMALL, Axes, new_axes, plain, root_figure, text_width, tidy

_HEIGHT, _INCHES = 2.8, 0.4  # of a figure with two rows of names, and of each more
_NAMED = 0.003  # share of the strip: narrower pieces cannot be seen
_ROW = 0.75  # the height of a row of names, in heights of the strip


def force(
    source: Explanation,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 10,
    ax: Axes | None = None,
) -> Axes:
    """Draws one prediction as a strip: what raises the value pushes from the left, what lowers it from the right.

    Both meet at the value of everything kept. The sum of what pushes from the right less that of what pushes from the
    left is how far the value of nothing kept lies above it.

    Args:
      source: an explanation.
      index: as in `waterfall`.
      max_order: the order of the index.
      top: the most terms that are pieces of their own; the weaker ones are one piece. Those too narrow to be seen are
        not named.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: as `waterfall`.
    """
    found = way(source, index, max_order, top)
    number, meet = found.shown.number, found.everything
    up = [step for step in found.steps if step.change > 0]
    down = [step for step in found.steps if step.change < 0]
    left, right = meet - sum(step.change for step in up), meet - sum(step.change for step in down)
    span = (right - left) or 1.0
    own = ax is None
    ax = new_axes(ax, 7.2, _HEIGHT)
    tidy(ax, left=False)
    ax.set(xlim=(left - 0.03 * span, right + 0.03 * span), yticks=[])
    names = []
    for steps in (up, down):
        head = meet
        for step in steps:
            tail = head - step.change
            _chevron(ax, tail, head, step, span)
            if abs(step.change) >= _NAMED * span:
                names.append(((tail + head) / 2, f"{step.name}\n{number(step.change)}", MUTED if step.noise else INK))
            head = tail
    rows = _named(ax, names, 1.06 * span)
    if own:
        root_figure(ax).set_size_inches(7.2, _HEIGHT + _INCHES * max(rows - 2, 0))
    for value, name in ((meet, "everything kept"), (found.nothing, "nothing kept")):
        ax.plot([value, value], [-0.08, 1.16], color=INK, linewidth=1, clip_on=False)
        lower = value < max(meet, found.nothing) or (meet == found.nothing and name == "nothing kept")
        label, beside = f" {name}: {number(value)} ", "right" if lower else "left"
        ax.text(value, 1.2, label, ha=beside, va="bottom", fontsize=SMALL, fontweight="bold", color=INK)
    ax.set_ylim(-0.35 - _ROW * rows, 1.6)
    ax.set_xlabel(plain(found.shown.signed_unit))
    found.titled(ax)
    return ax


def _chevron(ax: Axes, tail: float, head: float, step: Step, span: float) -> None:
    """A piece of the strip, from where it starts to push to where it ends."""
    from matplotlib.patches import Polygon

    tip = (1 if head > tail else -1) * min(abs(head - tail) * 0.45, 0.012 * span)
    outline = [(tail, 0), (head - tip, 0), (head, 0.5), (head - tip, 1), (tail, 1), (tail + tip, 0.5)]
    alpha, hatch = FADED if step.noise else 1.0, None if step.term else "////"
    ax.add_patch(Polygon(outline, facecolor=step.colour, alpha=alpha, edgecolor="white", hatch=hatch))


def _named(ax: Axes, names: Sequence[tuple[float, str, str]], span: float) -> int:
    """Names the pieces below the strip, in as many rows as keep the names apart.

    Args:
      ax: the axes.
      names: where each stands, what it says, and in which colour.
      span: the width of the axes, in their own units.

    Returns:
      The number of rows.
    """
    figure = root_figure(ax)
    points = ax.get_window_extent().width * 72 / figure.dpi
    free: list[float] = []  # where each row ends
    for at, name, ink in sorted(names):
        half = max(text_width(line, SMALL) for line in name.split("\n")) / 2 * span / points
        row = next((k for k, end in enumerate(free) if end < at - half), len(free))
        free[row:] = [at + half + 0.008 * span, *free[row + 1 :]]
        top = -0.25 - _ROW * row
        ax.plot([at, at], [0, top], color=REST, linewidth=0.6, zorder=0.5)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        ax.text(at, top, plain(name), ha="center", va="top", fontsize=SMALL, color=ink, linespacing=1.15, bbox=box)
    return max(1, len(free))

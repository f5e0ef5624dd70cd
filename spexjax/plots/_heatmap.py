"""Heatmap: the pairs of a table as a matrix, with single features on the diagonal."""

from collections.abc import Mapping, Sequence

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Shown, Term, any_noise, checked_top, read
from spexjax.plots._style import LINE, SMALL, Axes, ink_on, legend, new_axes, plain, text_width, tidy, tint, titled

_NUMBERS = 9  # features up to which values are written into the cells
_NOISE = 0.4  # the side of the square of what looks like noise
_SIGN = 0.12  # of the strongest: from here on a negative cell carries a minus


def heatmap(
    source: Explanation | Interactions,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 30,
    ax: Axes | None = None,
) -> Axes:
    """Draws the interactions of order 2 as a matrix, and those of order 1 on its diagonal.

    Args:
      source: an explanation, or what its `interactions` returned.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most features: those of the strongest cells first, drawn in their own order.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if the index is unknown, or `top` is below 1.
    """
    shown = read(source, index, max_order)
    n = shown.table.num_features
    features = _features(shown, checked_top(top))
    k, at = len(features), {feature: place for place, feature in enumerate(features)}
    cells = shown.within(features, 2)
    names = [shown.name([i], 24) for i in features]
    side, below = max(3.4, 1.2 + 0.21 * k), max(text_width(name, SMALL) for name in names)
    ax, wide = new_axes(ax, side + 0.4 + below / 72, side + 1.3 + below / 72), 72 * side
    tidy(ax, left=False)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5))
    for place in range(k):  # faint lines show which cells there are
        ax.plot([-0.5, place + 0.5], [place - 0.5] * 2, color=LINE, linewidth=0.4, zorder=0.5)
        ax.plot([place + 0.5] * 2, [place - 0.5, k - 0.5], color=LINE, linewidth=0.4, zorder=0.5)
    _draw(ax, shown, cells, at)
    ax.set_xticks(range(k), map(plain, names), rotation=90)
    ax.set_yticks(range(k), map(plain, names))
    ax.tick_params(length=0, labelsize=SMALL)
    legend(ax, shown.directions, faded=any_noise(cells), below=below + 12, marks=True, width=wide)
    pairs = [term for term in cells if len(term.members) == 2]
    notes = [shown.unit, "diagonal: single features", *shown.notes(k, n, what="features by their strongest cell")]
    titled(ax, shown.headline(pairs or cells), notes, width=wide)
    return ax


def _features(shown: Shown, top: int) -> list[int]:
    """Those of the strongest cells, pairs or single features, then any others: at most `top`, in order."""
    ranked = shown.strongest(where=lambda order: order in (1, 2))
    found = dict.fromkeys([i for s, _ in ranked for i in s] + list(range(shown.table.num_features)))
    return sorted(list(found)[:top])


def _draw(ax: Axes, shown: Shown, cells: Sequence[Term], at: Mapping[int, int]) -> None:
    from matplotlib.patches import Rectangle

    scale = max((abs(term.value) for term in cells), default=1.0)
    for term in cells:
        x, y = at[term.members[0]], at[term.members[-1]]
        side, fill = _NOISE if term.noise else 1.0, tint(term.value, scale, faded=term.noise)
        ax.add_patch(Rectangle((x - side / 2, y - side / 2), side, side, facecolor=fill, linewidth=0))
        number = shown.number(term.value)
        sign = "−" if term.value < 0 and not term.noise and abs(term.value) > _SIGN * scale else ""
        label, size = (number, SMALL) if len(at) <= _NUMBERS and not term.noise else (sign, 5.5)
        if label:
            ax.text(x, y, label, ha="center", va="center", fontsize=size, color=ink_on(fill))

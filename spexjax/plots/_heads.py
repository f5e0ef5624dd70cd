"""Heads: a grid of layers and heads, with links between those that interact."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Term, any_noise, checked_top, read
from spexjax.plots._style import (
    FADED,
    LINE,
    SMALL,
    Axes,
    colour,
    dashes,
    ink_on,
    legend,
    new_axes,
    tidy,
    tint,
    titled,
)

_NAME = re.compile(r"L(\d+)(?:\.(?:H(\d+)|(MLP)))?")
_SIGN = 0.12  # of the strongest: from here on a negative cell carries a minus
_WHOLE = -1  # the column of a whole layer
_MLP = -2


class _Grid(NamedTuple):
    """Row and column of each feature, and what the rows and columns are."""

    cells: Mapping[int, tuple[int, int]]
    layers: list[int]
    columns: list[str]


def is_component(name: str) -> bool:
    """Whether a feature's name is that of a head, an MLP or a layer, as `ablations.components` names them."""
    return _NAME.fullmatch(name) is not None


def heads(
    source: Explanation | Interactions,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 12,
    ax: Axes | None = None,
) -> Axes:
    """Draws the heads, MLPs or layers of a model as a grid coloured by their own values, and links what interacts.

    Args:
      source: an explanation of `ablations.components`, or what its `interactions` returned.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most interactions that are linked.
      ax: where to draw; by default a new figure.

    Returns:
      The axes: heads from left to right, layers from the bottom up, as the model runs them.

    Raises:
      ValueError: if a feature is no component, the index is unknown, or `top` is below 1.
    """
    shown = read(source, index, max_order)
    names = shown.table.names(range(shown.table.num_features))
    grid, singles = _grid(names), shown.singles()
    links = shown.links(checked_top(top))
    rows, columns = len(grid.layers), len(grid.columns)
    ax = new_axes(ax, min(9.0, max(4.2, 1.2 + 0.34 * columns)), min(9.5, 2.2 + 0.3 * max(rows, 3)))
    tidy(ax, left=False)
    _cells(ax, grid, singles)
    for term in reversed(links):
        _link(ax, term, grid, shown.link_share(term))
    every = 1 if columns <= 16 else 4
    ticks = [k for k, name in enumerate(grid.columns) if not name.isdigit() or k % every == 0]
    ax.set_xticks(ticks, [grid.columns[k] for k in ticks], fontsize=SMALL)
    ticks = list(range(0, rows, 1 if rows <= 16 else 4))
    ax.set_yticks(ticks, [str(grid.layers[k]) for k in ticks], fontsize=SMALL)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(-0.55, columns - 0.45), ylim=(-0.55, rows - 0.45), ylabel="layer")
    ax.set_xlabel("head" if any(name.isdigit() for name in grid.columns) else "")
    drawn = [*links, *singles.values()]
    legend(ax, shown.directions, faded=any_noise(drawn), below=34.0)
    prompts = shown.provenance.get("prompts") or ()
    notes = [*shown.link_notes(links), f"mean over {len(prompts):,} prompts" if prompts else ""]
    titled(ax, shown.headline(links if not singles else drawn), notes)
    return ax


def _grid(names: Sequence[str]) -> _Grid:
    found = [_NAME.fullmatch(name) for name in names]
    strange = [name for name, match in zip(names, found, strict=True) if match is None]
    if strange:
        raise ValueError(f'This picture is for components such as "L3.H1" and "L3.MLP"; {strange[0]!r} is none.')
    places = [
        (int(match[1]), int(match[2]) if match[2] else (_MLP if match[3] else _WHOLE)) for match in found if match
    ]
    layers = list(range(min(layer for layer, _ in places), max(layer for layer, _ in places) + 1))
    last = max(head for _, head in places)
    columns = [*range(last + 1), *sorted({head for _, head in places if head < 0})]
    kinds = {_MLP: "MLP", _WHOLE: "layer"}
    cells = {i: (layer - layers[0], columns.index(head)) for i, (layer, head) in enumerate(places)}
    return _Grid(cells, layers, [kinds.get(column, str(column)) for column in columns])


def _cells(ax: Axes, grid: _Grid, singles: Mapping[int, Term]) -> None:
    from matplotlib.patches import Rectangle

    scale = max((abs(term.value) for term in singles.values()), default=1.0)
    for i, (row, column) in grid.cells.items():
        term = singles.get(i)
        fill = tint(term.value, scale, faded=term.noise) if term else (1.0, 1.0, 1.0)
        ax.add_patch(Rectangle((column - 0.44, row - 0.42), 0.88, 0.84, facecolor=fill, edgecolor=LINE, linewidth=0.5))
        if term and term.value < -_SIGN * scale and not term.noise:
            ax.text(column, row, "−", ha="center", va="center", fontsize=7, color=ink_on(fill))


def _link(ax: Axes, term: Term, grid: _Grid, share: float) -> None:
    """A bent line through the members of a set, from the lowest layer to the highest."""
    places = np.array(sorted(grid.cells[i] for i in term.members), float)[:, ::-1]
    look: dict[str, Any] = {"color": colour(term.value), "alpha": FADED if term.noise else 0.95}
    centre = np.array([len(grid.columns), len(grid.layers)]) / 2 - 0.5
    t = np.linspace(0, 1, 40)[:, None]
    for start, end in pairwise(places):
        step, middle = end - start, (start + end) / 2
        across = np.array([-step[1], step[0]]) / np.linalg.norm(step)
        inward = -1 if across @ (centre - middle) < 0 else 1
        bend = middle + inward * across * min(1.6, 0.3 * np.linalg.norm(step))
        curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
        ax.plot(*curve.T, color="white", linewidth=2.2 + 2.6 * share, alpha=0.8, zorder=2 + share)
        ax.plot(*curve.T, linewidth=0.9 + 2.4 * share, linestyle=dashes(term.value), zorder=2 + share, **look)
    edges: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.8, "linestyle": ""}
    ax.plot(*places.T, marker="o", markersize=3.8 + 2 * share, zorder=4, **edges, **look)

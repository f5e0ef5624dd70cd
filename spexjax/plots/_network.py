"""Network: features as nodes, interactions as the links between them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Shown, Term, any_noise, checked_top, read
from spexjax.plots._style import (
    FADED,
    INK,
    LINE,
    SMALL,
    Axes,
    colour,
    dashes,
    legend,
    new_axes,
    plain,
    size_in_points,
    text_width,
    tint,
    titled,
)

_ALL = 16  # features up to which those without a link are drawn, too
_ROW = 0.13  # the height of a node with its name, in radii of the picture

Places = Mapping[Any, tuple[float, float]]


def network(
    source: Explanation | Interactions,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 30,
    layout: Literal["circular", "force"] = "circular",
    ax: Axes | None = None,
) -> Axes:
    """Draws features as nodes and their strongest interactions as links; sets of three or more meet in a small diamond.

    A node's area grows with the feature's own value, a link's width with the interaction.

    Args:
      source: an explanation, or what its `interactions` returned.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most interactions; only their features are drawn if there are many.
      layout: "circular", with the features in their own order, or "force", with those that interact side by side.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if the index or the layout is unknown, or `top` is below 1.
      ImportError: if networkx is not installed.
    """
    if layout not in ("circular", "force"):
        raise ValueError(f'The layout is "circular" or "force"; got {layout!r}.')
    shown = read(source, index, max_order)
    n, links, singles = (
        shown.table.num_features,
        shown.links(checked_top(top)),
        shown.singles(),
    )
    features = sorted({i for term in links for i in term.members})
    if n <= _ALL or not features:
        features = list(range(min(n, max(_ALL, top))))
    drawn = [*links, *(singles[i] for i in features if i in singles)]
    ax = new_axes(ax, 6.4, 6.6)
    ax.set_axis_off()
    legend(ax, shown.directions, faded=any_noise(drawn))
    notes = shown.link_notes(links)
    notes += [f"{len(features)} of {n:,} features"] if len(features) < n else []
    titled(ax, shown.headline(links or drawn), notes)
    radius = min(size_in_points(ax)) / 2
    widths = {i: text_width(shown.labels[i], SMALL) / radius for i in features}
    nodes, diamonds = _places(features, links, layout, widths)
    for term in reversed(links):
        _link(ax, term, nodes, diamonds, shown.link_share(term), 0.22 if layout == "circular" else 0.0)
    own = max((abs(singles[i].value) for i in features if i in singles), default=1.0)
    for i in features:
        _node(ax, nodes[i], singles.get(i), own)
    _label(ax, shown, features, nodes, layout)
    room = 1.12 / (1 - min(0.6, max(widths.values()))) if layout == "circular" else 1.15
    ax.set(xlim=(-room, room), ylim=(-room, room), aspect="equal")
    return ax


def _places(
    features: Sequence[int], links: Sequence[Term], layout: str, widths: Mapping[int, float]
) -> tuple[Places, Places]:
    """Where each feature stands, within the unit circle, and where the diamond of each large set."""
    try:
        import networkx
    except ImportError as error:
        raise ImportError("A network needs networkx: pip install 'spexjax[plots]'.") from error
    graph, large = networkx.Graph(), [term.members for term in links if len(term.members) > 2]
    graph.add_nodes_from(features)
    if layout == "circular":
        found = networkx.circular_layout(graph)
        return {i: (found[i][1], found[i][0]) for i in features}, {s: _middle([found[i] for i in s]) for s in large}
    for term in links:
        if len(term.members) == 2:
            graph.add_edge(*term.members)
        else:
            graph.add_edges_from((i, term.members) for i in term.members)
    near = dict(networkx.all_pairs_shortest_path_length(graph))
    apart = 1.5 + max(max(steps.values()) for steps in near.values()) / 3  # those that nothing links
    distances = {a: {b: near[a].get(b, apart) for b in graph} for a in graph}
    found = networkx.kamada_kawai_layout(graph, dist=distances, pos=networkx.circular_layout(graph))
    places = _spread({node: (float(x), float(y)) for node, (x, y) in found.items()}, widths)
    return {i: places[i] for i in features}, {s: places[s] for s in large}


def _spread(places: Places, widths: Mapping[Any, float]) -> Places:
    """Moves nodes apart until none covers the name of another, and back into the unit square.

    Args:
      places: of all nodes.
      widths: of their names, in radii of the picture; diamonds have none.
    """
    nodes, at = list(places), np.array(list(places.values()))
    half = np.array([max(widths.get(node, 0.0), _ROW) / 2 for node in nodes])
    for _ in range(200):
        at = (at - (at.min(0) + at.max(0)) / 2) / np.maximum(np.ptp(at, axis=0) / 2, 1e-9)
        gap = at[:, None] - at
        over_x = half[:, None] + half - np.abs(gap[..., 0])
        over_y = _ROW - np.abs(gap[..., 1])
        overlap = (over_x > 0) & (over_y > 0) & ~np.eye(len(at), dtype=bool)
        if not overlap.any():
            break
        sideways = over_x < over_y  # along the shorter way out
        ties = np.sign(np.arange(len(at))[:, None] - np.arange(len(at)))
        signs = np.where(gap == 0, ties[..., None], np.sign(gap))
        at[:, 0] += (0.3 * np.where(overlap & sideways, over_x, 0) * signs[..., 0]).sum(1)
        at[:, 1] += (0.3 * np.where(overlap & ~sideways, over_y, 0) * signs[..., 1]).sum(1)
    return dict(zip(nodes, map(tuple, at.tolist()), strict=True))


def _middle(places: Sequence[Any]) -> tuple[float, float]:
    x, y = np.mean(places, axis=0)
    return 0.85 * float(y), 0.85 * float(x)


def _link(ax: Axes, term: Term, nodes: Places, diamonds: Places, share: float, bend: float) -> None:
    look: dict[str, Any] = {"color": colour(term.value), "alpha": FADED if term.noise else 0.35 + 0.6 * share}
    line: dict[str, Any] = {"linewidth": 0.6 + 4 * share, "linestyle": dashes(term.value), "solid_capstyle": "round"}
    if len(term.members) == 2:
        (x1, y1), (x2, y2) = (nodes[i] for i in term.members)
        towards = 0.5 - bend * min(1.0, math.dist((x1, y1), (x2, y2)))  # the centre, if they are far apart
        middle = towards * (x1 + x2), towards * (y1 + y2)
        t = np.linspace(0, 1, 40)[:, None]
        curve = (1 - t) ** 2 * [x1, y1] + 2 * t * (1 - t) * middle + t**2 * [x2, y2]
        ax.plot(*curve.T, zorder=1 + share, **look, **line)
        return
    x, y = diamonds[term.members]
    for i in term.members:
        ax.plot([x, nodes[i][0]], [y, nodes[i][1]], zorder=1 + share, **look, **line)
    ax.plot(x, y, marker="D", markersize=4 + 3 * share, zorder=2.5, markeredgecolor="white", **look)


def _node(ax: Axes, place: tuple[float, float], term: Term | None, strongest: float) -> None:
    share = abs(term.value) / strongest if term else 0.0
    fill = tint(term.value, strongest, faded=term.noise) if term else "white"
    edge = LINE if term is None or term.noise else colour(term.value)
    style = "-" if term is None or term.value > 0 else (0, (1.5, 1))
    ax.scatter(*place, s=24 + 200 * share, facecolor=fill, edgecolor=edge, linewidth=1.1, linestyle=style, zorder=3)


def _label(ax: Axes, shown: Shown, features: Sequence[int], nodes: Places, layout: str) -> None:
    from matplotlib.patheffects import withStroke

    for i in features:
        x, y = nodes[i]
        look: dict[str, Any] = {"fontsize": SMALL, "color": INK, "zorder": 4}
        if layout == "force" or len(features) == 1:
            halo = [withStroke(linewidth=2.2, foreground="white")]
            place: dict[str, Any] = {
                "xytext": (0, 8),
                "textcoords": "offset points",
                "ha": "center",
                "path_effects": halo,
            }
            ax.annotate(plain(shown.labels[i]), (x, y), **place, **look)
            continue
        angle = math.degrees(math.atan2(y, x))
        flipped = abs(angle) > 90
        around: dict[str, Any] = {
            "rotation": angle + 180 * flipped,
            "rotation_mode": "anchor",
            "ha": "right" if flipped else "left",
        }
        radius = 1.1
        ax.text(radius * x, radius * y, plain(shown.labels[i]), va="center", **around, **look)

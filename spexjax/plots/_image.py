"""Image: the regions of a picture coloured by their values, with links between those that interact."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import Term, any_noise, checked_top, read
from spexjax.plots._style import FADED, NORMAL, Axes, colour, dashes, legend, new_axes, titled

_OPACITY = 0.75  # of the strongest region
_SIGNED = 30  # regions that carry a plus or a minus


def image(
    source: Explanation | Interactions,
    picture: Any,
    regions: Any,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 6,
    ax: Axes | None = None,
) -> Axes:
    """Draws a picture in grey with its regions coloured by their own values, and links what interacts.

    Args:
      source: an explanation whose features are regions, or what its `interactions` returned.
      picture: `[height, width]`, or `[height, width, 3]` or 4 with colours, in any range of numbers.
      regions: whole numbers `[height, width]`: the feature of each pixel, or -1 where there is none.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most links.
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if picture and regions have different sizes, a region is no feature, the index is unknown, or `top`
        is below 1.
    """
    shown = read(source, index, max_order)
    n, grey, where = shown.table.num_features, _grey(picture), np.asarray(regions)
    if where.shape != grey.shape or not np.issubdtype(where.dtype, np.integer):
        raise ValueError(
            f"Regions are whole numbers of the picture's size {grey.shape}; got {where.dtype} {where.shape}."
        )
    if where.min(initial=0) < -1 or where.max(initial=-1) >= n:
        raise ValueError(
            f"A region is the number of a feature, 0 to {n - 1}, or -1; got {where.min()} to {where.max()}."
        )
    links, singles = shown.links(checked_top(top)), shown.singles()
    height, width = grey.shape
    side = 4.6 / max(height, width)
    ax = new_axes(ax, max(2.8, side * width) + 0.6, max(1.6, side * height) + 1.1)
    ax.set_axis_off()
    ax.imshow(_coloured(grey, where, singles), interpolation="nearest", vmin=0, vmax=1)
    centres = {i: _centre(where == i) for i in np.unique(where[where >= 0]).tolist()}
    strong = sorted((i for i in singles if i in centres), key=lambda i: -abs(singles[i].value))[:_SIGNED]
    for i in strong:
        _outline(ax, where == i, singles[i])
        _mark(ax, centres[i], singles[i])
    for term in reversed([term for term in links if all(i in centres for i in term.members)]):
        _link(ax, term, centres, shown.link_share(term))
    drawn = [*links, *singles.values()]
    legend(ax, shown.directions, faded=any_noise(drawn))
    titled(ax, shown.headline(drawn), shown.link_notes(links))
    return ax


def _grey(picture: Any) -> Float[np.ndarray, "h w"]:
    """Between 0, black, and 1, white."""
    pixels = np.asarray(picture, np.float64)
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):
        pixels = pixels[..., :3] @ [0.299, 0.587, 0.114]
    if pixels.ndim != 2 or not pixels.size or not np.isfinite(pixels).all():
        raise ValueError(f"A picture is [height, width], or [height, width, 3], of finite numbers; got {pixels.shape}.")
    return (pixels - pixels.min()) / (np.ptp(pixels) or 1.0)


def _coloured(
    grey: Float[np.ndarray, "h w"], where: Int[np.ndarray, "h w"], singles: Mapping[int, Term]
) -> Float[np.ndarray, "h w 3"]:
    from matplotlib.colors import to_rgb

    strongest = max((abs(term.value) for term in singles.values()), default=1.0)
    pixels = np.repeat(0.6 + 0.4 * grey[..., None], 3, axis=-1)  # pale, so that colours stand out
    for i, term in singles.items():
        opacity = _OPACITY * abs(term.value) / strongest * (FADED if term.noise else 1)
        inside = where == i
        pixels[inside] = (1 - opacity) * pixels[inside] + opacity * np.array(to_rgb(colour(term.value)))
    return pixels


def _centre(inside: Bool[np.ndarray, "h w"]) -> tuple[float, float]:
    """The pixel of a region that is nearest to its mean."""
    rows, columns = np.nonzero(inside)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return float(columns[nearest]), float(rows[nearest])


def _outline(ax: Axes, inside: Bool[np.ndarray, "h w"], term: Term) -> None:
    """The border of a region: a full line if its value is positive, a dashed line if it is negative."""
    from matplotlib.collections import LineCollection

    padded = np.pad(inside, 1)
    rows, columns = np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1])
    level = [[(x - 0.5, y - 0.5), (x + 0.5, y - 0.5)] for y, x in zip(rows, columns, strict=True)]
    rows, columns = np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1])
    upright = [[(x - 0.5, y - 0.5), (x - 0.5, y + 0.5)] for y, x in zip(rows, columns, strict=True)]
    look: dict[str, Any] = {
        "color": colour(term.value),
        "alpha": FADED if term.noise else 1.0,
        "linestyle": dashes(term.value),
    }
    ax.add_collection(LineCollection(level + upright, linewidth=1.1, **look))


def _mark(ax: Axes, place: tuple[float, float], term: Term) -> None:
    """The sign of a region's value, unless it looks like noise; beside the centre, where links end."""
    from matplotlib.patheffects import withStroke

    look: dict[str, Any] = {"xytext": (0, -9), "textcoords": "offset points", "ha": "center", "va": "center"}
    look |= {"fontsize": NORMAL, "path_effects": [withStroke(linewidth=1.8, foreground="white")]}
    if not term.noise:
        ax.annotate("+" if term.value > 0 else "−", place, **look)


def _link(ax: Axes, term: Term, centres: Mapping[int, Sequence[float]], share: float) -> None:
    x, y = zip(*(centres[i] for i in term.members), strict=True)
    look: dict[str, Any] = {"color": colour(term.value), "alpha": FADED if term.noise else 1.0}
    ax.plot(x, y, color="white", linewidth=3.2 + 2 * share, alpha=look["alpha"], zorder=2 + share)
    ax.plot(x, y, linewidth=1.2 + 2 * share, linestyle=dashes(term.value), zorder=2 + share, **look)
    ax.plot(x, y, "o", markersize=5 + 2 * share, markeredgecolor="white", zorder=3.5, **look)

"""Text: every word coloured by its own value, with links over the words that work together."""

import dataclasses
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from spexjax._printable import printable
from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._layout import Comb, Word, combs, rounded, wrapped
from spexjax.plots._shown import Shown, Term, any_noise, checked_top, read
from spexjax.plots._style import (
    FADED,
    INK,
    MUTED,
    Axes,
    colour,
    dashes,
    ink_on,
    legend,
    new_axes,
    plain,
    root_figure,
    size_in_points,
    text_width,
    tint,
    titled,
)

_WIDTH = 7.0  # inches
_MOST = 3600  # characters up to which the text is shown whole: a page
_LINKS = 24  # the most that leave room for words
_CONTEXT = 3  # units beside a strong one, where it is not
_TRACK, _LANE, _NUMBER = 10.5, 6.0, 6.5  # points: between tracks, between lanes, and the size of a number
_SMALLEST = 4.5  # points: of a font that is made smaller to fit

Pieces = Sequence[tuple[str, int]]


def text(
    source: Explanation | Interactions,
    *,
    index: str | None = None,
    max_order: int | None = None,
    top: int = 8,
    font_size: float | int = 11.0,
    ax: Axes | None = None,
) -> Axes:
    """Draws the text with every word coloured by its own value, and links over the words that work together.

    Positive words have a full line under them, negative ones a dashed line; the same holds for the links.

    Args:
      source: an explanation of `ablations.text`; of anything else, the names of the features make up the text.
      index: a name from `indices.INDICES`, FSII by default.
      max_order: the order of the index.
      top: the most links, up to 24. Of a text that exceeds a page, only the strongest units are shown, with their
        neighbours.
      font_size: in points; smaller if the text does not fit into the axes that were given.
      ax: where to draw; by default a new figure, as high as the text needs.

    Returns:
      The axes, whose data coordinates are points from the upper left corner.

    Raises:
      ValueError: if the index is unknown, or `top` is below 1.
    """
    shown = read(source, index, max_order)
    links, singles = shown.links(min(checked_top(top), _LINKS)), shown.singles()
    drawn, (pieces, left_out) = [*links, *singles.values()], _pieces(shown, links, singles)
    own = ax is None
    ax = new_axes(ax, _WIDTH, 3.0)
    ax.set_axis_off()
    legend(ax, shown.directions, faded=any_noise(drawn))
    notes = shown.link_notes(links)
    notes += [f"{left_out:,} of {shown.table.num_features:,} units left out"] if left_out else []
    titled(ax, shown.headline(drawn), notes, width=72 * _WIDTH if own else None)
    width, height = size_in_points(ax)
    page = _fitting(pieces, links, width, float("inf") if own else height, float(font_size))
    if own:
        figure = root_figure(ax)
        figure.set_size_inches(_WIDTH, figure.get_size_inches()[1] + (page.height - height) / 72)
    ax.set(xlim=(0, width), ylim=(page.height if own else max(height, page.height), 0))
    _words(ax, page, singles)
    for term, comb in reversed(list(zip(links, page.combs, strict=True))):
        _comb(ax, page, shown, term, comb)
    return ax


@dataclasses.dataclass(frozen=True)
class _Page:
    """A text that has been laid out, in points from the upper left corner."""

    words: list[Word]
    combs: list[Comb]
    tops: list[float]  # of each line
    width: float  # of the lines
    size: float  # of the font
    height: float

    def track(self, line: int, number: int) -> float:
        """How high a track above a line is."""
        return self.tops[line] - 3 - _TRACK * (number + 0.5)


def _fitting(pieces: Pieces, links: Sequence[Term], width: float, height: float, size: float) -> _Page:
    """The page in the largest font, of at most this size, with which it is not too high."""
    while True:
        page = _laid_out(pieces, links, width, size)
        if page.height <= height or size - 0.5 < _SMALLEST:
            return page
        size -= 0.5


def _laid_out(pieces: Pieces, links: Sequence[Term], width: float, size: float) -> _Page:
    @cache
    def measure(string: str) -> float:
        return text_width(string, size)

    words, lines = wrapped(pieces, width - 2, measure)
    if lines > 1 and links:  # beside the lines stand the lanes
        width -= 4 + _LANE * len(links)
        words, lines = wrapped(pieces, width, measure)
    found = combs([term.members for term in links], words, width, least=30.0)
    bottom, tops = 0.0, []
    for line in range(lines):
        tracks = max((comb.tracks[line] + 1 for comb in found if line in comb.tracks), default=0)
        tops.append(bottom + (_TRACK * tracks + 5 if tracks else 0.4 * size))
        bottom = tops[-1] + 1.45 * size
    return _Page(words, found, tops, width, size, bottom + 2)


def _pieces(shown: Shown, links: Sequence[Term], singles: Mapping[int, Term]) -> tuple[Pieces, int]:
    """The text in pieces, (string, feature or -1), and how many units were left out because it exceeds a page."""
    n = shown.table.num_features
    names = shown.table.names(range(n))
    gap = " · " if any(" " in name for name in names) else " "
    listed: list[tuple[str, int]] = [part for i in range(n) for part in ((names[i], i), (gap, -1))]
    given = shown.provenance.get("pieces") or listed[:-1]
    pieces = [(_printable(str(string)), int(i) if 0 <= i < n else -1) for string, i in given]
    if sum(len(string) for string, _ in pieces) <= _MOST:
        return pieces, 0
    length = dict.fromkeys(range(n), 0) | {i: len(string) + 1 for string, i in pieces}
    context = _CONTEXT if sum(length.values()) < 14 * n else 0
    ranked = [i for term in links for i in term.members]
    ranked += sorted(singles, key=lambda i: -abs(singles[i].value))
    kept: set[int] = set(ranked[: sum(len(term.members) for term in links)])
    for i in ranked:
        window = kept | set(range(max(0, i - context), min(n, i + context + 1)))
        if sum(length[j] for j in window) > _MOST:
            break
        kept = window
    short: list[tuple[str, int]] = []
    unit = -1  # the last one
    for string, i in pieces:
        unit = max(unit, i)
        if unit in kept or (unit < 0 and 0 in kept):
            short.append((string, i))
        elif not short or short[-1][0] != " … ":
            short.append((" … ", -1))
    return short, n - len(kept)


def _printable(string: str) -> str:
    return "".join(c if c.isspace() else printable(c) for c in string)


def _words(ax: Axes, page: _Page, singles: Mapping[int, Term]) -> None:
    from matplotlib.patches import Rectangle

    strongest, size = max((abs(term.value) for term in singles.values()), default=1.0), page.size
    runs: dict[tuple[int, int], list[Word]] = {}
    for word in page.words:
        runs.setdefault((word.line, word.feature), []).append(word)
    fills = {}
    for (line, feature), run in runs.items():
        if (term := singles.get(feature)) is None:
            continue
        left, right, top = run[0].left - 1.5, run[-1].right + 1.5, page.tops[line]
        fills[feature] = fill = tint(term.value, strongest, faded=term.noise)
        ax.add_patch(Rectangle((left, top), right - left, 1.3 * size, facecolor=fill, linewidth=0, zorder=0.5))
        under: dict[str, Any] = {
            "color": colour(term.value),
            "alpha": FADED if term.noise else 1.0,
            "linestyle": dashes(term.value),
        }
        thickness = 0.3 + 1.5 * abs(term.value) / strongest
        ax.plot([left, right], [top + 1.3 * size] * 2, linewidth=thickness, solid_capstyle="butt", **under)
    for word in page.words:
        ink = MUTED if word.feature < 0 else ink_on(fills[word.feature]) if word.feature in fills else INK
        ax.text(word.left, page.tops[word.line] + size, plain(word.string), fontsize=size, color=ink, va="baseline")


def _comb(ax: Axes, page: _Page, shown: Shown, term: Term, comb: Comb) -> None:
    """Draws one link: stems, tracks, and the lane beside the text if it spans several lines."""
    share, lines = shown.link_share(term), list(comb.stems)
    look: dict[str, Any] = {
        "color": colour(term.value),
        "alpha": FADED if term.noise else 1.0,
        "linewidth": 0.9 + 1.5 * share,
    }
    look |= {"linestyle": dashes(term.value), "zorder": 2 + share}
    beside = page.width + 4 + _LANE * (comb.lane or 0)
    heights = {line: page.track(line, comb.tracks[line]) for line in lines}
    first, last = lines[0], lines[-1]

    def stem(line: int, x: float) -> list[tuple[float, float]]:
        return [(x, page.tops[line] - 1), (x, heights[line])]

    ends = [(first, comb.stems[first][0]), (last, comb.stems[last][0 if len(lines) > 1 else -1])]
    way = [(beside, heights[first]), (beside, heights[last])] if len(lines) > 1 else []
    rounded(ax, [*stem(*ends[0]), *way, *reversed(stem(*ends[1]))], 4.0, **look)
    for line, places in comb.stems.items():
        for x in places:
            ax.plot(
                x,
                page.tops[line] - 1,
                marker="o",
                markersize=2.2 + 1.2 * share,
                color=look["color"],
                alpha=look["alpha"],
                markeredgewidth=0,
                zorder=3,
            )
            if (line, x) in ends:
                continue
            to_lane = [(beside, heights[line])] if line not in (first, last) and x == places[0] else []
            rounded(ax, [*stem(line, x), *to_lane], 4.0, **look)
    at = comb.stems[first]
    middle = (at[0] + at[-1]) / 2 if len(at) > 1 else at[0] + 20
    box: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
    ink = MUTED if term.noise else INK
    ax.text(
        middle,
        heights[first],
        shown.number(term.value),
        fontsize=_NUMBER,
        color=ink,
        ha="center",
        va="center",
        bbox=box,
        zorder=4,
    )

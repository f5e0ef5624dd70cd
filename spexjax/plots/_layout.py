"""Where the words of a text stand, and along which tracks the links between them run, so that none crosses a word."""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from spexjax.plots._style import Axes

Span = tuple[float | int, float | int]


@dataclasses.dataclass(frozen=True)
class Word:
    """A word, or a part of one, on its line: of one feature, or of none (-1)."""

    string: str
    feature: int
    line: int
    left: float
    right: float


def wrapped(pieces: Iterable[tuple[str, int]], width: float, measure: Callable[[str], float]) -> tuple[list[Word], int]:
    """Breaks a text into lines of a width; line breaks of the text stay.

    Args:
      pieces: (string, feature or -1), which together are the text.
      width: of a line, in points.
      measure: the width of a string.

    Returns:
      The words, and the number of lines.

    >>> words, lines = wrapped([("not", 0), (" ", -1), ("good", 1)], 50.0, lambda string: 8.0 * len(string))
    >>> [(word.string, word.line) for word in words], lines
    ([('not', 0), ('good', 1)], 2)
    """
    words: list[Word] = []
    line, x, space = 0, 0.0, measure("x x") - measure("xx")
    for string, feature in pieces:
        string = "␣" if feature >= 0 and not string.strip() else string  # a unit can be a space
        for token in re.findall(r"\s+|\S+", string):
            if token.isspace():
                line, x = (line + (x > 0), 0.0) if "\n" in token else (line, x + space * (x > 0))
                continue
            for part in _parts(token, width, measure):
                wide = measure(part)
                if x + wide > width and x > 0:
                    line, x = line + 1, 0.0
                words.append(Word(part, feature, line, x, x + wide))
                x += wide
    return words, line + 1


def _parts(token: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """A word, cut where it exceeds a whole line."""
    most = max(1, int(len(token) * width / max(measure(token), 1e-9)))
    return [token[i : i + most] for i in range(0, len(token), most)] if measure(token) > width else [token]


@dataclasses.dataclass(frozen=True)
class Comb:
    """The way of one link: stems from words up to a track above each line, and one lane beside the text."""

    stems: Mapping[int, Sequence[float]]  # the places of the stems on each line, from left to right
    tracks: Mapping[int, int]  # the track above each line, 0 the lowest
    lane: int | None  # beside the text, if there are several lines


def combs(sets: Sequence[Sequence[int]], words: Sequence[Word], width: float, least: float) -> list[Comb]:
    """Tracks and lanes for the links between the features of each set; no two on one track overlap.

    Args:
      sets: features, all of which have words.
      words: of the text.
      width: of a line, in points.
      least: the least width of a link on one line, where its number must fit.
    """
    first: dict[int, Word] = {}
    for word in words:
        first.setdefault(word.feature, word)
    uses = {i: sum(i in s for s in sets) for i in {i for s in sets for i in s}}
    used = dict.fromkeys(uses, 0)
    places: list[dict[int, list[float]]] = []
    for s in sets:
        stems: dict[int, list[float]] = {}
        for i in s:
            used[i] += 1
            word = first[i]
            share = used[i] / (uses[i] + 1)  # several stems of one word stand side by side
            stems.setdefault(word.line, []).append(word.left + (word.right - word.left) * (0.2 + 0.6 * share))
        places.append({line: sorted(at) for line, at in sorted(stems.items())})
    lanes = _lanes(places)
    spans = [_spans(stems, lane, width, least) for stems, lane in zip(places, lanes, strict=True)]
    tracks: list[dict[int, int]] = [{} for _ in sets]
    taken: dict[int, list[list[Span]]] = {}
    by_length = sorted(((b - a, line, k) for k, each in enumerate(spans) for line, (a, b) in each.items()))
    for _, line, k in by_length:  # short ones lie low, so that long ones pass above them
        tracks[k][line] = _first_free(taken.setdefault(line, []), spans[k][line])
    return [Comb(*parts) for parts in zip(places, tracks, lanes, strict=True)]


def _lanes(places: Sequence[Mapping[int, Sequence[float]]]) -> list[int | None]:
    """The lane of each link of several lines; short ones lie near the text."""
    taken: list[list[Span]] = []
    lanes: list[int | None] = [None] * len(places)
    for k in sorted(range(len(places)), key=lambda k: max(places[k]) - min(places[k])):
        if len(places[k]) > 1:
            lanes[k] = _first_free(taken, (min(places[k]), max(places[k])))
    return lanes


def _spans(stems: Mapping[int, Sequence[float]], lane: int | None, width: float, least: float) -> dict[int, Span]:
    """What a link covers above each of its lines."""
    if lane is not None:
        return {line: (at[0] - 3, width + 1e3) for line, at in stems.items()}
    return {
        line: (min(at[0] - 3, (at[0] + at[-1] - least) / 2), max(at[-1] + 3, (at[0] + at[-1] + least) / 2))
        for line, at in stems.items()
    }


def _first_free(taken: list[list[Span]], span: Span) -> int:
    """The first track where a span overlaps none; it is put there."""
    for number, track in enumerate(taken):
        if all(span[1] < a or span[0] > b for a, b in track):
            track.append(span)
            return number
    taken.append([span])
    return len(taken) - 1


def rounded(ax: Axes, corners: Sequence[tuple[float, float]], radius: float, **look: object) -> None:
    """Draws a line with rounded corners.

    Args:
      ax: the axes.
      corners: the ends and the corners between them.
      radius: of the corners, at most half of the shorter side.
      **look: of the line, as `matplotlib.patches.PathPatch` takes it.
    """
    import numpy as np
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points = [np.array(corner, float) for corner in corners]
    vertices, codes = [points[0]], [Path.MOVETO]
    for before, at, after in zip(points[:-2], points[1:-1], points[2:], strict=True):
        into, out = at - before, after - at
        r = min(radius, np.linalg.norm(into) / 2, np.linalg.norm(out) / 2)
        near = [step / (np.linalg.norm(step) or 1) * r for step in (into, out)]
        vertices += [at - near[0], at, at + near[1]]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    ax.add_patch(PathPatch(Path([*vertices, points[-1]], [*codes, Path.LINETO]), fill=False, **look))

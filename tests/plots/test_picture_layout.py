"""Words in lines, and links that never overlap or cross a word."""

from itertools import combinations

import numpy as np
import pytest

from spexjax.plots._layout import combs, wrapped


def eight(string):
    return 8.0 * len(string)


def test_lines_are_no_wider_than_they_may_be():
    pieces = [("one", 0), (" ", -1), ("two\nthree", 1), ("  ", 2), ("a" * 30, 3), (".", -1)]
    words, lines = wrapped(pieces, 100.0, eight)
    assert lines == 1 + max(word.line for word in words)
    assert max(word.right for word in words) <= 100
    assert "".join(word.string for word in words) == "onetwothree␣" + "a" * 30 + "."
    assert [word.line for word in words if word.feature == 1] == [0, 1]
    for line in range(lines):
        ends = [edge for word in words if word.line == line for edge in (word.left, word.right)]
        assert ends == sorted(ends)


def spans(comb, width):
    for line, at in comb.stems.items():
        yield line, comb.tracks[line], at[0], width if comb.lane is not None else at[-1]


@pytest.mark.parametrize("seed", range(5))
def test_links_on_a_track_do_not_overlap(seed):
    rng = np.random.default_rng(seed)
    words, _ = wrapped([part for i in range(40) for part in (("word", i), (" ", -1))], 300.0, eight)
    sets = [tuple(rng.choice(40, rng.integers(2, 5), replace=False).tolist()) for _ in range(10)]
    found = combs(sets, words, 300.0, 30.0)
    for s, comb in zip(sets, found, strict=True):
        assert sum(map(len, comb.stems.values())) == len(s)
        assert (comb.lane is None) == (len(comb.stems) == 1)
    for first, second in combinations(found, 2):
        for line, track, left, right in spans(first, 300.0):
            for other in spans(second, 300.0):
                assert (line, track) != other[:2] or right < other[2] or other[3] < left
        if first.lane is not None and first.lane == second.lane:
            assert max(first.stems) < min(second.stems) or max(second.stems) < min(first.stems)

"""Cutting a text into the units that are removed: words, sentences and other parts, or spans of characters."""

import itertools
import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from spexjax._numbers import counted
from spexjax.ablations._text._parts import demonstrations, documents, tool_calls, turns
from spexjax.ablations._text._segmenters import Span, noun_phrases
from spexjax.ablations._text._sentences import clauses, paragraphs, sentences
from spexjax.ablations._text._words import words

KINDS: dict[str, Callable[[str], list[Span]]] = {
    "word": words,
    "sentence": sentences,
    "line": lambda text: [m.span() for m in re.finditer(r"\S[^\n]*(?<=\S)", text)],
    "clause": clauses,
    "paragraph": paragraphs,
    "turn": turns,
    "document": documents,
    "demonstration": demonstrations,
    "tool-call": tool_calls,
    "noun-phrase": noun_phrases,
}


class Units(NamedTuple):
    """A text as `lead + core_0 + gap_0 + core_1 + gap_1 + ...`; the cores are the units.

    With `gaps_stay` the gaps are part of the surroundings and survive a removal; otherwise a gap is the white space
    after its unit and goes with it.
    """

    lead: str
    cores: tuple[str, ...]
    gaps: tuple[str, ...]
    gaps_stay: bool

    def spans(self) -> list[tuple[int, int, int]]:
        """(start, end, end of the gap) of each unit, in characters."""
        spans, at = [], len(self.lead)
        for core, gap in zip(self.cores, self.gaps, strict=True):
            spans.append((at, at + len(core), at + len(core) + len(gap)))
            at = spans[-1][2]
        return spans

    def ablate(self, kept: Sequence[bool], stand_ins: Sequence[str | None] | None = None) -> str:
        """The text with the other units deleted or replaced; with all units kept it is the text as given.

        Args:
          kept: for each unit, whether it stays.
          stand_ins: what replaces each unit that does not stay; None deletes it.

        >>> units = split("not bad at all", "word")
        >>> units.ablate([True, False, True, False]), units.ablate([True, False, True, True], ["_"] * 4)
        ('not at', 'not _ at all')
        """
        others = stand_ins if stand_ins is not None else [None] * len(self.cores)
        shown = [core if keep else other for core, keep, other in zip(self.cores, kept, others, strict=True)]
        pieces, trailing = [self.lead], 0
        for piece, gap in zip(shown, self.gaps, strict=True):
            if piece is not None:
                pieces += [piece, gap]
                trailing = 0 if self.gaps_stay else len(gap)
            elif self.gaps_stay:
                pieces.append(gap)
        text = "".join(pieces)
        last_stays = not shown or shown[-1] is not None
        return text if last_stays else text[: len(text) - trailing]


def split(text: str, features: str | Sequence[tuple[int, int]]) -> Units:
    """Cuts `text` into units of one of `KINDS`, or at given character spans `(start, end)`.

    Args:
      text: what is cut.
      features: the kind of unit, or the spans.

    Raises:
      ValueError: if the features are not one of these, or spans overlap, are empty or leave the text.
    """
    if not isinstance(features, str):
        try:
            spans = [(int(a), int(b)) for a, b in features]
        except (TypeError, ValueError):
            raise ValueError(f"Features are a kind of unit, or spans (start, end); got {features!r}.") from None
        edges = [0, *(edge for span in spans for edge in span), len(text)]
        if any(a > b for a, b in itertools.pairwise(edges)) or any(a >= b for a, b in spans):
            raise ValueError("Spans must be (start, end) with start < end, in order, without overlap, in the text.")
    elif features in KINDS:
        spans = KINDS[features](text)
    else:
        names = ", ".join(map(repr, KINDS))
        raise ValueError(f"Features must be {names}, 'token' or a list of (start, end) spans, not {features!r}.")
    ends = [*(start for start, _ in spans[1:]), len(text)]
    gaps = tuple(text[b:end] for (_, b), end in zip(spans, ends, strict=bool(spans)))
    return Units(
        lead=text[: spans[0][0]] if spans else text,
        cores=tuple(text[a:b] for a, b in spans),
        gaps=gaps,
        gaps_stay=not isinstance(features, str) or any(gap.strip() for gap in gaps),
    )


def named_spans(units: Units) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """The name of each unit, and where it stands in the text.

    Args:
      units: of the text.
    """
    return units.cores, tuple((start, end) for start, end, _ in units.spans())


def check_units(count: int, features: str | Sequence[tuple[int, int]]) -> None:
    """Raises unless there are at least two units.

    Args:
      count: of the units.
      features: what they are.

    Raises:
      ValueError: if there are fewer.
    """
    if count < 2:
        token = "features='token'"
        finer = token if isinstance(features, str) and features == "word" else "finer ones"
        raise ValueError(
            f"The text has {counted(count, 'unit')}; at least two are needed: give a longer text or {finer}."
        )

"""From masks to token sequences: units are removed from the text, which is tokenised again, or from the tokens."""

import bisect
import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from spexjax.ablations._prompts._frame import Frame
from spexjax.ablations._text._pieces import Span, stand_ins
from spexjax.ablations._text._removal import Removal
from spexjax.ablations._text._units import Units, check_units, named_spans, split
from spexjax.models import LanguageModel


@dataclasses.dataclass(frozen=True)
class FromText:
    """Removes units from the text, and tokenises the prompt that is left as if it had been written so."""

    frame: Frame
    units: Units
    stand_ins: tuple[str | None, ...]  # in place of each unit; None deletes it
    encode: Callable[[Sequence[str]], list[list[int]]] = dataclasses.field(repr=False)

    @property
    def deletes(self) -> bool:
        """Whether what follows a removed unit moves up to what stands before it."""
        return not any(self.stand_ins)

    @property
    def identity(self) -> str:
        """Its part of a fingerprint, in the form of version 0.1.0, so that values in old stores are found."""
        replacement = self.stand_ins[0] if len(set(self.stand_ins)) == 1 else self.stand_ins
        return f"FromText(frame={self.frame!r}, units={self.units!r}, replacement={replacement!r})"

    def sequences(self, masks: Bool[np.ndarray, "m n"], forced: tuple[int, ...]) -> tuple[list, list]:
        """Token ids and positions of each mask's prompt, followed by the `forced` tokens of the answer."""
        ids = [(*tokens, *forced) for tokens in self.encode(self.prompts(masks))]
        return ids, [tuple(range(len(i))) for i in ids]

    def prompts(self, masks: Bool[np.ndarray, "m n"]) -> list[str]:
        """What the model is given for each mask."""
        return [self.frame.prompt(self.units.ablate(mask, self.stand_ins)) for mask in masks.tolist()]


@dataclasses.dataclass(frozen=True)
class FromTokens:
    """Removes tokens from the whole prompt.

    A hidden token is one that nothing attends to, so it is left out of the pass; the others keep their positions.
    """

    ids: tuple[int, ...]
    owners: tuple[int, ...]  # the unit that each token belongs to; -1 for the frame, which stays
    stand_ins: tuple[tuple[int, ...], ...]  # of each unit: the tokens in place of each of its tokens
    hides: bool

    @property
    def deletes(self) -> bool:
        """Whether what follows a removed unit moves up to what stands before it."""
        return not self.hides and not any(self.stand_ins)

    @property
    def identity(self) -> str:
        """Its part of a fingerprint."""
        return repr(self)

    def sequences(self, masks: Bool[np.ndarray, "m n"], forced: tuple[int, ...]) -> tuple[list, list]:
        """Token ids and positions of each mask's prompt, followed by the `forced` tokens of the answer."""
        owners, places = np.asarray(self.owners), range(len(self.ids), len(self.ids) + len(forced))
        kept = np.where(owners < 0, True, masks[:, owners])
        either = [((token,), self.stand_ins[owner]) for token, owner in zip(self.ids, self.owners, strict=True)]
        ids = [
            (*(i for (own, other), keep in zip(either, row, strict=True) for i in (own if keep else other)), *forced)
            for row in kept
        ]
        if self.hides:
            return ids, [(*np.flatnonzero(row).tolist(), *places) for row in kept]
        return ids, [tuple(range(len(i))) for i in ids]


class Cut(NamedTuple):
    """A text cut into units: their names, where they stand in the text, and the inputs that masks of them give."""

    names: tuple[str, ...]
    spans: tuple[Span, ...]
    inputs: FromText | FromTokens


def cut(
    model: LanguageModel,
    text: str,
    frame: Frame,
    features: str | Sequence[Span],
    removal: Removal,
    replacement: str,
) -> Cut:
    """Cuts a text into the units that masks keep or remove.

    Args:
      model: has the tokenizer.
      text: to be cut.
      frame: what stands around the text.
      features: as in `ablations.text`.
      removal: says what becomes of a removed unit.
      replacement: as in `ablations.text`.

    Raises:
      ValueError: if there are fewer than two units, the features are unknown, or the removal does not return strings.
    """
    ids, places = model.encode_with_places(frame.prompt(text))
    shift, first, last = frame.place(text)
    units, owner = None, None
    if isinstance(features, str) and features == "token":
        cuts, owner = _token_spans([(a - shift, b - shift) for a, b in places], first, last)
        spans, names = tuple(cuts), tuple(text[a:b].strip() or repr(text[a:b])[1:-1] for a, b in cuts)
    else:
        units = split(text, features)
        names, spans = named_spans(units)
        if removal.hides:
            owner = _owners_of(units, places, frame.place(text))
    check_units(len(names), features)
    shown = stand_ins(text, spans, removal, replacement)
    if units is not None and owner is None:
        return Cut(names, spans, FromText(frame, units, shown, model.encode))
    tokens = tuple(map(tuple, model.encode([stand_in or "" for stand_in in shown])))
    return Cut(names, spans, FromTokens(tuple(ids), owner or (), tokens, removal.hides))


def unit_of_each_token(model: LanguageModel, text: str, inputs: FromText | FromTokens) -> tuple[int, ...]:
    """The unit that each token of the whole prompt belongs to; -1 for the frame.

    Args:
      model: has the tokenizer.
      text: with nothing removed.
      inputs: of `cut`.
    """
    if isinstance(inputs, FromTokens):
        return inputs.owners
    _, places = model.encode_with_places(inputs.frame.prompt(text))
    return _owners_of(inputs.units, places, inputs.frame.place(text))


def _owners_of(units: Units, places: Sequence[Span], place: tuple[int, int, int]) -> tuple[int, ...]:
    """The unit each token of a prompt belongs to, or -1, for a text at this `Frame.place`."""
    shift, first, last = place
    pieces = [(a, b, b if units.gaps_stay else stop) for a, b, stop in units.spans()]
    at = [[shift + min(max(edge, first), last) for edge in piece] for piece in pieces]
    return owners(places, [(a, b, stop) for a, b, stop in at])


def owners(spans: Sequence[Span], pieces: Sequence[tuple[int, int, int]]) -> tuple[int, ...]:
    """The unit each token belongs to: the one it overlaps most, else the one whose gap it overlaps, else -1.

    Args:
      spans: (start, end) of each token in the prompt.
      pieces: (start, end, end of the gap after it) of each unit in the prompt.
    """

    starts, stops = [start for start, _, _ in pieces], [stop for _, _, stop in pieces]

    def owner(a: int, b: int) -> int:
        near = range(bisect.bisect_right(stops, a), bisect.bisect_left(starts, b))
        cores = [min(b, pieces[i][1]) - max(a, pieces[i][0]) for i in near]
        gaps = [min(b, pieces[i][2]) - max(a, pieces[i][1]) for i in near]
        overlaps = cores if max(cores, default=0) > 0 else gaps
        return near[int(np.argmax(overlaps))] if max(overlaps, default=0) > 0 else -1

    return tuple(owner(a, b) for a, b in spans)


def _token_spans(places: Sequence[Span], first: int, last: int) -> tuple[list[Span], tuple[int, ...]]:
    """The spans of the tokens within `first:last` of a text, and the span of each token, or -1.

    Tokens that share a character share a span.
    """
    spans: list[Span] = []
    owner = []
    for a, b in places:
        inside = a < last and b > first
        if inside and spans and a < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], min(b, last)))
        elif inside:
            spans.append((max(a, first), min(b, last)))
        owner.append(len(spans) - 1 if inside else -1)
    return spans, tuple(owner)

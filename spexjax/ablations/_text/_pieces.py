"""A text cut into named units, and the string that is left of it under each mask: all that needs no model."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from jaxtyping import Bool

from spexjax.ablations._prompts._strings import check_text
from spexjax.ablations._text._removal import REMOVALS, Removal, check_replacement
from spexjax.ablations._text._segmenters import Span
from spexjax.ablations._text._units import Units, check_units, named_spans, split
from spexjax.typing import Array


@dataclasses.dataclass(frozen=True)
class Pieces:
    """What masks keep or remove of a text, where it becomes a string."""

    text: str
    names: tuple[str, ...]
    spans: tuple[Span, ...]  # where each unit stands in the text
    units: Units
    stand_ins: tuple[str | None, ...]  # in place of each unit; None deletes it

    @property
    def structure(self) -> str:
        """What `Ablation.structure` is for them: "sequence" if removed units are deleted, so that others meet."""
        return "auto" if any(self.stand_ins) else "sequence"

    @property
    def identity(self) -> list[Any]:
        """Their part of a fingerprint, as JSON values."""
        return [self.text, self.spans, self.units.lead, self.units.gaps, self.units.gaps_stay, self.stand_ins]

    def strings(self, masks: Bool[Array, "m n"]) -> list[str]:
        """What is left of the text for each mask."""
        return [self.units.ablate(mask, self.stand_ins) for mask in masks.tolist()]


def cut_string(
    text: str, features: str | Sequence[Span], removal: str, replacement: str | None, lens: str = "text_function"
) -> Pieces:
    """Cuts a text into units for a lens whose model takes strings.

    Args:
      text: to be cut.
      features: as in `ablations.text`, without "token".
      removal: the name of a removal that gives strings.
      replacement: as in `ablations.text`.
      lens: the name of the lens, for errors.

    Raises:
      ValueError: if the text is empty or no valid string, there are fewer than two units, or features or removal are
        unknown or need a model's tokens.
    """
    check_text("text", text)
    stand_in, chosen = check_replacement(removal, replacement), REMOVALS.get(removal)
    if replacement is not None:
        check_text("replacement", replacement)
    if not text.strip():
        raise ValueError("The text is empty; there is nothing to explain.")
    if chosen.hides:
        raise ValueError(f"The removal {removal} hides tokens from attention, and {lens} gives strings: take delete.")
    if isinstance(features, str) and features == "token":
        raise ValueError(f"Tokens are known to a model alone, and {lens} gives strings: take features='word'.")
    units = split(text, features)
    check_units(len(units.cores), features)
    names, spans = named_spans(units)
    return Pieces(text, names, spans, units, stand_ins(text, spans, chosen, stand_in))


def stand_ins(text: str, spans: Sequence[Span], removal: Removal, replacement: str) -> tuple[str | None, ...]:
    """What replaces each unit that is removed; None deletes it.

    Args:
      text: that was cut.
      spans: of the units.
      removal: decides.
      replacement: its option.

    Raises:
      ValueError: if the removal gives something else than strings.
    """
    found = tuple(None if removal.hides else removal.stand_in(text[a:b], replacement) for a, b in spans)
    for each in found:
        if each is not None:
            check_text("text in place of a unit", each)
    return found


def marked(text: str, spans: Sequence[Span]) -> list[list[Any]]:
    """The text as `[string, feature or -1]`, for the page and for pictures.

    Args:
      text: that was cut.
      spans: of the units.

    >>> marked("not bad.", [(0, 3), (4, 7)])
    [['not', 0], [' ', -1], ['bad', 1], ['.', -1]]
    """
    pieces, at = [], 0
    for feature, (start, end) in enumerate(spans):
        pieces += [[text[at:start], -1]] * (at < start) + [[text[start:end], feature]]
        at = end
    return pieces + [[text[at:], -1]] * (at < len(text))

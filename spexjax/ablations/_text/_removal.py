"""From masks to token sequences: units are removed from the text and it is tokenised anew, or tokens are removed."""

import bisect
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool

from spexjax.ablations._prompts._frame import Frame
from spexjax.ablations._text._units import Units

REMOVALS = ("delete", "replace", "hide")


@dataclasses.dataclass(frozen=True)
class FromText:
    """Deletes or replaces units in the text and tokenises the prompt that is left, as if it had been written so."""

    frame: Frame
    units: Units
    replacement: str | None  # None deletes
    encode: Callable[[Sequence[str]], list[list[int]]] = dataclasses.field(repr=False)

    @property
    def removal(self) -> str:
        """One of `REMOVALS`."""
        return "delete" if self.replacement is None else "replace"

    def sequences(self, masks: Bool[np.ndarray, "m n"], forced: tuple[int, ...]) -> tuple[list, list]:
        """Token ids and positions of each mask's prompt, followed by the `forced` tokens of the answer."""
        ids = [(*tokens, *forced) for tokens in self.encode(self.prompts(masks))]
        return ids, [tuple(range(len(i))) for i in ids]

    def prompts(self, masks: Bool[np.ndarray, "m n"]) -> list[str]:
        """What the model is given for each mask."""
        return [self.frame.prompt(self.units.ablate(mask, self.replacement)) for mask in masks.tolist()]


@dataclasses.dataclass(frozen=True)
class FromTokens:
    """Deletes, replaces or hides tokens of the whole prompt; `owners` says whose they are, -1 is the template.

    A hidden token is one that nothing attends to. It need not be run at all, as long as the others keep their
    positions.
    """

    ids: tuple[int, ...]
    owners: tuple[int, ...]
    removal: str
    stand_in: tuple[int, ...]  # the tokens of the replacement

    def sequences(self, masks: Bool[np.ndarray, "m n"], forced: tuple[int, ...]) -> tuple[list, list]:
        """Token ids and positions of each mask's prompt, followed by the `forced` tokens of the answer."""
        owners, places = np.asarray(self.owners), range(len(self.ids), len(self.ids) + len(forced))
        kept = np.where(owners < 0, True, masks[:, owners])
        removed = self.stand_in if self.removal == "replace" else ()
        ids = [
            (
                *(i for token, keep in zip(self.ids, row, strict=True) for i in ((token,) if keep else removed)),
                *forced,
            )
            for row in kept
        ]
        if self.removal == "hide":
            return ids, [(*np.flatnonzero(row).tolist(), *places) for row in kept]
        return ids, [tuple(range(len(i))) for i in ids]


def owners(spans: Sequence[tuple[int, int]], pieces: Sequence[tuple[int, int, int]]) -> tuple[int, ...]:
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

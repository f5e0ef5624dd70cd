"""What a picture shows: the terms of an index, strongest first, with their standard errors and names."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from spexjax._numbers import is_noise
from spexjax._printable import labels, printable
from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._style import cut
from spexjax.report import directions, signed, value_in_words

_ANSWER = 24  # characters of an answer
_NOTHING = 0.02  # of the strongest term: a weaker link is not drawn


class Term(NamedTuple):
    """One value I(S) and its standard error, NaN if it is unknown."""

    members: tuple[int, ...]
    value: float
    error: float

    @property
    def noise(self) -> bool:
        """Whether the value is below two standard errors."""
        return is_noise(self.value, self.error)


def any_noise(terms: Iterable[Term]) -> bool:
    """Whether one of these terms looks like noise."""
    return any(term.noise for term in terms)


@dataclasses.dataclass(frozen=True, eq=False)
class Shown:
    """A table of interactions, and the explanation that it comes from, if that is known."""

    table: Interactions
    explanation: Explanation | None

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """A short, distinct name of each feature."""
        return labels(self.table.names(range(self.table.num_features)), width=28)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """That of the explanation, with short answers."""
        known = {} if self.explanation is None else dict(self.explanation.provenance)
        if known.get("answers"):
            known["answers"] = [cut(printable(str(answer)), _ANSWER) for answer in known["answers"]]
        return known

    @cached_property
    def scale(self) -> float:
        """The largest |I(S)|."""
        return float(np.abs(self.table.top(1).values).max(initial=0))

    @property
    def directions(self) -> tuple[str, str]:
        """What positive and negative values do."""
        return directions(self.provenance)

    @property
    def unit(self) -> str:
        """The index and the unit of its values."""
        return f"{self.table.index} in units of {value_in_words(self.provenance) or 'the value function'}"

    @property
    def signed_unit(self) -> str:
        """What negative and positive values do, and `unit`: the label of an axis from left to right."""
        return f"←  {self.directions[1]}        {self.directions[0]}  →\n{self.unit}"

    def name(self, members: Sequence[int], most: int = 44) -> str:
        """The names of a set's features, each cut so that all together have about `most` characters."""
        each = max(6, most // max(1, len(members)) - 3)
        return " × ".join(cut(self.labels[i], each) for i in members)

    def number(self, value: float) -> str:
        """A value with its sign, rounded to what matters beside the largest."""
        return signed(value, self.scale)

    def strongest(self, top: int | None = None, where: Callable[[int], bool] = lambda order: True) -> Interactions:
        """The strongest terms that are not 0, strongest first, without the empty set.

        Args:
          top: the most terms; all by default.
          where: which orders.
        """
        few = self._where(np.array([where(order) for order in self.table.orders.tolist()], bool))
        return few.top(len(few) if top is None else top)

    def terms(self, top: int | None = None, where: Callable[[int], bool] = lambda order: True) -> list[Term]:
        """`strongest` with standard errors.

        Args:
          top: as in `strongest`.
          where: as in `strongest`.
        """
        return self.with_errors(self.strongest(top, where))

    def within(self, features: Sequence[int], most: int) -> list[Term]:
        """The terms of at most so many features, all of them among these.

        Args:
          features: the features.
          most: the largest order.
        """
        inside = np.isin(self.table.support, [*features, self.table.num_features]).all(1) & (self.table.orders <= most)
        few = self._where(inside)
        return self.with_errors(few.top(len(few)))

    def with_errors(self, table: Interactions) -> list[Term]:
        """The terms of a table, in its order, with their standard errors."""
        unknown = np.full(len(table), math.nan)
        errors = unknown if self.explanation is None else self.explanation.standard_errors(table)
        return [Term(s, value, float(error)) for (s, value), error in zip(table, errors, strict=True)]

    def _where(self, rows: Bool[np.ndarray, " k"]) -> Interactions:
        rows = rows & (self.table.values != 0)
        return dataclasses.replace(self.table, support=self.table.support[rows], values=self.table.values[rows])

    def links(self, top: int) -> list[Term]:
        """The strongest terms of two or more features, without those that would be next to nothing in the picture."""
        joint = self.strongest(top, lambda order: order > 1)
        return self.with_errors(joint.top(int((np.abs(joint.values) >= _NOTHING * self.scale).sum())))

    def link_share(self, term: Term) -> float:
        """How strong a link is, 0 to 1: beside the strongest link, or a third of the strongest of all terms."""
        return abs(term.value) / self._link_scale

    @cached_property
    def _link_scale(self) -> float:
        joint = self.strongest(1, lambda order: order > 1)
        return max(float(np.abs(joint.values).max(initial=0)), self.scale / 3)

    def link_notes(self, links: Sequence[Term]) -> list[str]:
        """The unit, how many links there are, and how faithful the explanation is.

        Args:
          links: those in the picture.
        """
        of = self.count(lambda order: order > 1)
        none = (
            [f"none of {of:,} interactions above {100 * _NOTHING:.0f} % of the strongest value"]
            if of and not links
            else []
        )
        return [self.unit, *none, *self.notes(len(links), 0 if none else of)]

    def singles(self) -> dict[int, Term]:
        """The terms of one feature."""
        return {term.members[0]: term for term in self.terms(where=lambda order: order == 1)}

    def count(self, where: Callable[[int], bool] = lambda order: True) -> int:
        """How many terms are not 0."""
        return len(self.strongest(where=where))

    def headline(self, terms: Sequence[Term]) -> str:
        """What the strongest term does, in a sentence."""
        if not terms:
            return f"{self.table.index}: no feature has an effect"
        if self.explanation is not None and (doubt := self.explanation.faithfulness.unlearned):
            return doubt
        strongest = max(terms, key=lambda term: (not term.noise, abs(term.value)))
        if strongest.noise:
            return f"{self.table.index}: nothing stands out from the noise"
        does = self.directions[strongest.value < 0]
        verb = "pushes " if does.startswith("towards") else ""
        return f"{self.name(strongest.members)} {verb}{does}: {self.number(strongest.value)}"

    def notes(self, shown: int, of: int, *, faded: bool = False, what: str = "interactions") -> list[str]:
        """What was cut, what is faded, and how faithful the explanation is.

        Args:
          shown: how many things are in the picture.
          of: how many there are.
          faded: whether something is faded.
          what: the things.
        """
        notes = [f"the {shown:,} strongest of {of:,} {what}"] if shown < of else []
        notes += ["faded: below two standard errors"] if faded else []
        return notes + ([] if self.explanation is None else faithfulness_notes(self.explanation))


def faithfulness_notes(explanation: Explanation) -> list[str]:
    """How faithful an explanation is, and what it cost."""
    faithfulness = explanation.faithfulness
    r2 = "exact" if faithfulness.exact else f"R² = {faithfulness.r2:.2f}"
    return [r2, f"{len(explanation.values):,} ablations"]


def read(
    source: Explanation | Interactions,
    index: str | None = None,
    max_order: int | None = None,
    default: str | None = None,
) -> Shown:
    """What a picture shows of an explanation, or of a table of interactions.

    Args:
      source: the explanation or the table.
      index: a name from `indices.INDICES`; only for an explanation.
      max_order: the order of the index; only for an explanation.
      default: the index that is taken where none is named; None for the explanation's own.

    Raises:
      ValueError: if it is neither, or another index is asked for than that of the table.
    """
    if isinstance(source, Explanation):
        return Shown(source.interactions(index or default, max_order), source)
    if not isinstance(source, Interactions):
        raise ValueError(f"A picture is made of an Explanation or of Interactions; got {type(source).__name__}.")
    if index not in (None, source.index) or max_order not in (None, source.max_order):
        raise ValueError(
            f"These interactions are {source.index} up to order {source.max_order}: for another index give the "
            "explanation itself."
        )
    return Shown(source, None)


def checked_top(top: int) -> int:
    """How many things to draw, at least 1.

    Raises:
      ValueError: if it is less.
    """
    if top < 1:
        raise ValueError(f"top is how many to draw, at least 1; got {top}.")
    return top

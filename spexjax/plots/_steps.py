"""From the value of nothing kept to the value of everything kept: the terms between, and what they miss."""

from typing import NamedTuple

import numpy as np

from spexjax.explanation import Explanation
from spexjax.plots._shown import Shown, checked_top, read
from spexjax.plots._style import REST, Axes, colour, titled

_LOST = 0.002  # of the largest change: what a remainder must exceed to be drawn


class Step(NamedTuple):
    """A change of the value: by one term, by all weaker ones, or by what the index does not account for."""

    name: str
    change: float
    term: bool
    noise: bool = False

    @property
    def colour(self) -> str:
        """That of its sign; grey for what is no term."""
        return colour(self.change) if self.term else REST


class Way(NamedTuple):
    """What leads from the value of nothing kept to that of everything kept."""

    shown: Shown
    nothing: float
    everything: float
    steps: list[Step]

    def titled(self, ax: Axes) -> None:
        """Says both values in the title."""
        number, terms = self.shown.number, [step for step in self.steps if step.term]
        faded = any(step.noise for step in terms)
        title = f"From {number(self.nothing)}, nothing kept, to {number(self.everything)}, everything kept"
        notes = [self.shown.unit, *self.shown.notes(len(terms), self.shown.count(), faded=faded)]
        titled(ax, title, notes)


def way(source: Explanation, index: str | None, max_order: int | None, top: int) -> Way:
    """The strongest terms of an explanation, the sum of the weaker ones, and what all of them do not add up to.

    Args:
      source: the explanation.
      index: a name from `indices.INDICES`.
      max_order: the order of the index.
      top: the most terms.

    Raises:
      ValueError: if it is not an explanation, the index is unknown, or `top` is below 1.
    """
    if not isinstance(source, Explanation):
        raise ValueError(f"This picture needs an Explanation, which knows both values; got {type(source).__name__}.")
    shown, n = read(source, index, max_order), len(source.feature_names)
    ends = source.predict(np.array([[False] * n, [True] * n]))
    nothing, everything = np.asarray(ends, np.float64).tolist()
    terms, values = shown.terms(checked_top(top)), [value for s, value in shown.table if s]
    steps = [Step(shown.name(term.members), term.value, True, term.noise) for term in terms]
    if weaker := shown.count() - len(terms):
        steps.append(Step(f"{weaker:,} weaker ones", sum(values) - sum(term.value for term in terms), False))
    missing = everything - nothing - sum(values)
    if abs(missing) > _LOST * max(map(abs, [everything - nothing, *values])):
        steps.append(Step(f"not in {shown.table.index}", missing, False))
    return Way(shown, nothing, everything, steps)

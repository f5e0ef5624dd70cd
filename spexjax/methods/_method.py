"""The contract of a method: which masks it wants evaluated, and what it makes of their values."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from spexjax import designs
from spexjax.evaluation import Evaluation
from spexjax.indices import Index
from spexjax.proxies import Fit
from spexjax.typing import Key, Masks


class Look(NamedTuple):
    """A first look at part of a design, after which its method may want other masks.

    Attributes:
      size: how many masks to evaluate before the look.
      revise: maps the held-out R2 of their fit, and its standard error, to the design to go on with, which begins
        with the same masks; None to go on with this one.
    """

    size: int
    revise: Callable[[float, float], "Design | None"]


@dataclasses.dataclass(frozen=True, eq=False)
class Design:
    """The masks to evaluate, in order.

    Attributes:
      name: such as "uniform", for the provenance.
      masks: bool `[m, n]`, True = kept; distinct.
      num_uniform: how many of the masks are drawn uniformly.
      by_size: True if the sizes of the masks are not those of uniform masks, so that faithfulness weighs them.
      nested: True if the first masks are a smaller design of the same kind, as rounds need.
      notes: further entries of the provenance, as plain JSON values.
      plan: what else the method wants to know when it fits.
      look: where to look before all is spent; None for nowhere.
    """

    name: str
    masks: Masks
    num_uniform: int
    by_size: bool = False
    nested: bool = True
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    plan: Any = None
    look: Look | None = None

    @property
    def complete(self) -> bool:
        """True if all 2^n masks are there."""
        m, n = self.masks.shape
        return m == designs.uniform_size(m + 1, n)

    def first(self, size: int) -> "Design":
        """The design of the first masks."""
        return dataclasses.replace(self, masks=self.masks[:size], num_uniform=min(size, self.num_uniform))


@runtime_checkable
class Method(Protocol):
    """A way to explain: it draws masks, and fits a spectrum to their values.

    `explain(method=...)` takes one, or the name of one that is registered; `register` adds a name. `from_proxy` makes a
    method of a proxy.

    >>> class Mean:
    ...     name = "mean"
    ...
    ...     def design(self, key, num_features, budget, index):
    ...         return draw(key, num_features, budget, index)
    ...
    ...     def fit(self, design, evaluation, key):
    ...         mean = evaluation.values.mean()
    ...         spectrum = Spectrum.constant(mean, design.masks.shape[1])
    ...         return Fit(spectrum, np.full(len(design.masks), mean), {})
    >>> from spexjax.spectrum import Spectrum
    >>> isinstance(Mean(), Method)
    True
    """

    @property
    def name(self) -> str:
        """What the method is called."""

    def design(self, key: Key, num_features: int, budget: int, index: Index | None) -> Design:
        """The masks to evaluate.

        Args:
          key: PRNG key, consumed.
          num_features: n.
          budget: how many masks may be evaluated, 2^n at most.
          index: the index that will be asked for; None if any may be.

        Raises:
          ValueError: if the budget is too small.
          ImportError: if a package is missing that `fit` will need.
        """

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """What the values at the masks of a design say.

        Args:
          design: the one that was evaluated, or its first masks.
          evaluation: the value of each mask, and what the ablation costs.
          key: PRNG key, consumed.
        """


def draw(key: Key, num_features: int, budget: int, index: Index | None) -> Design:
    """The design of a method that takes any masks: uniform, or drawn by size for an index that asks for it.

    Args:
      key: PRNG key, consumed.
      num_features: n.
      budget: how many masks.
      index: the index that will be asked for.
    """
    if index is not None and index.design == "sized":
        masks = np.asarray(designs.sized(key, budget, num_features))
        return Design("sized", masks, len(designs.uniform_rows(len(masks))), by_size=True)
    masks = np.asarray(designs.uniform(key, budget, num_features))
    return Design("uniform", masks, len(masks))

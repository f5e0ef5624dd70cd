"""The most influential subset of an explanation, and what truly happens when it is removed."""

import dataclasses
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from spexjax._printable import labels
from spexjax.ablation import Ablation, checked_ablation
from spexjax.evaluation import Store, evaluate
from spexjax.metrics import removal
from spexjax.subsets import Optimum


class Verified(NamedTuple):
    """Two true values of the value function, and `removal = |f(1) - f(S*)| / |f(1)|`, NaN where f(1) is 0."""

    full: float  # f(1)
    value: float  # f(S*)
    removal: float


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Subset(Optimum):
    """What `Explanation.remove` and `Explanation.keep` return.

    `value`, `full`, `bound` and `gap` are statements about the explanation's spectrum; `verify` asks the model.
    `true_full` and `true_value` are the model's, as far as the explanation's own ablations tell them.
    """

    feature_names: tuple[str, ...]
    true_full: float | None = None  # None: this mask was not evaluated
    true_value: float | None = None

    @property
    def removed(self) -> tuple[int, ...]:
        """The features that are removed, in order."""
        return tuple(np.flatnonzero(~self.mask).tolist())

    @property
    def kept(self) -> tuple[int, ...]:
        """The features that are kept, in order."""
        return tuple(np.flatnonzero(self.mask).tolist())

    @property
    def removed_names(self) -> tuple[str, ...]:
        """The names of the removed features."""
        return tuple(self.feature_names[i] for i in self.removed)

    @property
    def kept_names(self) -> tuple[str, ...]:
        """The names of the kept features."""
        return tuple(self.feature_names[i] for i in self.kept)

    def __str__(self) -> str:
        removing = len(self.removed) <= len(self.kept)
        shown = labels(self.feature_names)
        names = [shown[i] for i in (self.removed if removing else self.kept)]
        certified = {"optimal": "optimal", "timeout": f"out of time, gap {self.gap:.4g}", "local": "not certified"}
        return (
            f"{'removing' if removing else 'keeping'} {' | '.join(names) or 'nothing'}: "
            f"{_said(self.true_full, self.full)} -> {_said(self.true_value, self.value)}, chosen by "
            f"the spectrum ({certified[self.status]})"
        )

    def __repr__(self) -> str:
        return f"Subset({self})"

    def verify(self, ablation: Ablation, *, mesh: Mesh | None = None, store: Store | None = None) -> Verified:
        """Evaluates the value function with every feature kept and with this subset removed: two ablations.

        Args:
          ablation: what was explained.
          mesh: as in `evaluate`.
          store: as in `evaluate`.

        Returns:
          `Verified(full, value, removal)`.

        Raises:
          ValueError: if the ablation has another number of features, or gives several values.
        """
        if checked_ablation(ablation, single=True).num_features != len(self.mask):
            raise ValueError(
                f"The subset is of {len(self.mask)} features but the ablation has {ablation.num_features}."
            )
        masks = np.stack([np.ones_like(self.mask), self.mask])
        full, value = np.asarray(evaluate(ablation, masks, mesh=mesh, store=store), np.float64).tolist()
        return Verified(full, value, float(removal(full, value)) if full else float("nan"))


def _said(true: float | None, predicted: float) -> str:
    return f"{predicted:.4g} (predicted)" if true is None else f"{true:.4g} (evaluated)"

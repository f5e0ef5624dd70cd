"""The exact method: all 2^n masks, and no estimate."""

import dataclasses

import numpy as np

from spexjax._values import narrowed
from spexjax.evaluation import Evaluation
from spexjax.indices import Index
from spexjax.methods._method import Design, covers_all, draw
from spexjax.proxies import Fit
from spexjax.transforms import exact_spectrum
from spexjax.typing import Key, Masks, Values


@dataclasses.dataclass(frozen=True)
class Exact:
    """The Walsh-Hadamard transform of the values at all 2^n masks."""

    name: str = "exact"

    def design(self, key: Key, num_features: int, budget: int, index: Index | None) -> Design:
        """All masks, if the budget covers them."""
        _check_complete(budget, num_features)
        return dataclasses.replace(draw(key, num_features, budget, index), nested=False)

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """The exact spectrum."""
        _check_complete(*design.masks.shape)
        return exact_fit(design.masks, evaluation.values)


def _check_complete(num_masks: int, num_features: int) -> None:
    if not covers_all(num_masks, num_features):
        raise ValueError(
            f"The exact method needs all 2^{num_features} masks, but there are {num_masks}; choose another method."
        )


def exact_fit(masks: Masks, values: Values) -> Fit:
    """Transforms the values at all masks.

    Args:
      masks: bool `[2^n, n]`, each mask once.
      values: `[2^n]`.
    """
    return Fit(exact_spectrum(masks, narrowed(values)), np.asarray(values), {}, exact=True)

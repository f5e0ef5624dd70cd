"""Kernels trained on the co-values of the ablations, which tell more about the features that matter."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spexjax._buckets import pad
from spexjax.metrics import r2
from spexjax.proxies._cross_validation import surely_better
from spexjax.proxies.gp._fitting import Split, Trained, is_joint
from spexjax.proxies.gp._members import NAMES, Mean, fit_mean, mixed
from spexjax.proxies.gp._parameters import Parameters

KnownOf = Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, "m *o"]]
MeanOf = Callable[[Float[np.ndarray, " m"]], Mean]

_COMPONENTS = 32  # principal components of the co-values
SHARE = 0.2  # of the values in the likelihood; the rest is the components'
_SURE = 1.0  # standard errors by which the kernels must predict better without co-values
_TINY = 1e-6  # share of the largest component's spread below which a component is rounding


class Learned(NamedTuple):
    """What is settled before the values of one output are fitted."""

    ordered: bool  # whether the kernels have a part for neighbours
    starts: list[Parameters]  # of each form
    split: Split  # with strings, if the kernels have a part for them
    trial: Trained  # a kernel of the first form
    members: list[Trained] | None = None  # of each form, if they were trained on co-values alone


def functions_of(
    covalues: Float[np.ndarray, "m c"] | None, rows: Int[np.ndarray, " r"], share: float = SHARE
) -> KnownOf:
    """Gives for values y all functions that share their kernel: y itself, and the components of the co-values.

    The same features and interactions drive values and co-values, so the rates of a kernel are better known from all of
    them; see `loss`. Components are uncorrelated. Their variances are proportional to their standard deviations and add
    up to `1 - share`; the values have the rest. Any rotation of the co-values gives the same likelihood.

    Args:
      covalues: `[m, c]`, in units that can be compared; None if nothing else is known.
      rows: the masks that count for means and variances: all but the two ends.
      share: of the values in the likelihood. If it is 0, what is returned is the same for all values.

    Returns:
      A function of y `[m]`, of mean 0 and variance 1. It returns `[m, 33]`, with columns of 0 where there are fewer
      components; or y, if there are no co-values, or constant ones.
    """
    components = None if covalues is None else _components(covalues, rows, share)

    def known_of(y: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m *o"]:
        if components is None:
            return y
        mine = np.sqrt(share) * y[:, None] + 0.0  # no -0.0, whose bytes would tell two values apart
        return np.concatenate([mine, components], axis=1)

    return known_of


def _components(
    covalues: Float[np.ndarray, "m c"], rows: Int[np.ndarray, " r"], share: float
) -> Float[np.ndarray, "m 32"] | None:
    """The leading principal components of the co-values, as columns of `functions_of`; None if all are constant."""
    centred = np.asarray(covalues, np.float64) - np.mean(covalues[rows], axis=0, dtype=np.float64)
    _, spreads, directions = np.linalg.svd(centred[rows] / np.sqrt(len(rows)), full_matrices=False)
    used = (np.arange(len(spreads)) < _COMPONENTS) & (spreads > _TINY * spreads[0])
    if not used.any():
        return None
    shares = (1 - share) * spreads[used] / spreads[used].sum()
    return pad(centred @ directions[used].T / spreads[used] * np.sqrt(shares), _COMPONENTS)


def fit_best_mean(
    learned: Learned, y: Float[np.ndarray, " m"], others: Sequence[Float[np.ndarray, " m"]], known_of: KnownOf
) -> tuple[Mean, MeanOf, dict]:
    """The mean of kernels trained on co-values too, unless kernels trained on the values alone surely predict better.

    With few masks, held-out error says little about which is better, and co-values usually are. Half of both is used
    where that has a lower held-out error yet.

    Args:
      learned: from all functions that are known.
      y: the values at its masks.
      others: other values, as in `fit_mean`.
      known_of: what is known beside values, from `functions_of`.

    Returns:
      The mean; what fits other values in the same way; and the diagnostics.
    """
    starts, split, trial = learned.starts, learned.split, learned.trial

    def taught_by(values, trial=None, others=()):
        return fit_mean(starts, split, values, trial, others, known_of(values), learned.members)

    def alone(values, others=()):
        return fit_mean(starts, split, values, None, others, pad(values[:, None], 1 + _COMPONENTS))  # one program

    if not is_joint(known_of(y)):
        return taught_by(y, trial, others), taught_by, {}
    plain, taught = alone(y, others), taught_by(y, trial, others)
    both = mixed(taught, plain)
    rows = split.inner
    best = plain if surely_better(plain.held_out[rows], taught.held_out[rows], y[rows], _SURE) else taught
    best = both if both.error(y) < best.error(y) else best
    scores = [round(r2(y[rows], mean.held_out[rows]), 4) for mean in (plain, best)]
    said = {"covalues": {"used": best is not plain, "r2_without": scores[0], "r2_with": scores[1]}}
    if best is both:
        names = [*(f"{name}_taught" for name in NAMES[: len(taught.forms)]), *NAMES]
        return both, lambda values: mixed(taught_by(values), alone(values)), said | {"shares": both.named(names)}
    return best, alone if best is plain else taught_by, said

"""What the co-values of the ablations teach a kernel: which features matter, and which of them together."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from spexjax.metrics import r2
from spexjax.proxies._cross_validation import surely_better
from spexjax.proxies.gp._fitting import Split, Trained, is_joint
from spexjax.proxies.gp._members import Mean, fit_mean
from spexjax.proxies.gp._parameters import Parameters

KnownOf = Callable[[Float[np.ndarray, " m"]], Float[np.ndarray, "m *o"]]

_COMPONENTS = 32  # principal components of the co-values
_SHARE = 0.2  # of the values in the likelihood; the rest is the components'
_SURE = 1.0  # standard errors by which the kernels must predict better without co-values
_TINY = 1e-6  # share of the largest component's spread below which a component is rounding


def joint_targets(
    y: Float[np.ndarray, " m"], covalues: Float[np.ndarray, "m c"] | None, rows: Int[np.ndarray, " r"]
) -> Float[np.ndarray, "m o"] | None:
    """The values and the principal components of the co-values, as functions that share one kernel; see `loss`.

    Every ablation tells the co-values besides its value. The same features and interactions drive them, so the rates of
    a kernel are better known from all of them. Components have variances proportional to their standard deviations,
    which add up to 0.8; the values have the rest. Mixtures of functions with one kernel have that kernel, too, so it
    does not matter in which basis the co-values come.

    Args:
      y: `[m]`, of mean 0 and variance 1.
      covalues: `[m, c]`, in units that can be compared; None if nothing else is known.
      rows: the masks that count for means and variances: all but the two ends.

    Returns:
      `[m, 33]`, columns of 0 where there are fewer components; None if there are no co-values, or constant ones.
    """
    if covalues is None:
        return None
    centred = np.asarray(covalues, np.float64) - np.mean(covalues[rows], axis=0, dtype=np.float64)
    _, spreads, directions = np.linalg.svd(centred[rows] / np.sqrt(len(rows)), full_matrices=False)
    used = (np.arange(len(spreads)) < _COMPONENTS) & (spreads > _TINY * spreads[0])
    if not used.any():
        return None
    shares = (1 - _SHARE) * spreads[used] / spreads[used].sum()
    found = np.zeros((len(y), 1 + _COMPONENTS))
    found[:, 0] = np.sqrt(_SHARE) * y
    found[:, 1 : 1 + used.sum()] = centred @ directions[used].T / spreads[used] * np.sqrt(shares)
    return found


def functions_of(covalues: Float[np.ndarray, "m c"] | None, rows: Int[np.ndarray, " r"]) -> KnownOf:
    """What is known beside values y, as a function of y: `joint_targets`, or y itself where nothing is.

    Args:
      covalues: as in `joint_targets`.
      rows: as in `joint_targets`.
    """

    def known_of(y: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m *o"]:
        joint = joint_targets(y, covalues, rows)
        return y if joint is None else joint

    return known_of


def fit_best_mean(
    starts: Sequence[Parameters],
    split: Split,
    y: Float[np.ndarray, " m"],
    trial: Trained,
    others: Sequence[Float[np.ndarray, " m"]],
    known_of: KnownOf,
) -> tuple[Mean, KnownOf, dict]:
    """The mean of kernels that co-values have taught, unless it is surely worse than that of untaught ones.

    Few masks say less about which of the two is better than is known beforehand.

    Args:
      starts: as in `fit_mean`, like all that follow.
      split: the masks.
      y: the values there.
      trial: a member trained on `known_of` the values.
      others: other values.
      known_of: what is known beside values, from `functions_of`.

    Returns:
      The mean; what its kernels were trained on, as a function of values; and the diagnostics.
    """
    known = known_of(y)
    if not is_joint(known):
        return fit_mean(starts, split, y, trial, others), known_of, {}
    plain = fit_mean(starts, split, y, None, others, _alone(y))
    taught = fit_mean(starts, split, y, trial, others, known)
    rows = split.inner
    held_out = [mean.held_out[rows] for mean in (plain, taught)]
    is_used = not surely_better(held_out[0], held_out[1], y[rows], _SURE)
    r2_without, r2_with = (round(r2(y[rows], predictions), 4) for predictions in held_out)
    said = {"covalues": {"used": is_used, "r2_without": r2_without, "r2_with": r2_with}}
    return (taught, known_of, said) if is_used else (plain, _alone, said)


def _alone(y: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m o"]:
    """The values alone, in the shape of `joint_targets`, so that one program trains on both."""
    return np.concatenate([y[:, None], np.zeros((len(y), _COMPONENTS))], axis=1)

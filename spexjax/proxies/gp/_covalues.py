"""Kernels trained on the co-values of the ablations, which tell more about the features that matter."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Int

from spexjax._buckets import pad
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


def functions_of(covalues: Float[np.ndarray, "m c"] | None, rows: Int[np.ndarray, " r"]) -> KnownOf:
    """Gives for values y all functions that share their kernel: y itself, and the components of the co-values.

    The same features and interactions drive values and co-values, so the rates of a kernel are better known from all of
    them; see `loss`. Components are uncorrelated. Their variances are proportional to their standard deviations and add
    up to 0.8; the values have the rest. Any rotation of the co-values gives the same likelihood.

    Args:
      covalues: `[m, c]`, in units that can be compared; None if nothing else is known.
      rows: the masks that count for means and variances: all but the two ends.

    Returns:
      A function of y `[m]`, of mean 0 and variance 1. It returns `[m, 33]`, with columns of 0 where there are fewer
      components; or y, if there are no co-values, or constant ones.
    """
    components = None if covalues is None else _components(covalues, rows)

    def known_of(y: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m *o"]:
        return y if components is None else np.concatenate([np.sqrt(_SHARE) * y[:, None], components], axis=1)

    return known_of


def _components(covalues: Float[np.ndarray, "m c"], rows: Int[np.ndarray, " r"]) -> Float[np.ndarray, "m 32"] | None:
    """The leading principal components of the co-values, as columns of `functions_of`; None if all are constant."""
    centred = np.asarray(covalues, np.float64) - np.mean(covalues[rows], axis=0, dtype=np.float64)
    _, spreads, directions = np.linalg.svd(centred[rows] / np.sqrt(len(rows)), full_matrices=False)
    used = (np.arange(len(spreads)) < _COMPONENTS) & (spreads > _TINY * spreads[0])
    if not used.any():
        return None
    shares = (1 - _SHARE) * spreads[used] / spreads[used].sum()
    return pad(centred @ directions[used].T / spreads[used] * np.sqrt(shares), _COMPONENTS)


def fit_best_mean(
    starts: Sequence[Parameters],
    split: Split,
    y: Float[np.ndarray, " m"],
    trial: Trained,
    others: Sequence[Float[np.ndarray, " m"]],
    known_of: KnownOf,
) -> tuple[Mean, KnownOf, dict]:
    """The mean of kernels trained on co-values too, unless training on the values alone surely predicts better.

    With few masks, held-out error says little about which is better, and co-values usually are.

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
    """The values alone, in the shape that `functions_of` gives them, so that one program trains on both."""
    return pad(y[:, None], 1 + _COMPONENTS)

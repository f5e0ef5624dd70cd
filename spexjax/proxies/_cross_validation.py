"""Cross-validation that chooses a setting and still gives unbiased held-out predictions."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from spexjax._random import permutation
from spexjax.spectrum import unique_rows
from spexjax.typing import Array, Key, Masks, Values

# Errors count as equal, and the simplest setting wins, within this share of the least error plus this share of the
# variance.
_TIE, _NOISE = 1e-3, 1e-6


class Selection(NamedTuple):
    """A setting chosen by cross-validation, and the held-out predictions."""

    best: int  # chosen from all masks
    without_fold: Int[np.ndarray, " k"]  # chosen from the masks outside each fold
    held_out: Float[np.ndarray, " m"]  # each fold predicted by the setting chosen without it


def folds(key: Key, masks: Masks, num_folds: int) -> Int[np.ndarray, " m"]:
    """Assigns each of m masks to a random fold `0..num_folds-1`.

    A mask and its complement share a fold, because a mask is easier to predict once its complement has been seen: the
    pair separates odd from even orders. Fold sizes differ by at most one mask or one pair. With fewer pairs than folds,
    pairs are split.

    Args:
      key: PRNG key, consumed.
      masks: bool `[m, n]`, distinct.
      num_folds: K.

    Returns:
      The fold of each mask.

    Raises:
      ValueError: unless `2 <= num_folds <= m`.
    """
    m = len(masks)
    if not 2 <= num_folds <= m:
        raise ValueError(f"Cross-validation needs 2 <= folds <= masks; got {num_folds} folds and {m} masks.")
    first = np.minimum(np.arange(m), complements(masks))
    order = permutation(key, m)
    leaders = order[first[order] == order]
    if len(leaders) < num_folds:
        first, leaders = np.arange(m), order
    leaders = leaders[np.argsort(-np.bincount(first, minlength=m)[leaders], kind="stable")]  # pairs before others
    fold = np.empty(m, np.int64)
    fold[leaders] = np.arange(len(leaders)) % num_folds
    return fold[first]


def complements(masks: Masks) -> Int[np.ndarray, " m"]:
    """The row of each mask's complement, or the mask's own row if the complement is missing.

    Args:
      masks: bool `[m, n]`, distinct.
    """
    masks = np.asarray(masks, bool)
    _, pair = unique_rows(np.packbits(masks ^ ~masks[:, :1], axis=1))
    order, whole = np.argsort(pair, kind="stable"), np.flatnonzero(np.bincount(pair) == 2)
    start = np.searchsorted(pair[order], whole)
    rows = np.arange(len(masks))
    rows[order[start]], rows[order[start + 1]] = order[start + 1], order[start]
    return rows


def surely_better(new: Values, old: Values | float, values: Values, num_errors: float) -> bool:
    """True if predictions have a lower squared error than others, by more than some standard errors.

    With the gains `g_i = (old_i - f_i)^2 - (new_i - f_i)^2` at m masks: `mean(g) > num_errors std(g) / sqrt(m)`.

    Args:
      new: the predictions in question.
      old: those they are compared with, or one number for all masks.
      values: f, the true values.
      num_errors: how many standard errors.
    """
    gain = np.asarray((old - values) ** 2 - (new - values) ** 2)
    return bool(gain.mean() > num_errors * gain.std() / np.sqrt(len(values)))


def leave_fold_selection(predictions: Float[Array, "c m"], values: Values, fold: Int[np.ndarray, " m"]) -> Selection:
    """Chooses among c settings by out-of-fold error, and predicts each fold by the setting that the others choose.

    With `E[c, k] = sum_{i in fold k} (P[c, i] - f_i)^2`, the choice from all masks minimises `sum_k E[c, k]`, and
    the choice for fold k minimises `sum_{j != k} E[c, j]`. No mask takes part in choosing the setting that predicts it.
    This removes the optimism of reporting the least of many cross-validated errors, without nested cross-validation.
    Of settings whose errors are within 0.1 %, the first wins.

    Args:
      predictions: `P[c, i]`, mask i predicted under setting c by a fit without the fold of i; simplest setting first.
        A setting with a prediction that is not finite is chosen only if all settings have one.
      values: `[m]`, f.
      fold: the fold of each mask.
    """
    p, f = np.asarray(predictions, np.float64), np.asarray(values, np.float64)
    members = fold == np.arange(fold.max() + 1)[:, None]
    squares = np.where(np.isfinite(p), (p - f) ** 2, np.inf)
    errors = np.stack([squares[:, rows].sum(1) for rows in members], axis=1)
    variance = ((f - f.mean()) ** 2).sum()

    def first_of_least(error: Float[np.ndarray, " c"]) -> int:
        return int(np.argmax(error <= error.min() * (1 + _TIE) + _NOISE * variance))

    best = first_of_least(errors.sum(1))
    without_fold = np.array([first_of_least(np.delete(errors, k, 1).sum(1)) for k in range(len(members))])
    return Selection(best, without_fold, p[without_fold[fold], np.arange(len(f))])

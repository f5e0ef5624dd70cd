"""What a user gives, checked before anything is spent: keys, masks, values and names."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from spexjax._budget import min_budget
from spexjax._numbers import counted
from spexjax._values import real_numbers
from spexjax.ablation import STRUCTURES
from spexjax.evaluation import Evaluation
from spexjax.spectrum import checked_masks, unique_rows
from spexjax.typing import CoValues, Masks

_ROUNDING = 1e-6  # of the range of values: what single precision may lose


def check_key(key: Any) -> None:
    """Raises ValueError for what is not a single PRNG key, typed or as `jax.random.PRNGKey` makes it."""
    if isinstance(key, jax.Array):
        typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        if key.shape == () if typed else key.dtype == jnp.uint32 and key.shape in ((2,), (4,)):
            return
    raise ValueError(f"The key is one from jax.random.key(0), say; got {key!r}.")


def checked_values(
    masks: ArrayLike,
    values: ArrayLike,
    names: Sequence[str] | None,
    covalues: ArrayLike | None = None,
    structure: str | None = "auto",
) -> tuple[Masks, Evaluation, tuple[str, ...]]:
    """Returns distinct masks, the mean value and co-values of each with the structure, and the names of the features.

    Args:
      masks: `[m, n]`, True or 1 = kept.
      values: `[m]`.
      covalues: `[m, c]`, or None.
      names: n names; x0, x1, ... by default.
      structure: as `Ablation.structure`.

    Raises:
      ValueError: if shapes do not match, a value or co-value is not finite, there are too few distinct masks, there
        are not n names, or the structure is unknown.
    """
    if structure not in STRUCTURES:
        raise ValueError(f"structure must be 'sequence', 'auto' or None; got {structure!r}.")
    masks, values = np.asarray(masks), real_numbers(values, "Values")
    if masks.ndim != 2 or values.shape != masks.shape[:1]:
        raise ValueError(f"Masks must be [m, n] and values [m]; got {masks.shape} and {values.shape}.")
    n = masks.shape[1]
    if n == 0:
        raise ValueError("The masks have no features; give at least one.")
    masks = checked_masks(masks, n)
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ValueError(f"{len(bad)} of the {len(values)} values are not finite, first at row {bad[0]}; remove them.")
    _, group = unique_rows(np.packbits(masks, axis=1))
    _, first, counts = np.unique(group, return_index=True, return_counts=True)
    if len(first) < min_budget(n):
        raise ValueError(f"{len(first)} distinct masks are too few: {n} features need at least {min_budget(n)}.")
    others = None if covalues is None else _checked_covalues(covalues, len(masks))
    noise = 0.0
    if len(first) < len(masks):
        _warn_of_contradictions(values, group)
        noise = _noise_of_means(values, group, counts)
        masks, values = masks[first], np.bincount(group, values / counts[group])
        if others is not None:
            others = np.stack([np.bincount(group, column / counts[group]) for column in others.T], 1)
    if isinstance(names, str):
        raise ValueError(f"feature_names is a list of {n} names, not one string.")
    names = tuple(map(str, names)) if names is not None else tuple(f"x{i}" for i in range(n))
    if len(names) != n:
        raise ValueError(f"There are {n} features but {len(names)} feature names.")
    return masks, Evaluation(values, covalues=others, structure=structure, noise=noise), names


def _noise_of_means(
    values: Float[np.ndarray, " m"], group: Int[np.ndarray, " m"], counts: Int[np.ndarray, " g"]
) -> float:
    """The mean variance of the error of each mask's mean value, from how far its repeats differ; 0 if by rounding."""
    errors = values - np.bincount(group, values / counts[group])[group]
    if np.abs(errors).max() <= _ROUNDING * np.ptp(values):
        return 0.0
    return float(errors @ errors / (len(values) - len(counts)) * np.mean(1 / counts))


def _warn_of_contradictions(values: Float[np.ndarray, " m"], group: Int[np.ndarray, " m"]) -> None:
    """Warns if equal masks have different values, which a function of masks cannot give."""
    order = np.lexsort((values, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    spread = np.maximum.reduceat(values[order], starts) - np.minimum.reduceat(values[order], starts)
    found = np.flatnonzero(spread > _ROUNDING * np.ptp(values))
    if len(found):
        rows = np.flatnonzero(group == group[np.isin(group, found)][0])
        ends = sorted((int(rows[np.argmin(values[rows])]), int(rows[np.argmax(values[rows])])))
        warnings.warn(
            f"{counted(len(found), 'mask')} occurred more than once with different values, first in rows "
            f"{ends[0]} and {ends[1]}, which differ by {np.ptp(values[rows]):.4g}; each counts with its mean.",
            stacklevel=4,
        )


def _checked_covalues(covalues: ArrayLike, num_masks: int) -> CoValues:
    """Returns co-values as an array `[m, c]`.

    Args:
      covalues: what the user gave.
      num_masks: m.

    Raises:
      ValueError: if they are not real numbers, one row for each mask, or not finite.
    """
    if np.ma.is_masked(covalues):
        raise ValueError("Some co-values are masked; leave their columns or rows out.")
    found = np.asarray(covalues)
    if found.dtype.kind not in "biuf" or found.ndim != 2 or len(found) != num_masks or not found.shape[1]:
        raise ValueError(
            f"Co-values are real numbers [m, c], one row for each of the {num_masks} masks; got {found.dtype} of shape "
            f"{found.shape}."
        )
    found = found.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(found).all(1))
    if len(bad):
        raise ValueError(f"Co-values of {len(bad)} of the {num_masks} masks are not finite, first at row {bad[0]}.")
    return found


@contextlib.contextmanager
def named(which: str) -> Iterator[None]:
    """Lets the message of a ValueError begin with the one of several inputs that is at fault.

    Args:
      which: such as "Game 3"; empty where there is only one.
    """
    try:
        yield
    except ValueError as error:
        if not which:
            raise
        raise ValueError(f"{which}: {error}") from error

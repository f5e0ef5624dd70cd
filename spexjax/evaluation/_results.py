"""What a plan's function gives for a batch: checked, and brought to the host."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from spexjax.ablation import Batch
from spexjax.evaluation import _sharding as sharding
from spexjax.evaluation._record import COVALUE


def parts_of(result: Any) -> tuple[np.ndarray, ...]:
    """The values of a batch in double precision; and its co-values in half precision, if there are any.

    Args:
      result: of `Plan.apply`.
    """
    if not isinstance(result, tuple):
        return (np.asarray(result, np.float64),)
    with np.errstate(over="ignore"):  # an infinite co-value is refused
        return np.asarray(result[0], np.float64), np.asarray(result[1]).astype(COVALUE)


def on_host(apply: Callable, parameters: Any, batch: Batch, wanted: tuple[int, ...], has_covalues: bool) -> Any:
    """The values of a batch from a Python function, which only the first host calls; and its co-values.

    Args:
      apply: of the plan.
      parameters: of the plan.
      batch: what it is called with.
      wanted: the shape of its values.
      has_covalues: whether there are co-values, too.
    """
    parts: list[np.ndarray] = []

    def called() -> np.ndarray:
        result = apply(parameters, batch.inputs)
        with contextlib.suppress(ValueError):  # lists of different lengths, which the check names
            pair = has_covalues and isinstance(result, tuple)
            result = tuple(map(np.asarray, result)) if pair else np.asarray(result)
        check_result(result, wanted, has_covalues)
        parts.extend(parts_of(result))
        return np.array(parts[-1].shape[-1] if has_covalues else 0)

    num_covalues = int(sharding.on_first_host(called, np.array(0)))
    values = sharding.on_first_host(lambda: parts[0], np.zeros(wanted))
    if not has_covalues:
        return values
    return values, sharding.on_first_host(lambda: parts[1], np.zeros((wanted[0], num_covalues), COVALUE))


def check_result(result: Any, wanted: tuple[int, ...], has_covalues: bool) -> None:
    """Raises ValueError unless a result is one real number (or t) for each mask of a batch, and perhaps co-values.

    Args:
      result: arrays, or their shapes.
      wanted: the shape of the values.
      has_covalues: whether there must be co-values, too.
    """
    if has_covalues:
        if not isinstance(result, tuple) or len(result) != 2:
            raise ValueError(
                "The ablation has co-values, so its function must give a pair, the value and the co-values; it gives "
                f"{type(result).__name__}."
            )
        result, others = result
        if _kind(others) is None or len(others.shape) != 2 or others.shape[0] != wanted[0] or not others.shape[1]:
            raise ValueError(
                f"Co-values must be real numbers, a row for each mask, [{wanted[0]}, c] for a batch of {wanted[0]}; the"
                f" function gives {_seen(others)}."
            )
    if _kind(result) is None or result.shape != wanted:
        each = f"{wanted[1]} real numbers" if wanted[1:] else "one real number"
        raise ValueError(
            f"The value function must give {each} for each mask, shape {wanted} for a batch of {wanted[0]}; it gives "
            f"{_seen(result)}."
        )


def _kind(result: Any) -> Any:
    """The dtype of an array of real numbers; None for anything else."""
    kind = getattr(result, "dtype", None)
    return kind if kind is not None and jnp.isdtype(kind, ("bool", "integral", "real floating")) else None


def _seen(result: Any) -> str:
    return f"{getattr(result, 'dtype', type(result).__name__)} of shape {getattr(result, 'shape', None)}"

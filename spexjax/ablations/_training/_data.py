"""What every lens on training data shares: groups of examples as features, test points as values."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike
from jaxtyping import Int

from spexjax.ablation import unnamed
from spexjax.ablations._function import FunctionAblation

_OTHERS = 127  # test points


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class DataAblation(FunctionAblation):
    """f(mask)[j] = the score at test point j of a model trained on the kept examples.

    Made by `training_data` or `ridge`. Each training gives the scores at all test points: `evaluate` returns `[m, t]`.
    """

    @property
    def num_values(self) -> int:
        """t, the number of test points."""
        return len(self.parameters.test[1])

    @property
    def value_names(self) -> list[str]:
        """The test points, counted from 0."""
        return [f"test point {i}" for i in range(self.num_values)]

    def only(self, point: int) -> FunctionAblation:
        """The value function of one test point, which `explain` can take.

        The scores at up to 127 other test points, evenly spaced, are its co-values: the same training gives them.

        Raises:
          ValueError: if there is no such test point.
        """
        if not 0 <= point < self.num_values:
            raise ValueError(f"There is no test point {point}; there are {self.num_values}, counted from 0.")
        others = np.delete(np.arange(self.num_values), point)
        some = others[np.linspace(0, len(others) - 1, min(len(others), _OTHERS)).astype(int)]
        test = jax.tree.map(lambda leaf: leaf[np.append(point, some)], self.parameters.test)
        parameters, name = self.parameters._replace(test=test), f"{self.fingerprint}-{point}"
        known = self.feature_names, name, self.batch_size, True, bool(len(some))
        return FunctionAblation(_first(self.apply, bool(len(some))), parameters, *known)


@functools.lru_cache(maxsize=64)
def _first(apply: Callable, has_others: bool) -> Callable:
    """The score at the first test point, and those at the others."""

    def of_points(parameters: Any, masks: Any) -> Any:
        scores = apply(parameters, masks)
        return (scores[:, 0], scores[:, 1:]) if has_others else scores[:, 0]

    return of_points


def pairs(what: str, data: tuple[ArrayLike, ArrayLike]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels as arrays of equal length.

    Args:
      what: what the data are called in the message.
      data: inputs and labels.

    Raises:
      ValueError: if the lengths differ or are 0, or an input is not finite, which weight 0 would not remove.
    """
    lengths = [np.shape(part)[:1] for part in data]
    if len(lengths) != 2 or lengths[0] != lengths[1] or lengths[0] in ((), (0,)):
        raise ValueError(f"The {what} data must be a pair (inputs, labels) of equal lengths, at least 1.")
    inputs, labels = map(np.asarray, data)
    finite = np.isfinite(inputs).reshape(len(inputs), -1).all(1) if inputs.dtype.kind == "f" else np.ones(1, bool)
    if not finite.all():
        raise ValueError(f"The {what} data have an input that is not finite, first in example {finite.argmin()}.")
    return inputs, labels


def groups_of(groups: ArrayLike | None, num_examples: int) -> Int[np.ndarray, " N"]:
    """The group of each example; each its own by default.

    Args:
      groups: `[N]` integers, or None.
      num_examples: N.

    Raises:
      ValueError: unless there is one for each example, and 0, 1, ..., n - 1 all occur, n >= 1.
    """
    owner = np.arange(num_examples) if groups is None else np.asarray(groups)
    if owner.shape != (num_examples,) or not np.issubdtype(owner.dtype, np.integer) or owner.min() < -1:
        raise ValueError(
            f"Groups are one integer for each of {num_examples} examples: 0, 1, ..., or -1 to keep it always."
        )
    empty = np.flatnonzero(np.bincount(owner[owner >= 0], minlength=1) == 0)
    if len(empty):
        raise ValueError(f"Group {empty[0]} has no examples; number the groups 0, 1, ... without gaps.")
    return owner.astype(np.int32)


def checked_names(
    names: Sequence[str] | None, groups: ArrayLike | None, owner: Int[np.ndarray, " N"]
) -> tuple[str, ...]:
    """The names of the features; `example 0, ...` or `group 0, ...` by default.

    Args:
      names: what the user gave, or None.
      groups: what the user gave, or None.
      owner: the group of each example, from `groups_of`.

    Raises:
      ValueError: if there is not one for each group.
    """
    kind = "example" if groups is None else "group"
    names = tuple(names) if names is not None else tuple(f"{kind} {i}" for i in range(owner.max() + 1))
    if len(names) != owner.max() + 1:
        raise ValueError(f"There are {owner.max() + 1} features but {len(names)} feature names.")
    return names


def fingerprint(name: str | None, *parts: Any) -> str:
    """A hash of a name, of plain values and of the leaves of pytrees; unique without a name.

    Args:
      name: identifies what has no bytes to hash, such as code.
      parts: what else the values depend on.
    """
    if name is None:
        return unnamed()
    hashed = hashlib.blake2b(name.encode(), digest_size=16)
    for leaf in jax.tree.leaves(parts):
        array = np.ascontiguousarray(leaf)
        hashed.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return hashed.hexdigest()

"""Array aliases and the few protocols that the stations of the road share."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Bool, Float, Int
from jaxtyping import Key as _Key

Array = jax.Array | np.ndarray  # device or host: both travel the road
Leaf = Any  # an array in a pytree, or what JAX puts in its place while it handles the tree
Key = _Key[jax.Array, ""]  # a typed PRNG key, consumed by whoever receives it
Masks = Bool[Array, "m n"]  # one row per ablation, True = the component is kept
Values = Float[Array, " m"]  # the value function at each mask
UNNAMED = "unnamed-"  # how a fingerprint begins that no other process can find again


class Batch(NamedTuple):
    """One fixed-shape step of an evaluation.

    `Plan.apply` maps `inputs` to values `[b]`, or `[b, t]` for an ablation with `num_values = t`; entry i answers
    evaluation `slots[i]`, or nothing when -1.
    """

    slots: Int[np.ndarray, " b"]
    inputs: Any
    work: int  # useful positions in `inputs`, of `capacity`: the rest is padding
    capacity: int


class Plan(NamedTuple):
    """How an ablation will answer a set of masks.

    `owner[i]` is the evaluation that answers mask i: masks that lead to the same input share one.
    `apply(parameters, inputs) -> Float[b]` is pure; the same function object for the same program, so that
    `jax.jit` compiles once per shape. Where `compiled` is False it is ordinary Python instead. `partition(parameters,
    mesh)` says how the parameters are cut over a mesh, a PartitionSpec for each leaf; without it each device has all.
    """

    owner: Int[np.ndarray, " m"]
    num_evaluations: int
    apply: Any
    parameters: Any
    batches: Iterator[Batch]
    compiled: bool = True
    partition: Any = None


@runtime_checkable
class Ablation(Protocol):
    """What the evaluation engine needs of a lens: names, an identity, and a plan for a set of masks.

    An ablation whose evaluations give t values each says so by an attribute `num_values = t`. One whose `plan` takes
    `shrink` is asked for batches so many times smaller than it would choose, where those did not fit the device.
    """

    @property
    def num_features(self) -> int: ...

    @property
    def feature_names(self) -> Sequence[str]: ...

    @property
    def fingerprint(self) -> str: ...

    def plan(self, masks: Masks, devices: int = 1) -> Plan: ...  # batches for so many devices side by side

"""The evaluation engine: each distinct mask once, in fixed-shape batches, dispatched ahead of the device."""

import collections
import dataclasses
import time

import jax
import numpy as np
from jax.typing import ArrayLike

from spexjax.evaluation.progress import progress_bar
from spexjax.typing import Ablation, Values

_IN_FLIGHT = 2  # batches handed to the device before the first is waited for


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Values and what they cost.

    `num_evaluations` counts what was run after equal masks and masks with equal inputs were merged; `num_programs`
    the input shapes, each compiled at most once; `padding` the share of the work that answered nothing. `plan_seconds`
    is the work on the host before the first batch, `compile_seconds` the first call of each shape.
    """

    values: Values
    num_evaluations: int
    num_programs: int
    padding: float
    plan_seconds: float
    compile_seconds: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"{len(self.values)} ablations by {self.num_evaluations} evaluations in {self.seconds:.1f} s "
            f"({self.num_programs} program(s) compiled in {self.compile_seconds:.1f} s, {self.padding:.0%} padding)"
        )


def evaluate(ablation: Ablation, masks: ArrayLike, *, progress: bool | None = None) -> Values:
    """Evaluates the value function at each mask.

    Args:
      ablation: a lens from `spexjax.ablations`, or anything that satisfies the `Ablation` protocol.
      masks: bool `[m, n]`, True = kept; equal masks are evaluated once.
      progress: show a progress bar; None shows it only on a terminal.

    Returns:
      float32 `[m]`, in the order of the masks.

    Raises:
      ValueError: if the masks are not bool `[m, n]` for the ablation's n, or if a value is not finite; the message
        says at which masks.
    """
    return run(ablation, masks, progress=progress).values


def run(ablation: Ablation, masks: ArrayLike, *, progress: bool | None = None) -> Evaluation:
    """`evaluate`, with an account of what it cost."""
    start = time.perf_counter()
    masks = np.asarray(masks)
    if masks.ndim != 2 or masks.dtype != bool or masks.shape[1] != ablation.num_features:
        raise ValueError(
            f"Masks must be bool of shape [m, {ablation.num_features}]; got {masks.dtype} of shape {masks.shape}."
        )
    _, first, inverse = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True, return_inverse=True)
    plan = ablation.plan(masks[first])
    owner = plan.owner[inverse.ravel()]
    plan_seconds = time.perf_counter() - start

    apply = jax.jit(plan.apply) if plan.compiled else plan.apply
    answers = np.full(plan.num_evaluations, np.nan, np.float32)
    masks_of = np.bincount(owner, minlength=plan.num_evaluations)
    in_flight: collections.deque = collections.deque()
    shapes: set = set()
    work = capacity = 0
    compile_seconds = 0.0

    with progress_bar(progress) as report:

        def collect() -> None:
            slots, result = in_flight.popleft()
            answered = slots >= 0
            answers[slots[answered]] = np.asarray(result, np.float32)[answered]
            report(int(masks_of[slots[answered]].sum()), len(masks))

        report(0, len(masks))
        for batch in plan.batches:
            shape = str([np.shape(leaf) for leaf in jax.tree.leaves(batch.inputs)])
            called = time.perf_counter()
            in_flight.append((batch.slots, apply(plan.parameters, batch.inputs)))
            if shape not in shapes and plan.compiled:
                compile_seconds += time.perf_counter() - called
            shapes.add(shape)
            work, capacity = work + batch.work, capacity + batch.capacity
            if len(in_flight) > _IN_FLIGHT:
                collect()
        while in_flight:
            collect()

    values = answers[owner]
    _check_finite(values)
    return Evaluation(
        values=values,
        num_evaluations=plan.num_evaluations,
        num_programs=len(shapes) if plan.compiled else 0,
        padding=1 - work / capacity if capacity else 0.0,
        plan_seconds=plan_seconds,
        compile_seconds=compile_seconds,
        seconds=time.perf_counter() - start,
    )


def _check_finite(values: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        some = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise ValueError(
            f"The value function is not finite at {len(bad)} of {len(values)} masks (rows {some}); check the model's "
            "precision and the value function before explaining it."
        )

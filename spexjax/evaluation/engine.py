"""The evaluation engine: each distinct mask once, in fixed-shape batches, dispatched ahead of the device."""

import collections
import dataclasses
import time

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh
from jax.typing import ArrayLike

from spexjax.evaluation import sharding
from spexjax.evaluation.progress import progress_bar
from spexjax.evaluation.store import Store
from spexjax.typing import Ablation, Values

_IN_FLIGHT = 2  # batches handed to the device before the first is waited for


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Values and what they cost.

    `num_evaluations` counts what was run after equal masks and masks with equal inputs were merged, `num_reused` the
    masks whose values were in the store; `num_programs` the input shapes, each compiled at most once; `padding` the
    share of the work that answered nothing. `plan_seconds` is the work on the host before the first batch,
    `compile_seconds` the first call of each shape.
    """

    values: Values
    num_evaluations: int
    num_reused: int
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


def evaluate(
    ablation: Ablation,
    masks: ArrayLike,
    *,
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> Values:
    """Evaluates the value function at each mask.

    Args:
      ablation: a lens from `spexjax.ablations`, or anything that satisfies the `Ablation` protocol.
      masks: bool `[m, n]`, True = kept; equal masks are evaluated once.
      mesh: devices to spread the masks, and the weights, over; see `evaluation.mesh`. All there are by default.
      store: where values are looked up and kept, batch by batch: an interrupted call loses at most the batches in
        flight, and the next one goes on from there.
      progress: show a progress bar; None shows it only on a terminal.

    Returns:
      float32 `[m]`, in the order of the masks.

    Raises:
      ValueError: if the masks are not bool `[m, n]` for the ablation's n, the mesh has no axis "data", or a value is
        not finite; the message says at which masks.
      OSError: if the store cannot be written.
    """
    return run(ablation, masks, mesh=mesh, store=store, progress=progress).values


def run(
    ablation: Ablation,
    masks: ArrayLike,
    *,
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> Evaluation:
    """`evaluate`, with an account of what it cost."""
    start = time.perf_counter()
    masks = np.asarray(masks)
    if masks.ndim != 2 or masks.dtype != bool or masks.shape[1] != ablation.num_features:
        raise ValueError(
            f"Masks must be bool of shape [m, {ablation.num_features}]; got {masks.dtype} of shape {masks.shape}."
        )
    mesh = mesh if mesh is not None or jax.device_count() == 1 else sharding.mesh()
    devices = 1 if mesh is None else sharding.width(mesh)
    _, first, inverse = np.unique(np.packbits(masks, axis=1), axis=0, return_index=True, return_inverse=True)
    shelf, found = None, np.full(len(first), np.nan, np.float32)
    if store is not None and jax.process_index() == 0:
        shelf = store.shelf(ablation.fingerprint, ablation.num_features)
        found = shelf.values(masks[first])
    if store is not None and jax.process_count() > 1:  # one host reads and writes it; all must run the same batches
        found = np.array(multihost_utils.broadcast_one_to_all(found))
    missing = np.flatnonzero(np.isnan(found))
    plan = ablation.plan(masks[first[missing]], devices) if devices > 1 else ablation.plan(masks[first[missing]])
    apply, parameters, batches = jax.jit(plan.apply) if plan.compiled else plan.apply, plan.parameters, plan.batches
    if mesh is not None and plan.compiled:
        apply, parameters, batches = sharding.spread(plan, mesh)
    plan_seconds = time.perf_counter() - start

    in_flight: collections.deque = collections.deque()
    shapes: set = set()
    work = capacity = 0
    compile_seconds = 0.0

    with progress_bar(progress) as report:
        copies = np.bincount(inverse.ravel(), minlength=len(first))
        reused = int(np.delete(copies, missing).sum())

        def collect() -> None:
            slots, result = in_flight.popleft()
            answers = np.full(plan.num_evaluations, np.nan, np.float32)
            answers[slots[slots >= 0]] = np.asarray(result, np.float32)[slots >= 0]
            asked = np.zeros(plan.num_evaluations, bool)
            asked[slots[slots >= 0]] = True
            rows = np.flatnonzero(asked[plan.owner])
            at, values = missing[rows], answers[plan.owner[rows]]
            found[at] = values
            finite = np.isfinite(values)
            if shelf is not None and finite.any():
                shelf.add(masks[first[at[finite]]], values[finite])
            if not finite.all():
                _refuse(np.flatnonzero(np.isin(inverse.ravel(), at[~finite])), int(copies[np.isfinite(found)].sum()))
            report(int(copies[at].sum()), len(masks))

        report(reused, len(masks))
        for batch in batches:
            shape = sharding.shapes(batch)
            called = time.perf_counter()
            in_flight.append((batch.slots, apply(parameters, batch.inputs)))
            if shape not in shapes and plan.compiled:
                compile_seconds += time.perf_counter() - called
            shapes.add(shape)
            work, capacity = work + batch.work, capacity + batch.capacity
            if len(in_flight) > _IN_FLIGHT or not plan.compiled:
                collect()
        while in_flight:
            collect()

    return Evaluation(
        values=found[inverse.ravel()],
        num_evaluations=plan.num_evaluations,
        num_reused=reused,
        num_programs=len(shapes) if plan.compiled else 0,
        padding=1 - work / capacity if capacity else 0.0,
        plan_seconds=plan_seconds,
        compile_seconds=compile_seconds,
        seconds=time.perf_counter() - start,
    )


def _refuse(rows: np.ndarray, fine: int) -> None:
    """Stops at the first batch with a value that is not finite."""
    some = ", ".join(map(str, rows[:5])) + (", ..." if len(rows) > 5 else "")
    raise ValueError(
        f"The value function is not finite at {len(rows)} of the first {fine + len(rows)} masks evaluated "
        f"(rows {some}); check the model's precision and the value function before explaining it."
    )

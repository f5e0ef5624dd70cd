"""The evaluation engine: evaluates each distinct mask once, in batches of fixed shape, dispatched asynchronously."""

import collections
import contextlib
import dataclasses
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax._compiling import compiling
from spexjax.ablation import Ablation, Batch, Plan, checked_ablation, checked_plan
from spexjax.evaluation import _sharding as sharding
from spexjax.evaluation._evaluation import Evaluation
from spexjax.evaluation._ledger import Ledger
from spexjax.evaluation._progress import progress_bar
from spexjax.evaluation._store import Store
from spexjax.spectrum import checked_masks
from spexjax.typing import Array

_IN_FLIGHT = 2  # batches on the device before the engine waits for the first
_AT_ONCE = 1 << 14  # masks per plan; the next plan is made while the device works on this one
_MOST_SHRINK = 1 << 10  # batches are not made smaller than this share of the usual size
_SHRINK: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # program -> shrink with which its batches fit


def evaluate(
    ablation: Ablation,
    masks: ArrayLike,
    *,
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> Float[Array, "m *t"]:
    """Evaluates the value function at each mask.

    Args:
      ablation: a lens from `spexjax.ablations`, or an `Ablation` of your own.
      masks: `[m, n]`, True or 1 = kept; equal masks are evaluated once.
      mesh: devices over which masks and weights are spread; see `evaluation.mesh`. All devices by default.
      store: where values are looked up and saved, batch by batch. An interrupted call loses at most the batches in
        flight, and the next call continues from there.
      progress: show a progress bar; None shows it only on a terminal and in a notebook.

    Returns:
      float64 `[m]` on the host, in the order of the masks; `[m, t]` if the ablation has `num_values = t`.

    Raises:
      ValueError: if the masks are not `[m, n]` for the ablation's n or hold other numbers than 0 and 1, the mesh has no
        axis "data", the ablation does not return one real number (or t) per mask, or a value is not finite; the message
        says at which masks.
      OSError: if the store cannot be read or written. A store that cannot be written at all is reported before anything
        is evaluated.
      RuntimeError: with several processes (`jax.distributed`), in all but the first one, if the first fails.
      MemoryError: if not even a small batch fits the device. Batches that do not fit are made smaller first.
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
    """Like `evaluate`, and also returns what it cost.

    Args:
      ablation: as in `evaluate`, like the others.
      masks: `[m, n]`.
      mesh: devices.
      store: where values are looked up and saved.
      progress: show a progress bar.
    """
    start = time.perf_counter()
    masks = np.asarray(checked_masks(masks, checked_ablation(ablation).num_features))
    mesh = mesh if mesh is not None or jax.device_count() == 1 else sharding.mesh()
    devices = 1 if mesh is None else sharding.width(mesh)
    ledger = Ledger(masks, ablation, store)
    cost = _Cost()

    @_under_settings_of_this_thread
    def plan(rows: np.ndarray, shrink: int) -> tuple[Plan, np.ndarray, int]:
        made = checked_plan(ablation.plan(ledger.distinct[rows], devices=devices, shrink=shrink), len(rows))
        known = _SHRINK.get(made.apply, 1)  # found out by another ablation with the same program
        return (made, rows, shrink) if known <= shrink else plan(rows, known)

    with compiling() as watch, progress_bar(progress) as report, ThreadPoolExecutor(1) as planner:
        ledger.report = report
        report(ledger.reused, len(masks))
        parts = np.split(ledger.missing(), range(_AT_ONCE, len(ledger.missing()), _AT_ONCE))
        ahead, plan_seconds = planner.submit(plan, parts[0], 1), 0.0
        for i in range(len(parts)):
            made, rows, shrink = ahead.result()
            plan_seconds = plan_seconds or time.perf_counter() - start - watch.seconds
            ahead = planner.submit(plan, parts[i + 1], shrink) if i + 1 < len(parts) else ahead
            while len(rows):
                try:
                    _evaluate(made, rows, ledger, cost, mesh)
                    break
                except jax.errors.JaxRuntimeError as error:
                    made, rows, shrink = plan(ledger.missing(rows), _less(error, made, shrink))

    return Evaluation(
        values=ledger.values(),
        num_evaluations=cost.num_evaluations,
        num_reused=ledger.reused,
        num_programs=len(cost.shapes),
        padding=1 - cost.work / cost.capacity if cost.capacity else 0.0,
        plan_seconds=plan_seconds,
        compile_seconds=watch.seconds,
        seconds=time.perf_counter() - start,
    )


def _under_settings_of_this_thread(work: Callable) -> Callable:
    """Wraps `work` for another thread, so that it sees this thread's `with jax.default_device(...)` and the like."""
    names = ("default_device", "default_matmul_precision", "enable_x64")
    settings = {name: getattr(jax.config, f"jax_{name}") for name in names}

    def done(*arguments):
        with contextlib.ExitStack() as stack:
            for name, setting in settings.items():
                stack.enter_context(getattr(jax, name)(setting))
            return work(*arguments)

    return done


@dataclasses.dataclass
class _Cost:
    """What has been spent so far."""

    num_evaluations: int = 0
    work: int = 0
    capacity: int = 0
    shapes: set = dataclasses.field(default_factory=set)


def _evaluate(plan: Plan, rows: np.ndarray, ledger: Ledger, cost: _Cost, mesh: Mesh | None) -> None:
    """Runs a plan for the distinct masks `rows`; a few batches are in flight before the first is collected."""
    apply: Any = jax.jit(plan.apply) if plan.compiled else plan.apply
    parameters, batches = plan.parameters, plan.batches
    if mesh is not None and plan.compiled:
        apply, parameters, batches = sharding.spread(plan, mesh)
    asking = np.argsort(plan.owner, kind="stable")  # the masks of evaluation i are asking[first[i] : first[i + 1]]
    first = np.searchsorted(plan.owner[asking], np.arange(plan.num_evaluations + 1))
    in_flight: collections.deque = collections.deque()

    def collect() -> None:
        slots, result = in_flight.popleft()
        real = np.flatnonzero(slots >= 0)
        starts, counts = first[slots[real]], first[slots[real] + 1] - first[slots[real]]
        places = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        cost.num_evaluations += len(real)
        ledger.enter(rows[asking[places]], np.repeat(np.asarray(result, np.float64)[real], counts, axis=0))

    for batch in batches:
        shape = (plan.apply, sharding.shapes(batch))
        wanted = (len(batch.slots), *ledger.shape)
        if not plan.compiled:
            result = _on_host(apply, parameters, batch, wanted)
        elif shape in cost.shapes:
            result = apply(parameters, batch.inputs)
        else:
            _check(apply.eval_shape(parameters, batch.inputs), wanted)  # the call reuses this trace
            result = apply(parameters, batch.inputs)
            cost.shapes.add(shape)
        in_flight.append((batch.slots, result))
        cost.work, cost.capacity = cost.work + batch.work, cost.capacity + batch.capacity
        if len(in_flight) > _IN_FLIGHT or not plan.compiled:
            collect()
    while in_flight:
        collect()
    if unanswered := len(ledger.missing(rows)):
        raise ValueError(f"The batches of the plan leave {unanswered} of {len(rows)} masks without a value.")


def _on_host(apply: Callable, parameters: Any, batch: Batch, wanted: tuple[int, ...]) -> Float[Array, "b *t"]:
    """The values of a batch from a Python function, which only the first host calls."""

    def values() -> np.ndarray:
        result = apply(parameters, batch.inputs)
        with contextlib.suppress(ValueError):  # lists of different lengths, which the check names
            result = np.asarray(result)
        _check(result, wanted)
        return result.astype(np.float64)

    return sharding.on_first_host(values, np.zeros(wanted))


def _check(result: Any, wanted: tuple[int, ...]) -> None:
    """Raises ValueError unless the result is one real number (or t) for each mask of a batch."""
    kind, shape = (getattr(result, name, None) for name in ("dtype", "shape"))
    if kind is None or shape != wanted or not jnp.isdtype(kind, ("bool", "integral", "real floating")):
        each = f"{wanted[1]} real numbers" if wanted[1:] else "one real number"
        raise ValueError(
            f"The value function must give {each} for each mask, shape {wanted} for a batch of {wanted[0]}; it gives "
            f"{kind or type(result).__name__} of shape {shape}."
        )


def _less(error: jax.errors.JaxRuntimeError, plan: Plan, shrink: int) -> int:
    """The shrink for the next try after batches that did not fit; raises any other error again."""
    if "RESOURCE_EXHAUSTED" not in str(error):
        raise error
    if jax.process_count() > 1 or shrink >= _MOST_SHRINK:
        raise MemoryError(
            f"The device's memory does not hold a batch that is {shrink} times smaller than usual; shorten the text, "
            "or split the weights over more devices with mesh=evaluation.mesh(model=...)."
        ) from error
    _SHRINK[plan.apply] = 2 * shrink
    return 2 * shrink

"""The evaluation engine: evaluates each distinct mask once, in batches of fixed shape, dispatched asynchronously."""

import collections
import contextlib
import dataclasses
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax._compiling import compiling
from spexjax.ablation import Ablation, Plan, checked_ablation, checked_plan
from spexjax.evaluation import _sharding as sharding
from spexjax.evaluation._evaluation import Evaluation
from spexjax.evaluation._ledger import Ledger, Ledgers
from spexjax.evaluation._progress import progress_bar
from spexjax.evaluation._results import check_result, on_host, parts_of
from spexjax.evaluation._store import Store
from spexjax.spectrum import checked_masks
from spexjax.typing import Array

_IN_FLIGHT = 2  # batches on an accelerator before the engine waits for the first; a CPU runs them best in turn
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
    return run_many([ablation], [masks], mesh=mesh, store=store, progress=progress)[0]


def run_many(
    ablations: Sequence[Ablation],
    masks: Sequence[ArrayLike],
    *,
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> list[Evaluation]:
    """Like `run`, of several ablations. Those of one `Ablation.batch_group` share batches.

    What shared batches cost is divided among the evaluations, in proportion to what was evaluated for each.

    Args:
      ablations: k of them.
      masks: `[m, n]` of each.
      mesh: as in `evaluate`.
      store: as in `evaluate`.
      progress: show one progress bar for all.
    """
    start = time.perf_counter()
    rows = [
        np.asarray(checked_masks(some, checked_ablation(ablation).num_features))
        for ablation, some in zip(ablations, masks, strict=True)
    ]
    mesh = mesh if mesh is not None or jax.device_count() == 1 else sharding.mesh()
    devices = 1 if mesh is None else sharding.width(mesh)
    ledgers: list[Ledger] = []
    for mine, ablation in zip(rows, ablations, strict=True):  # one of them finds out if the store can be written
        ledgers.append(Ledger(mine, ablation, store, probe=not any(ledger.probed for ledger in ledgers)))
    groups: dict[Any, list[int]] = {}
    for i, ablation in enumerate(ablations):
        group = ablation.batch_group
        groups.setdefault(
            i if group is None else (type(ablation), group, ledgers[i].shape, ablation.has_covalues), []
        ).append(i)
    found: dict[int, Evaluation] = {}
    with progress_bar(progress) as report, ThreadPoolExecutor(1) as planner:
        total = sum(map(len, rows))
        report(sum(ledger.reused for ledger in ledgers), total)
        for i, ledger in enumerate(ledgers):
            ledger.report = lambda done, _: report(done, total)
            ledger.called += f" of ablation {i}" if len(ledgers) > 1 else ""
        for members in groups.values():
            some = [ablations[i] for i in members], [ledgers[i] for i in members]
            try:
                found |= zip(members, _run_group(*some, planner, mesh, devices, start), strict=True)
            except Exception as error:
                if len(ablations) > 1:
                    error.add_note(f"Raised by ablation {' or '.join(map(str, members))}, counted from 0.")
                raise
            start = time.perf_counter()
    return [found[i] for i in range(len(ablations))]


def _run_group(
    ablations: Sequence[Ablation],
    ledgers: Sequence[Ledger],
    planner: ThreadPoolExecutor,
    mesh: Mesh | None,
    devices: int,
    start: float,
) -> list[Evaluation]:
    """Evaluates ablations that share batches."""
    ledger, cost = Ledgers(ledgers), _Cost(np.zeros(len(ablations), np.int64))

    @_under_settings_of_this_thread
    def plan(rows: np.ndarray, shrink: int) -> tuple[Plan, np.ndarray, int]:
        wanted = ledger.masks(rows)
        some, of_each = [ablations[k] for k in wanted], list(wanted.values())
        if len(some) == 1:
            made = some[0].plan(of_each[0], devices=devices, shrink=shrink)
        else:
            made = type(some[0]).plan_together(some, of_each, devices=devices, shrink=shrink)
        made = checked_plan(made, len(rows))
        known = _SHRINK.get(made.apply, 1)  # found out by another ablation with the same program
        return (made, rows, shrink) if known <= shrink else plan(rows, known)

    missing, plan_seconds = ledger.missing(), 0.0
    parts = np.split(missing, range(_AT_ONCE, len(missing), _AT_ONCE)) if len(missing) else []
    with compiling() as watch:
        ahead = [planner.submit(plan, rows, 1) for rows in parts[:1]]
        for i in range(len(parts)):
            made, rows, shrink = ahead.pop().result()
            plan_seconds = plan_seconds or time.perf_counter() - start - watch.seconds
            ahead += [planner.submit(plan, after, shrink) for after in parts[i + 1 : i + 2]]
            while len(rows):
                try:
                    _evaluate(made, rows, ledger, cost, mesh)
                    break
                except jax.errors.JaxRuntimeError as error:
                    made, rows, shrink = plan(ledger.missing(rows), _less(error, made, shrink))
    seconds, count = time.perf_counter() - start, max(1, cost.num_evaluations.sum())
    shares = (cost.num_evaluations / count).tolist() if len(ablations) > 1 else [1.0]
    return [
        Evaluation(
            values=ledger.values(),
            covalues=ledger.covalues(),
            num_evaluations=int(evaluations),
            num_reused=ledger.reused,
            num_programs=len(cost.shapes),
            padding=1 - cost.work / cost.capacity if cost.capacity else 0.0,
            plan_seconds=plan_seconds * share,
            compile_seconds=watch.seconds * share,
            seconds=seconds * share,
        )
        for ledger, evaluations, share in zip(ledgers, cost.num_evaluations, shares, strict=True)
    ]


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

    num_evaluations: np.ndarray  # for each ablation
    work: int = 0
    capacity: int = 0
    shapes: set = dataclasses.field(default_factory=set)


def _evaluate(plan: Plan, rows: np.ndarray, ledger: Ledgers, cost: _Cost, mesh: Mesh | None) -> None:
    """Runs a plan for the distinct masks `rows`; a few batches are in flight before the first is collected."""
    apply: Any = jax.jit(plan.apply) if plan.compiled else plan.apply
    parameters, batches = plan.parameters, plan.batches
    if mesh is not None and plan.compiled:
        apply, parameters, batches = sharding.spread(plan, mesh)
    asking = np.argsort(plan.owner, kind="stable")  # the masks of evaluation i are asking[first[i] : first[i + 1]]
    first = np.searchsorted(plan.owner[asking], np.arange(plan.num_evaluations + 1))
    ahead = _IN_FLIGHT if plan.compiled and jax.default_backend() != "cpu" else 0
    in_flight: collections.deque = collections.deque()

    def collect() -> None:
        slots, result = in_flight.popleft()
        real = np.flatnonzero(slots >= 0)
        starts, counts = first[slots[real]], first[slots[real] + 1] - first[slots[real]]
        places = np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
        askers = ledger.place(rows[asking[starts[counts > 0]]])
        cost.num_evaluations += np.bincount(askers, minlength=len(cost.num_evaluations))
        ledger.enter(rows[asking[places]], *(np.repeat(part[real], counts, axis=0) for part in parts_of(result)))

    for batch in batches:
        shape = (plan.apply, sharding.shapes(batch))
        wanted = (len(batch.slots), *ledger.shape)
        if not plan.compiled:
            result = on_host(apply, parameters, batch, wanted, ledger.has_covalues)
        elif shape in cost.shapes:
            result = apply(parameters, batch.inputs)
        else:
            traced = apply.eval_shape(parameters, batch.inputs)  # the call reuses this trace
            check_result(traced, wanted, ledger.has_covalues)
            result = apply(parameters, batch.inputs)
            cost.shapes.add(shape)
        in_flight.append((batch.slots, result))
        cost.work, cost.capacity = cost.work + batch.work, cost.capacity + batch.capacity
        if len(in_flight) > ahead:
            collect()
    while in_flight:
        collect()
    if unanswered := len(ledger.missing(rows)):
        raise ValueError(f"The batches of the plan leave {unanswered} of {len(rows)} masks without a value.")


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

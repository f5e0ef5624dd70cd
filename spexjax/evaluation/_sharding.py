"""Data and model parallelism: batches spread over the devices of a mesh, and weights split along it."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from spexjax.ablation import Batch, Plan

DATA, MODEL = "data", "model"


def mesh(data: int | None = None, model: int = 1, devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh of `data` x `model` devices for `evaluate(mesh=...)`.

    Every step evaluates `data` batches in parallel, each on `model` devices that share one copy of the weights. With
    several hosts (`jax.distributed`) the mesh spans the devices of all of them.

    Args:
      data: number of batches in parallel; by default as many as the devices allow.
      model: number of devices that one copy of the weights is split over, for models that do not fit on one.
      devices: all devices by default.

    Raises:
      ValueError: if there are too few devices.
    """
    devices = list(jax.devices() if devices is None else devices)
    data = len(devices) // model if data is None else data
    if data < 1 or model < 1 or data * model > len(devices):
        raise ValueError(
            f"A mesh of {data} x {model} needs {data * model} devices, at least 1; there are {len(devices)}."
        )
    grid = np.array(devices[: data * model]).reshape(data, model)
    return Mesh(grid, (DATA, MODEL), axis_types=(AxisType.Auto,) * 2)


def width(mesh: Mesh) -> int:
    """The number of batches that a step evaluates.

    Raises:
      ValueError: if the mesh has no axis "data".
    """
    if DATA not in mesh.shape:
        raise ValueError(
            f"The mesh has axes {tuple(mesh.shape)}; give it one named {DATA!r}, or use evaluation.mesh()."
        )
    return mesh.shape[DATA]


def spread(plan: Plan, mesh: Mesh) -> tuple[Callable, Any, Iterator[Batch]]:
    """The program, parameters and batches of a plan on a mesh; a batch there holds one batch for each device.

    Args:
      plan: for one device.
      mesh: with an axis "data".
    """
    partition = plan.partition or (lambda parameters, mesh: jax.tree.map(lambda _: PartitionSpec(), parameters))
    specs = partition(plan.parameters, mesh)
    parameters = jax.tree.map(lambda leaf, spec: _put(leaf, NamedSharding(mesh, spec)), plan.parameters, specs)
    return _program(plan.apply, mesh), parameters, _side_by_side(plan.batches, mesh)


@functools.lru_cache(maxsize=32)  # returns the same function object for the same program, so that it is compiled once
def _program(apply: Callable, mesh: Mesh) -> Callable:
    def one(parameters, inputs):
        return jax.tree.map(lambda part: part[None], apply(parameters, jax.tree.map(lambda leaf: leaf[0], inputs)))

    specs = {"in_specs": (PartitionSpec(), PartitionSpec(DATA)), "out_specs": PartitionSpec(DATA)}
    each = jax.shard_map(one, mesh=mesh, **specs, axis_names={DATA}, check_vma=False)
    everywhere = NamedSharding(mesh, PartitionSpec())  # every host reads all values

    def joined(parameters, inputs):
        found = each(parameters, inputs)  # [data, b], or [data, b, t]; perhaps co-values [data, b, c] too
        return jax.tree.map(lambda part: part.reshape(-1, *part.shape[2:]), found)

    return jax.jit(joined, out_shardings=everywhere)


def _side_by_side(batches: Iterator[Batch], mesh: Mesh) -> Iterator[Batch]:
    """Joins batches of equal shape, one for each device; missing ones are filled with copies whose slots are -1."""
    count, sharding = width(mesh), NamedSharding(mesh, PartitionSpec(DATA))

    def join(group: list[Batch]) -> Batch:
        spare = count - len(group)
        slots = np.concatenate([b.slots for b in group] + [np.full_like(group[0].slots, -1)] * spare)
        group = group + group[:1] * spare
        inputs = jax.tree.map(lambda *leaves: _put(np.stack(leaves), sharding), *(b.inputs for b in group))
        work = sum(b.work for b in group[: count - spare])
        return Batch(slots, inputs, work, sum(b.capacity for b in group))

    group: list[Batch] = []
    for batch in batches:
        if group and (len(group) == count or shapes(batch) != shapes(group[0])):
            yield join(group)
            group = []
        group.append(batch)
    if group:
        yield join(group)


def on_first_host(work: Callable[[], np.ndarray], like: np.ndarray) -> np.ndarray:
    """Calls `work` on the first host and broadcasts the result.

    Args:
      work: what the first host does.
      like: an array of the shape and dtype of the result.

    Returns:
      The result, on every host.

    Raises:
      RuntimeError: on the other hosts, if `work` raises anything, so that none of them waits forever. The first host
        raises the original error.
    """
    result, error = like, None
    if jax.process_index() == 0:
        try:
            result = np.asarray(work(), like.dtype)
        except Exception as raised:
            error = raised
    failed = error is not None
    if jax.process_count() > 1:
        failed = bool(multihost_utils.broadcast_one_to_all(np.array(failed)))
        result = _sent(like if failed else result)
    if failed:
        raise error or RuntimeError(
            "The first host has failed, so this one stops too; see the first host's log for the error."
        )
    return np.array(result)


def shapes(batch: Batch) -> tuple[tuple[int, ...], ...]:
    """The shapes of a batch's inputs; each combination is compiled once."""
    return tuple(np.shape(leaf) for leaf in jax.tree.leaves(batch.inputs))


def _put(leaf: Any, sharding: NamedSharding) -> jax.Array:
    if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
        return leaf  # loaded in shards by `models.load_model(mesh=...)`
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def from_first_host(*numbers: float) -> tuple[float, ...]:
    """The first host's numbers, on every host: hosts must not branch differently because of rounding."""
    if jax.process_count() == 1:
        return numbers
    return tuple(_sent(np.array(numbers, np.float64)).tolist())


def _sent(array: np.ndarray) -> np.ndarray:
    """Broadcasts the first host's array as bytes, because JAX would cast float64 to single precision."""
    sent = multihost_utils.broadcast_one_to_all(np.frombuffer(array.tobytes(), np.uint8))
    return np.frombuffer(np.asarray(sent, np.uint8).tobytes(), array.dtype).reshape(array.shape)

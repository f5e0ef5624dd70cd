"""Batches side by side on the devices of a mesh, and weights cut along it."""

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

    Every step evaluates `data` batches, each on `model` devices that share the weights. On several hosts
    (`jax.distributed`) it spans the devices of all of them.

    Args:
      data: batches side by side; by default as many as the devices allow.
      model: devices that one copy of the weights is cut over, for models that do not fit one.
      devices: all there are, by default.

    Raises:
      ValueError: if there are not that many devices.
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
    """How many batches a step evaluates.

    Raises:
      ValueError: if the mesh has no axis of that name.
    """
    if DATA not in mesh.shape:
        raise ValueError(
            f"The mesh has axes {tuple(mesh.shape)}; give it one named {DATA!r}, or use evaluation.mesh()."
        )
    return mesh.shape[DATA]


def spread(plan: Plan, mesh: Mesh) -> tuple[Callable, Any, Iterator[Batch]]:
    """The program, parameters and batches of a plan for a mesh: each batch is that of all devices."""
    partition = plan.partition or (lambda parameters, mesh: jax.tree.map(lambda _: PartitionSpec(), parameters))
    specs = partition(plan.parameters, mesh)
    parameters = jax.tree.map(lambda leaf, spec: _put(leaf, NamedSharding(mesh, spec)), plan.parameters, specs)
    return _program(plan.apply, mesh), parameters, _side_by_side(plan.batches, mesh)


@functools.lru_cache(maxsize=32)  # the same function object for the same program, so that it is compiled once
def _program(apply: Callable, mesh: Mesh) -> Callable:
    def one(parameters, inputs):
        return apply(parameters, jax.tree.map(lambda leaf: leaf[0], inputs))[None]

    specs = {"in_specs": (PartitionSpec(), PartitionSpec(DATA)), "out_specs": PartitionSpec(DATA)}
    each = jax.shard_map(one, mesh=mesh, **specs, axis_names={DATA}, check_vma=False)
    everywhere = NamedSharding(mesh, PartitionSpec())  # every host reads all values

    def joined(parameters, inputs):
        values = each(parameters, inputs)  # [data, b], or [data, b, t]
        return values.reshape(-1, *values.shape[2:])

    return jax.jit(joined, out_shardings=everywhere)


def _side_by_side(batches: Iterator[Batch], mesh: Mesh) -> Iterator[Batch]:
    """Batches of equal shape, as many as fit the mesh; the last ones are filled up with one that answers nothing."""
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
    """What `work` returns on the first host, of the shape and type of `like`; the others are sent it.

    Raises:
      RuntimeError: on the other hosts, if the first one fails with whatever error, so that none waits for it.
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
        raise error or RuntimeError("The first host has failed, so this one stops too; the error is in its log.")
    return np.array(result)


def shapes(batch: Batch) -> tuple[tuple[int, ...], ...]:
    """The shapes of a batch's inputs, by which programs differ."""
    return tuple(np.shape(leaf) for leaf in jax.tree.leaves(batch.inputs))


def _put(leaf: Any, sharding: NamedSharding) -> jax.Array:
    if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
        return leaf  # read in parts, by `models.load_model(mesh=...)`
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def from_first_host(*numbers: float) -> tuple[float, ...]:
    """Numbers as the first host has them: where roundoff could, hosts must not decide differently what to do next."""
    if jax.process_count() == 1:
        return numbers
    return tuple(_sent(np.array(numbers, np.float64)).tolist())


def _sent(array: np.ndarray) -> np.ndarray:
    """The first host's array, as bytes: JAX would send float64 in single precision."""
    sent = multihost_utils.broadcast_one_to_all(np.frombuffer(array.tobytes(), np.uint8))
    return np.frombuffer(np.asarray(sent, np.uint8).tobytes(), array.dtype).reshape(array.shape)

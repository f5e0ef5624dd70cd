"""Tensor parallelism: along which axis each weight is cut over the devices that share a model."""

import re
from typing import Any

import jax
from jax.sharding import Mesh, PartitionSpec

_AXIS = "model"
_RULES = (  # by the end of a parameter's name; the last axis is counted as -1, and layers are stacked on the first
    (r"(query|key|value|gate|up)/kernel", -1),  # columns: each device computes some of the heads or hidden units
    (r"(query|key|value|gate|up)/bias", -1),
    (r"(output|down)/kernel", -2),  # rows: and adds its part of the sum
    (r"embedding/embedding", -2),
    (r"head/kernel", -1),
)


def tensor_parallel(parameters: Any, mesh: Mesh) -> Any:
    """A PartitionSpec for every leaf: weights are cut over the mesh axis "model" where it divides them evenly.

    Query, key, value, gate and up projections are cut by columns, output and down projections by rows (Shoeybi et al.
    2019, arXiv 1909.08053), embeddings by vocabulary; everything else is on every device.

    Args:
      parameters: a pytree that names the model's parameters as the model does.
      mesh: with or without an axis "model".
    """
    size = mesh.shape.get(_AXIS, 1)

    def spec(path: tuple, leaf: Any) -> PartitionSpec:
        name = "/".join(str(getattr(k, "key", getattr(k, "name", k))) for k in path)
        for pattern, axis in _RULES:
            if size > 1 and re.search(rf"{pattern}(/value)?$", name) and leaf.shape[axis] % size == 0:
                return PartitionSpec(*[None] * (leaf.ndim + axis), _AXIS, *[None] * (-1 - axis))
        return PartitionSpec()

    return jax.tree_util.tree_map_with_path(spec, parameters)

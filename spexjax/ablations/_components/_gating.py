"""Which heads and MLPs each feature stands for, and the gates that a mask sets."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from spexjax.models import Gates, TransformerConfig
from spexjax.typing import Array

COMPONENTS = ("head", "mlp", "layer", "head+mlp", "expert")
_SHOWN = 20  # layers that are listed in an error


class Owners(NamedTuple):
    """The feature that each head, MLP and expert belongs to, from layer `first` on; n where it belongs to none."""

    heads: Int[Array, "l h"]
    mlps: Int[Array, " l"]
    experts: Int[Array, "l e"] | None = None


class Components(NamedTuple):
    """The features by name, and the first layer that has any: all below it are the same for every mask."""

    names: tuple[str, ...]
    first: int
    owners: Owners


def select(config: TransformerConfig, units: str, layers: Iterable[int] | None) -> Components:
    """The heads, MLPs, layers, heads and MLPs, or experts of some layers (of all by default), in the model's order.

    Args:
      config: the model's sizes.
      units: one of `COMPONENTS`.
      layers: the layers whose components are features; None for all.

    Raises:
      ValueError: if the units are unknown, or a layer is not in the model or given twice, or there are none.
    """
    if units not in COMPONENTS:
        raise ValueError(f"Units must be one of {', '.join(COMPONENTS)}, not {units!r}.")
    if units == "expert" and not config.num_experts:
        raise ValueError("This model has no experts; the units are head, mlp, layer or head+mlp.")
    if isinstance(layers, int | str):
        raise ValueError(f"Layers must be a list of numbers, such as [0, 1] or range(2); got {layers!r}.")
    chosen = list(range(config.num_layers)) if layers is None else sorted(layers)
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(config.num_layers)):
        raise ValueError(
            f"Layers must be distinct numbers from 0 to {config.num_layers - 1}, at least one of them; got "
            f"{_some(chosen)}."
        )
    found = list(_features(config, units, chosen))
    first, n = chosen[0], len(found)
    heads = np.full((config.num_layers - first, config.num_heads), n, np.int32)
    mlps = np.full(config.num_layers - first, n, np.int32)
    experts = np.full((config.num_layers - first, config.num_experts), n, np.int32)
    for feature, (_, layer, members, mlp) in enumerate(found):
        if units == "expert":
            experts[layer - first, members] = feature
            continue
        heads[layer - first, members] = feature
        if mlp:
            mlps[layer - first] = feature
    return Components(
        tuple(name for name, *_ in found), first, Owners(heads, mlps, experts if units == "expert" else None)
    )


def _some(layers: list[int]) -> str:
    """The layers, or how many there are and their ends, where they are many."""
    return str(layers) if len(layers) <= _SHOWN else f"{len(layers):,} from {layers[0]} to {layers[-1]}"


def _features(config: TransformerConfig, units: str, layers: list[int]) -> Iterator[tuple[str, int, list[int], bool]]:
    """Name, layer, heads or experts, and whether the MLP goes with them."""
    for layer in layers:
        if units == "expert":
            yield from ((f"L{layer}.E{expert}", layer, [expert], False) for expert in range(config.num_experts))
        if units == "layer":
            yield f"L{layer}", layer, list(range(config.num_heads)), True
        if units in ("head", "head+mlp"):
            yield from ((f"L{layer}.H{head}", layer, [head], False) for head in range(config.num_heads))
        if units in ("mlp", "head+mlp"):
            yield f"L{layer}.MLP", layer, [], True


def gates(owners: Owners, masks: Shaped[Array, "m n"], rescale: bool) -> Gates:
    """The gates of m masks, `[l, m, h]` and `[l, m]`: 1 where the owner is kept, else 0.

    With `rescale` the kept heads of a layer are multiplied by `|H| / |S ∩ H|`, the number of its heads over that of
    its kept ones, so that their sum keeps its size (ProxySPEX, arXiv 2505.17495); a layer without any adds nothing.

    Args:
      owners: the feature that each head and MLP belongs to.
      masks: the features to keep, or a gate between 0 and 1 for each.
      rescale: whether kept heads make up for removed ones.
    """
    kept = jnp.concatenate([masks, jnp.ones((len(masks), 1), bool)], 1).astype(jnp.float32)
    heads, mlps = kept[:, owners.heads], kept[:, owners.mlps]
    if rescale:
        heads *= heads.shape[-1] / jnp.maximum(heads.sum(-1, keepdims=True), 1)
    experts = None if owners.experts is None else kept[:, owners.experts].swapaxes(0, 1)
    return Gates(heads.swapaxes(0, 1), mlps.T, experts)

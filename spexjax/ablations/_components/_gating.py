"""Which heads and MLPs each feature stands for, and the gates that a mask sets."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, Shaped

from spexjax.models import Gates, TransformerConfig
from spexjax.typing import Array

COMPONENTS = ("head", "mlp", "layer", "head+mlp")
_SHOWN = 20  # layers that are listed in an error


class Owners(NamedTuple):
    """The feature that each head and MLP belongs to, from layer `first` on; n where it belongs to none and stays."""

    heads: Int[Array, "l h"]
    mlps: Int[Array, " l"]


class Components(NamedTuple):
    """The features by name, and the first layer that has any: all below it are the same for every mask."""

    names: tuple[str, ...]
    first: int
    owners: Owners


def select(config: TransformerConfig, units: str, layers: Iterable[int] | None) -> Components:
    """The heads, MLPs, layers, or heads and MLPs of some layers (of all by default), in the model's order.

    Args:
      config: the model's sizes.
      units: one of `COMPONENTS`.
      layers: the layers whose components are features; None for all.

    Raises:
      ValueError: if the units are unknown, or a layer is not in the model or given twice, or there are none.
    """
    if units not in COMPONENTS:
        raise ValueError(f"Units must be one of {', '.join(COMPONENTS)}, not {units!r}.")
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
    for feature, (_, layer, members, mlp) in enumerate(found):
        heads[layer - first, members] = feature
        if mlp:
            mlps[layer - first] = feature
    return Components(tuple(name for name, *_ in found), first, Owners(heads, mlps))


def _some(layers: list[int]) -> str:
    """The layers, or how many there are and their ends, where they are many."""
    return str(layers) if len(layers) <= _SHOWN else f"{len(layers):,} from {layers[0]} to {layers[-1]}"


def _features(config: TransformerConfig, units: str, layers: list[int]) -> Iterator[tuple[str, int, list[int], bool]]:
    """Name, layer, heads, and whether the MLP goes with them."""
    for layer in layers:
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
    return Gates(heads.swapaxes(0, 1), mlps.T)

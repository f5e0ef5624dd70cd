"""Saved models: Orbax weights, of which each device reads its part, with the config and the tokenizer."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh, NamedSharding
from jax.typing import DTypeLike

from spexjax._durable import write_durably
from spexjax.models._bounds import read_json, reason
from spexjax.models._config import TransformerConfig
from spexjax.models._pretrained_tokenizer import load_tokenizer
from spexjax.models._sharding import tensor_parallel
from spexjax.models._transformer import Transformer

_FILE, _WEIGHTS = "spexjax.json", "weights"


def save_model(model: Any, path: str | Path) -> Path:
    """Writes a `LanguageModel` for `load_model(path)`: no dequantising, and every device reads its own part.

    The fingerprint is kept, so values in a `Store` are still found.

    Args:
      model: from `load_model`.
      path: a folder, made if needed; a model that it holds is replaced.
    """
    import orbax.checkpoint as ocp

    folder = Path(path).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / _WEIGHTS, nnx.to_pure_dict(model.parameters), force=True)
    model.tokenizer.save_pretrained(folder)
    record = {"config": dataclasses.asdict(model.config), "dtype": str(model.dtype), "fingerprint": model.fingerprint}
    record |= {"stop_ids": list(model.stop_ids)}
    write_durably(folder / _FILE, json.dumps(record, indent=1) + "\n")
    return folder


def is_saved_model(folder: Path) -> bool:
    """Whether `save_model` wrote this folder."""
    return (folder / _FILE).is_file()


def read_model(
    folder: Path, dtype: DTypeLike, attention: str | None, mesh: Mesh | None
) -> tuple[TransformerConfig, nnx.GraphDef, nnx.State, Any, str]:
    """Config, graph, parameters, tokenizer and fingerprint; the saved one, if precision and attention are the same.

    Args:
      folder: written by `save_model`.
      dtype: of weights and computation.
      attention: as in `load_model`.
      mesh: as in `load_model`.

    Raises:
      ValueError: if the weights are not there, or not those of the config.
    """
    import orbax.checkpoint as ocp

    record = read_json(folder / _FILE)
    try:
        sizes: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in record["config"].items()}
        saved, stored_as, identity = TransformerConfig(**sizes), record["dtype"], str(record["fingerprint"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder / _FILE} is not what save_model writes ({reason(error)}); save the model again."
        ) from error
    config = dataclasses.replace(saved, attention=attention)
    graph, state = nnx.split(nnx.eval_shape(lambda: Transformer(config, dtype=dtype, rngs=nnx.Rngs(0))))
    wanted = nnx.to_pure_dict(state)
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            _check_shapes(checkpointer.metadata(folder.absolute() / _WEIGHTS), wanted)
            weights = checkpointer.restore(folder.absolute() / _WEIGHTS, _abstract(wanted, mesh))
    except Exception as error:  # of many kinds, all caused by the contents of the folder
        raise ValueError(
            f"The weights in {folder} are missing or not those of its config ({reason(error)}); save the model again."
        ) from error
    nnx.replace_by_pure_dict(state, weights)
    if (str(jnp.dtype(dtype)), attention) != (stored_as, saved.attention):
        identity += f"-{dtype}-{attention}"
    return config, graph, state, load_tokenizer(folder), identity


def _check_shapes(stored: Any, wanted: Any) -> None:
    """Raises if the stored weights are not those wanted, before anything is allocated."""
    tree = getattr(stored.item_metadata, "tree", stored.item_metadata)
    there, here = (
        {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in jax.tree_util.tree_leaves_with_path(t)}
        for t in (tree, wanted)
    )
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise ValueError(f"{name} is stored as {there.get(name)}, wanted as {here.get(name)}")


def _abstract(weights: Any, mesh: Mesh | None) -> Any:
    """The shapes to read, and which part of each goes to which device."""
    if mesh is None:
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=here), weights)
    return jax.tree.map(
        lambda leaf, spec: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec)),
        weights,
        tensor_parallel(weights, mesh),
    )

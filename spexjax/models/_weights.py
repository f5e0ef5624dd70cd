"""From the tensors of a checkpoint, under their Hugging Face names, to the parameters of a `Transformer`."""

import dataclasses
from collections.abc import Callable, Container, Iterable, Mapping

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from spexjax.models._config import TransformerConfig
from spexjax.models._transformer import Transformer
from spexjax.typing import Array

_EMBEDDING, _HEAD = "model.embed_tokens.weight", "lm_head.weight"
_OUTSIDE = {
    ("embedding", "embedding"): _EMBEDDING,
    ("norm", "scale"): "model.norm.weight",
    ("head", "kernel"): _HEAD,
}
_MODULES = {
    ("attention", "query"): "self_attn.q_proj",
    ("attention", "key"): "self_attn.k_proj",
    ("attention", "value"): "self_attn.v_proj",
    ("attention", "output"): "self_attn.o_proj",
    ("mlp", "gate"): "mlp.gate_proj",
    ("mlp", "up"): "mlp.up_proj",
    ("mlp", "down"): "mlp.down_proj",
    ("attention_norm",): "input_layernorm",
    ("mlp_norm",): "post_attention_layernorm",
}


def load_weights(
    config: TransformerConfig,
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], np.ndarray],
    dtype: DTypeLike,
) -> tuple[TransformerConfig, nnx.GraphDef, nnx.State]:
    """Fills a `Transformer`, one stacked parameter at a time, so that host memory holds one and no more.

    Nothing is read before all shapes are found to be those of the architecture.

    Args:
      config: the architecture.
      shapes: of every tensor in the checkpoint; linear weights are `[out, in]`.
      read: returns a tensor by name.
      dtype: of the parameters and the computation.

    Returns:
      The config, whose head is tied to the embedding if the weights are; the module's static part; and its
      parameters: `nnx.merge(graph, parameters)` is the model.

    Raises:
      ValueError: if a tensor is missing, has another shape, holds numbers that are not finite, or is not part of the
        architecture.
    """
    expected = _expected(config)
    stored = _named(expected, [n for n in shapes if not n.endswith("rotary_emb.inv_freq")])
    _check(config, expected, {name: shapes[at] for name, at in stored.items()})

    def value(name: str) -> np.ndarray:
        tensor = read(stored[name])
        if not _finite(tensor):
            raise ValueError(f"Tensor {stored[name]!r} holds numbers that are not finite; fetch the model again.")
        return tensor.T if name.endswith("_proj.weight") or name == _HEAD else tensor

    if config.tie_embeddings:
        config = _tied_as_stored(config, stored, value, dtype)
    graph, state = nnx.split(nnx.eval_shape(lambda: Transformer(config, dtype=dtype, rngs=nnx.Rngs(0))))
    filled = []
    for path, variable in nnx.to_flat_state(state):
        names = _names(path, config.num_layers)
        array = jnp.asarray(value(names[0]) if path in _OUTSIDE else np.stack([value(n) for n in names]), dtype)
        filled.append((path, variable.replace(array)))
    return config, graph, nnx.from_flat_state(filled)


def _names(path: tuple, layers: int) -> list[str]:
    """The tensors that a parameter is made of."""
    if path in _OUTSIDE:
        return [_OUTSIDE[path]]
    module, leaf = _MODULES[path[1:-1]], "bias" if path[-1] == "bias" else "weight"
    return [f"model.layers.{i}.{module}.{leaf}" for i in range(layers)]


def _expected(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of an untied model; linear weights are `[out, in]`."""
    untied = dataclasses.replace(config, tie_embeddings=False)
    _, state = nnx.split(nnx.eval_shape(lambda: Transformer(untied, rngs=nnx.Rngs(0))))
    shapes = {}
    for path, variable in nnx.to_flat_state(state):
        shape = variable.shape if path in _OUTSIDE else variable.shape[1:]
        for name in _names(path, config.num_layers):
            shapes[name] = shape[::-1] if path[-1] == "kernel" else shape
    return shapes


def _named(expected: Container[str], names: Iterable[str]) -> dict[str, str]:
    """The architecture's name of each tensor -> the checkpoint's, which lacks "model." if it was saved without head."""
    stored: dict[str, str] = {}
    for at in names:
        name = at if at in expected or f"model.{at}" not in expected else f"model.{at}"
        if name in stored:
            raise ValueError(f"The checkpoint has tensor {name!r} twice, with and without 'model.'.")
        stored[name] = at
    return stored


def _check(
    config: TransformerConfig, expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """That every tensor is there, in its shape, and no other; of head and embedding one is enough if they are tied."""
    both = {_HEAD, _EMBEDDING}
    optional = both if config.tie_embeddings and both & shapes.keys() else set()
    for name, shape in expected.items():
        if name in shapes and shapes[name] != shape:
            raise ValueError(f"Tensor {name!r} has shape {shapes[name]}; the config asks for {shape}.")
    missing = [name for name in expected if name not in shapes and name not in optional]
    if missing == [_HEAD]:
        raise ValueError(
            f"The checkpoint has no {_HEAD!r}, and its config does not tie it to the embedding: it is a model without "
            "a head, or with that of a classifier, and predicts no tokens."
        )
    if missing:
        raise ValueError(f"The checkpoint has no tensor {missing[0]!r}, which this architecture needs.")
    extra = sorted(shapes.keys() - expected.keys())
    if extra:
        raise ValueError(
            f"The checkpoint has {len(extra)} tensor(s) that this architecture does not use, first {extra[0]!r}; the "
            "result would not be this model."
        )


def _finite(tensor: np.ndarray) -> bool:
    with np.errstate(all="ignore"):  # a sum shows it at a third of the cost, and is rarely in doubt
        return bool(np.isfinite(tensor.sum(dtype=np.float32)) or np.isfinite(tensor.astype(np.float32)).all())


def _tied_as_stored(
    config: TransformerConfig, stored: dict[str, str], value: Callable[[str], Array], dtype: DTypeLike
) -> TransformerConfig:
    """As transformers: a config that ties head and embedding is believed unless both are stored and differ."""
    if _EMBEDDING not in stored:
        stored[_EMBEDDING] = stored.pop(_HEAD)
    if _HEAD not in stored:
        return config
    tied = np.array_equal(value(_EMBEDDING).astype(dtype, copy=False), value(_HEAD).T.astype(dtype, copy=False))
    return dataclasses.replace(config, tie_embeddings=tied)

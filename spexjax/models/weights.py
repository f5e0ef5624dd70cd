"""From the tensors of a checkpoint, under their Hugging Face names, to the parameters of a `Transformer`."""

from collections.abc import Callable, Iterable

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from spexjax.models.config import TransformerConfig
from spexjax.models.transformer import Transformer
from spexjax.typing import Array

_OUTSIDE = {
    ("embedding", "embedding"): "model.embed_tokens.weight",
    ("norm", "scale"): "model.norm.weight",
    ("head", "kernel"): "lm_head.weight",
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
    config: TransformerConfig, names: Iterable[str], read: Callable[[str], Array], dtype: DTypeLike
) -> tuple[nnx.GraphDef, nnx.State]:
    """Fills a `Transformer`, one stacked parameter at a time, so that host memory holds one and no more.

    Args:
      config: the architecture.
      names: every tensor in the checkpoint.
      read: returns a tensor by name; linear weights as `[out, in]`.
      dtype: of the parameters and the computation.

    Returns:
      The module's static part and its parameters: `nnx.merge(graph, parameters)` is the model.

    Raises:
      ValueError: if a tensor is missing, has another shape, or is not part of the architecture.
    """
    abstract = nnx.eval_shape(lambda: Transformer(config, dtype=dtype, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(abstract)
    unread = {n for n in names if not n.endswith("rotary_emb.inv_freq")}
    if config.tie_embeddings:
        unread.discard("lm_head.weight")  # some checkpoints store the tied copy as well

    def tensor(name: str, shape: tuple[int, ...]) -> Array:
        if name not in unread:
            raise ValueError(f"The checkpoint has no tensor {name!r}, which this architecture needs.")
        unread.discard(name)
        value = read(name)
        value = value.T if name.endswith("_proj.weight") or name == "lm_head.weight" else value
        if value.shape != shape:
            raise ValueError(f"Tensor {name!r} has shape {value.shape}; the config asks for {shape}.")
        return value

    filled = []
    for path, variable in nnx.to_flat_state(state):
        shape = variable.shape
        if path in _OUTSIDE:
            value = tensor(_OUTSIDE[path], shape)
        else:
            module, leaf = _MODULES[path[1:-1]], "bias" if path[-1] == "bias" else "weight"
            layers = range(config.num_layers)
            value = np.stack([tensor(f"model.layers.{i}.{module}.{leaf}", shape[1:]) for i in layers])
        filled.append((path, variable.replace(jnp.asarray(value, dtype))))
    if unread:
        raise ValueError(
            f"The checkpoint has {len(unread)} tensor(s) that this architecture does not use, "
            f"first {sorted(unread)[0]!r}; the result would not be this model."
        )
    return graph, nnx.from_flat_state(filled)

"""GPT-NeoX and Pythia: attention and MLP side by side, RoPE on part of a head, LayerNorm with a bias."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spexjax.models._architecture import LLAMA_TENSORS, Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import flag
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, transformer_config
from spexjax.models._stored import Stored, split, split_gguf_qkv, without

_TENSORS = {
    **LLAMA_TENSORS,
    "embedding": "gpt_neox.embed_in",
    "head": "embed_out",
    "norm": "gpt_neox.final_layer_norm",
    "attention.query": "gpt_neox.layers.{layer}.attention.q",
    "attention.key": "gpt_neox.layers.{layer}.attention.k",
    "attention.value": "gpt_neox.layers.{layer}.attention.v",
    "attention.output": "gpt_neox.layers.{layer}.attention.dense",
    "attention_norm": "gpt_neox.layers.{layer}.input_layernorm",
    "mlp_norm": "gpt_neox.layers.{layer}.post_attention_layernorm",
    "mlp.gate": "gpt_neox.layers.{layer}.no_gate",  # there is none
    "mlp.up": "gpt_neox.layers.{layer}.mlp.dense_h_to_4h",
    "mlp.down": "gpt_neox.layers.{layer}.mlp.dense_4h_to_h",
}


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "GPTNeoXConfig")
    bias = flag("config.json: attention_bias", whole.attention_bias)
    return transformer_config(
        whole,
        biases=Biases(qkv=bias, output=bias, mlp=True),
        epsilon="layer_norm_eps",
        partial=True,
        parallel=flag("config.json: use_parallel_residual", whole.use_parallel_residual),
        norm="layer",
        gated=False,
    )


def _stored(config: TransformerConfig, stored: Stored) -> Stored:
    """Every head stores its query, key and value rows one after the other."""
    heads, size = config.num_heads, config.head_dim

    def part(i: int):
        def cut(tensor: np.ndarray) -> np.ndarray:
            return tensor.reshape(heads, 3, size, *tensor.shape[1:])[:, i].reshape(heads * size, *tensor.shape[1:])

        return (heads * size,), cut

    stored = without(stored, [r"\.attention\.bias", r"\.attention\.masked_bias"])  # the causal mask of old checkpoints
    return split(stored, "query_key_value", {name: part(i) for i, name in enumerate("qkv")})


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    key = "use_parallel_residual"
    return {"parallel": flag(file.key(key), file.entry(key))}


_FORM = GGUFForm(
    "gptneox",
    fields={"norm": "layer", "gated": False, "activation": "gelu"},  # the exact one, as in Pythia: files do not say
    more=_gguf,
    keys=frozenset({"use_parallel_residual"}),
    partial=True,
    epsilon="attention.layer_norm_epsilon",
    joined=frozenset({"attn_qkv"}),
    stored=split_gguf_qkv,  # unlike checkpoints: all queries come first, then all keys
)
register_architecture(Architecture("gpt_neox", _config, _TENSORS, _FORM, _stored))

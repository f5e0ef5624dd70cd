"""GPT-2: learned positions, LayerNorm with a bias, a plain MLP, and weights stored as `[in, out]`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from spexjax.models._architecture import LLAMA_TENSORS, Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import LARGEST, flag, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, transformer_config
from spexjax.models._stored import Stored, changed, split_gguf_qkv, split_qkv, without

_TENSORS = {
    **LLAMA_TENSORS,
    "embedding": "transformer.wte",
    "positions": "transformer.wpe",
    "norm": "transformer.ln_f",
    "attention.query": "transformer.h.{layer}.attn.q",
    "attention.key": "transformer.h.{layer}.attn.k",
    "attention.value": "transformer.h.{layer}.attn.v",
    "attention.output": "transformer.h.{layer}.attn.c_proj",
    "attention_norm": "transformer.h.{layer}.ln_1",
    "mlp_norm": "transformer.h.{layer}.ln_2",
    "mlp.gate": "transformer.h.{layer}.no_gate",  # there is none
    "mlp.up": "transformer.h.{layer}.mlp.c_fc",
    "mlp.down": "transformer.h.{layer}.mlp.c_proj",
}
_BIASES = Biases(qkv=True, output=True, mlp=True)
_DIFFERENT: dict[str, Any] = {"learned_positions": True, "norm": "layer", "gated": False}


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    given = complete_config(config, "GPT2Config")
    for key in ("scale_attn_by_inverse_layer_idx", "add_cross_attention"):
        if flag(f"config.json: {key}", getattr(given, key)):
            raise ValueError(f"config.json: {key} is true, which spexjax does not run in gpt2 models.")
    scaled = flag("config.json: scale_attn_weights", given.scale_attn_weights)
    inner = 4 * given.hidden_size if given.n_inner is None else given.n_inner
    return transformer_config(
        given,
        biases=_BIASES,
        activation="activation_function",
        epsilon="layer_norm_epsilon",
        rope=None,
        query_scale=None if scaled else 1.0,
        intermediate_size=whole("config.json: n_inner", inner, LARGEST["intermediate_size"]),
        **_DIFFERENT,
    )


def _stored(config: TransformerConfig, stored: Stored) -> Stored:
    stored = without(stored, [r"\.attn\.bias", r"\.attn\.masked_bias"])  # the causal mask of old checkpoints
    matrices = r"(?:^|\.)(?:c_attn|c_proj|c_fc)\.weight"
    stored = changed(stored, matrices, np.transpose, lambda shape: shape[::-1])
    return split_qkv(config, stored, "c_attn", "qkv")


_FORM = GGUFForm(
    "gpt2",
    fields={**_DIFFERENT, "activation": "gelu_tanh", "rope_frequencies": ()},
    epsilon="attention.layer_norm_epsilon",
    joined=frozenset({"attn_qkv"}),
    stored=split_gguf_qkv,
)
register_architecture(Architecture("gpt2", _config, _TENSORS, _FORM, _stored))

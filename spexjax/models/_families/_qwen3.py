"""Qwen3: every head's queries and keys are normed before they are rotated."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from spexjax.models._architecture import LLAMA_TENSORS, Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import flag
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, sliding, transformer_config

TENSORS: Mapping[str, str] = MappingProxyType(
    {
        **LLAMA_TENSORS,
        "attention.query_norm": "model.layers.{layer}.self_attn.q_norm",
        "attention.key_norm": "model.layers.{layer}.self_attn.k_norm",
    }
)


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Qwen3Config")
    bias = flag("config.json: attention_bias", whole.attention_bias)
    return transformer_config(whole, biases=Biases(qkv=bias, output=bias), query_norm="head", **sliding(whole))


register_architecture(Architecture("qwen3", _config, TENSORS, GGUFForm("qwen3", fields={"query_norm": "head"})))

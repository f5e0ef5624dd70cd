"""OLMo 2: norms after attention and MLP, not before, and of queries and keys over all heads at once."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import flag
from spexjax.models._config import TransformerConfig
from spexjax.models._families._qwen3 import TENSORS
from spexjax.models._hugging_face import complete_config, transformer_config

_DIFFERENT: dict[str, Any] = {"query_norm": "all", "pre_norms": False, "post_norms": True}
_TENSORS = {
    **TENSORS,
    "attention_post_norm": "model.layers.{layer}.post_attention_layernorm",
    "mlp_post_norm": "model.layers.{layer}.post_feedforward_layernorm",
    "attention_norm": "model.layers.{layer}.no_attention_norm",  # there is none
    "mlp_norm": "model.layers.{layer}.no_mlp_norm",
}


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Olmo2Config")
    bias = flag("config.json: attention_bias", whole.attention_bias)
    return transformer_config(whole, biases=Biases(qkv=bias, output=bias), **_DIFFERENT)


register_architecture(Architecture("olmo2", _config, _TENSORS, GGUFForm("olmo2", fields=_DIFFERENT)))

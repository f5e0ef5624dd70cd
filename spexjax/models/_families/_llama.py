"""Llama 1 to 3, and models in their form: SmolLM2, TinyLlama."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import flag
from spexjax.models._config import TransformerConfig
from spexjax.models._families._mixtral import GGUF_EXPERT_KEYS, GGUF_EXPERTS, gguf_experts
from spexjax.models._hugging_face import complete_config, layer_types, transformer_config


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "LlamaConfig")
    layer_types(whole, "full_attention")
    attention = flag("config.json: attention_bias", whole.attention_bias)
    mlp = flag("config.json: mlp_bias", whole.mlp_bias)
    return transformer_config(whole, biases=Biases(qkv=attention, output=attention, mlp=mlp))


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """Mistral's and Mixtral's files call themselves llama: all layers slide, and there may be experts."""
    return {"window": file.window(), **gguf_experts(file)}


_FORM = GGUFForm(
    "llama",
    neighbours=True,
    rope_divisors=True,
    more=_gguf,
    keys=GGUF_EXPERT_KEYS,
    modules=GGUF_EXPERTS,
    windowed=True,
)
register_architecture(Architecture("llama", _config, gguf=_FORM))

"""SmolLM3: Llama, but some layers, by default every fourth, have no RoPE."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import flag, shown
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, sliding, transformer_config


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    given, layers = config.get("no_rope_layers"), config.get("num_hidden_layers")
    if isinstance(given, list) and layers is not None:  # what transformers indexes before it looks
        _check(given, layers)
    whole = complete_config(config, "SmolLM3Config")
    attention = flag("config.json: attention_bias", whole.attention_bias)
    mlp = flag("config.json: mlp_bias", whole.mlp_bias)
    _check(whole.no_rope_layers, whole.num_hidden_layers)
    biases = Biases(qkv=attention, output=attention, mlp=mlp)
    rotated = tuple(map(bool, whole.no_rope_layers))  # 1 where there is RoPE, whatever the name says
    return transformer_config(whole, biases=biases, rotated=rotated, **sliding(whole))


def _check(given: Any, layers: int) -> None:
    if not isinstance(given, list) or len(given) != layers or any(v not in (0, 1) for v in given):
        raise ValueError(f"config.json: no_rope_layers is {shown(given)}; it must have a 0 or 1 for each layer.")


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """As llama.cpp, which takes every fourth layer whatever the model."""
    return {"rotated": tuple((i + 1) % 4 != 0 for i in range(sizes["num_layers"]))}


register_architecture(Architecture("smollm3", _config, gguf=GGUFForm("smollm3", neighbours=True, more=_gguf)))

"""Qwen2 and Qwen2.5: queries, keys and values always have a bias, nothing else has."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, layer_types, transformer_config

_BIASES = Biases(qkv=True)


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole, window = complete_config(config, "Qwen2Config"), None
    if "sliding_attention" in layer_types(whole, "full_attention", "sliding_attention"):
        window = whole.sliding_window
        if window is None:
            raise ValueError("config.json: layer_types asks for sliding attention, but no sliding_window is in use.")
    return transformer_config(whole, window=window, biases=_BIASES)


register_architecture(Architecture("qwen2", _config, gguf=GGUFForm("qwen2", biases=lambda modules: _BIASES)))

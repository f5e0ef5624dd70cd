"""Qwen2 and Qwen2.5: queries, keys and values always have a bias, nothing else has."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, sliding, transformer_config

_BIASES = Biases(qkv=True)


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Qwen2Config")
    return transformer_config(whole, biases=_BIASES, **sliding(whole))


register_architecture(Architecture("qwen2", _config, gguf=GGUFForm("qwen2", biases=lambda modules: _BIASES)))

"""Mistral 7B: every layer has the sliding window. Its GGUF files call themselves llama."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, register_architecture
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, transformer_config


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "MistralConfig")
    if hasattr(whole, "layer_types"):  # transformers then runs another model
        raise ValueError("config.json: layer_types makes this mistral model a Ministral, which is not supported.")
    return transformer_config(whole, window=whole.sliding_window)


register_architecture(Architecture("mistral", _config))

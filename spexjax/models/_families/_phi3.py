"""Phi-3 and Phi-4-mini: queries, keys and values in one tensor, gate and up in another, RoPE on part of a head.

LongRoPE is run up to the original length of the context; beyond it all its frequencies are others.
"""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, register_architecture
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, transformer_config
from spexjax.models._stored import Stored, rows, split


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Phi3Config")
    return transformer_config(whole, window=whole.sliding_window, partial=True)


def _stored(config: TransformerConfig, stored: Stored) -> Stored:
    keys = config.num_kv_heads * config.head_dim
    projections = {"q_proj": config.num_heads * config.head_dim, "k_proj": keys, "v_proj": keys}
    stored = split(stored, "qkv_proj", rows(projections))
    return split(stored, "gate_up_proj", rows(dict.fromkeys(("gate_proj", "up_proj"), config.intermediate_size)))


register_architecture(Architecture("phi3", _config, stored=_stored))

"""Phi-3 and Phi-4-mini: queries, keys and values in one tensor, gate and up in another, RoPE on part of a head.

LongRoPE is run up to the original length of the context; beyond it all its frequencies are others.
"""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, GGUFForm, register_architecture
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


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The window, which llama.cpp leaves out."""
    return {"window": file.window()}


def _joined(config: TransformerConfig, stored: Stored) -> Stored:
    keys = config.num_kv_heads * config.head_dim
    stored = split(
        stored, "attn_qkv", rows({"attn_q": config.num_heads * config.head_dim, "attn_k": keys, "attn_v": keys})
    )
    return split(stored, "ffn_up", rows(dict.fromkeys(("ffn_gate", "ffn_up"), config.intermediate_size)))


_FORM = GGUFForm(
    "phi3",
    more=_gguf,
    keys=frozenset({"rope.scaling.attn_factor"}),
    windowed=True,
    partial=True,
    rope_factors=True,
    joined=frozenset({"attn_qkv"}),
    stored=_joined,
)
register_architecture(Architecture("phi3", _config, gguf=_FORM, stored=_stored))

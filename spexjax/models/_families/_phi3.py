"""Phi-3 and Phi-4-mini: queries, keys and values in one tensor, gate and up in another, RoPE on part of a head.

LongRoPE is run up to the original length of the context; beyond it all its frequencies are others.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spexjax.models._architecture import Architecture, GGUFForm, register_architecture
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, transformer_config
from spexjax.models._stored import GGUF_QKV, Stored, rows, split, split_qkv


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Phi3Config")
    return transformer_config(whole, window=whole.sliding_window, partial=True)


def _cut(
    qkv: str, three: Sequence[str], both: str, two: Sequence[str]
) -> Callable[[TransformerConfig, Stored], Stored]:
    """Cuts two tensors of each layer, `qkv` into three and `both` into two, which get these names."""

    def stored(config: TransformerConfig, stored: Stored) -> Stored:
        stored = split_qkv(config, stored, qkv, three)
        return split(stored, both, rows(dict.fromkeys(two, config.intermediate_size)))

    return stored


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The window, which llama.cpp leaves out."""
    return {"window": file.window()}


_FORM = GGUFForm(
    "phi3",
    more=_gguf,
    keys=frozenset({"rope.scaling.attn_factor"}),
    windowed=True,
    partial=True,
    rope_factors=True,
    joined=frozenset({"attn_qkv"}),
    stored=_cut("attn_qkv", GGUF_QKV, "ffn_up", ("ffn_gate", "ffn_up")),
)
_STORED = _cut("qkv_proj", ("q_proj", "k_proj", "v_proj"), "gate_up_proj", ("gate_proj", "up_proj"))
register_architecture(Architecture("phi3", _config, gguf=_FORM, stored=_STORED))

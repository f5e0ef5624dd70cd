"""Qwen3 with experts, among which each token chooses."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, register_architecture
from spexjax.models._bounds import LARGEST, flag, shown, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._families._qwen3 import TENSORS
from spexjax.models._hugging_face import complete_config, expert_sizes, transformer_config
from spexjax.models._stored import Stored, stacked

_NAMES = {"mlp.gate": "gate_proj", "mlp.up": "up_proj", "mlp.down": "down_proj"}
_BLOCK = "model.layers.{layer}.mlp"
_TENSORS = {
    **TENSORS,
    "mlp.router": f"{_BLOCK}.gate",
    **{module: f"{_BLOCK}.experts.{name}" for module, name in _NAMES.items()},
}


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    given = complete_config(config, "Qwen3MoeConfig")
    for key, plain in (("decoder_sparse_step", 1), ("mlp_only_layers", [])):
        if (value := getattr(given, key)) != plain:
            raise ValueError(f"config.json: {key} is {shown(value)}; only models with experts in every layer are run.")
    bias = flag("config.json: attention_bias", given.attention_bias)
    size = whole("config.json: moe_intermediate_size", given.moe_intermediate_size, LARGEST["intermediate_size"])
    return transformer_config(
        given,
        biases=Biases(qkv=bias, output=bias),
        window=given.sliding_window,
        query_norm="head",
        intermediate_size=size,
        normalise_chosen=flag("config.json: norm_topk_prob", given.norm_topk_prob),
        **expert_sizes(given),
    )


def _stored(config: TransformerConfig, stored: Stored) -> Stored:
    for name in _NAMES.values():
        stored = stacked(stored, f"experts.{{i}}.{name}", f"experts.{name}", config.num_experts)
    return stored


register_architecture(Architecture("qwen3_moe", _config, _TENSORS, None, _stored))

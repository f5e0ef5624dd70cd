"""Qwen3 with experts, among which each token chooses."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import LARGEST, flag, shown, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._families._mixtral import GGUF_EXPERT_KEYS, GGUF_EXPERTS, gguf_experts
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


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The experts; each has its share of the whole length if the file does not say more."""
    experts = gguf_experts(file)
    if not experts:
        raise ValueError(f"{file.key('expert_count')} is 0 or missing; a qwen3moe model has experts.")
    share = file.size("intermediate_size", "feed_forward_length", layers=sizes["num_layers"]) // experts["num_chosen"]
    size = file.size("intermediate_size", "expert_feed_forward_length", share)
    return {**experts, "intermediate_size": size}


_FORM = GGUFForm(
    "qwen3moe",
    fields={"query_norm": "head"},
    more=_gguf,
    keys=GGUF_EXPERT_KEYS | {"expert_feed_forward_length"},
    modules=GGUF_EXPERTS,
)
register_architecture(Architecture("qwen3_moe", _config, _TENSORS, _FORM, _stored))

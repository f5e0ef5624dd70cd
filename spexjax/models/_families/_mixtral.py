"""Mixtral: Mistral with experts, among which each token chooses. Its GGUF files call themselves llama."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import LLAMA_TENSORS, Architecture, register_architecture
from spexjax.models._bounds import whole
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import MOST_EXPERTS, complete_config, expert_sizes, transformer_config
from spexjax.models._stored import Stored, stacked

_BLOCK = "model.layers.{layer}.block_sparse_moe"
_NAMES = {"mlp.gate": "w1", "mlp.down": "w2", "mlp.up": "w3"}
_TENSORS = {
    **LLAMA_TENSORS,
    "mlp.router": f"{_BLOCK}.gate",
    **{module: f"{_BLOCK}.experts.{name}" for module, name in _NAMES.items()},
}


GGUF_EXPERTS = {"ffn_gate_exps": "mlp.gate", "ffn_up_exps": "mlp.up", "ffn_down_exps": "mlp.down"}
GGUF_EXPERT_KEYS = frozenset({"expert_count", "expert_used_count"})


def gguf_experts(file: Any) -> dict[str, Any]:
    """How many experts a GGUF model has, none among them, and how many each token chooses.

    Args:
      file: the open `GGUF`.

    Raises:
      ValueError: if that is not possible.
    """
    count = whole(file.key("expert_count"), file.entry("expert_count", 0), MOST_EXPERTS, least=0)
    used = file.entry("expert_used_count", None if count else 0)
    used = whole(file.key("expert_used_count"), used, count, least=min(count, 1))
    return {"num_experts": count, "num_chosen": used} if count else {}


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "MixtralConfig")
    if whole.head_dim is None:  # so in the configs of Mistral's own models
        whole.head_dim = whole.hidden_size // whole.num_attention_heads
    return transformer_config(whole, window=whole.sliding_window, **expert_sizes(whole))


def _stored(config: TransformerConfig, stored: Stored) -> Stored:
    for name in _NAMES.values():
        stored = stacked(stored, f"experts.{{i}}.{name}", f"experts.{name}", config.num_experts)
    return stored


register_architecture(Architecture("mixtral", _config, _TENSORS, stored=_stored))

"""Granite: Llama with multipliers of embeddings, scores, residuals and logits."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import flag, number
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, transformer_config


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "GraniteConfig")
    attention = flag("config.json: attention_bias", whole.attention_bias)
    mlp = flag("config.json: mlp_bias", whole.mlp_bias)
    scales = {
        name: number(f"config.json: {name}", getattr(whole, name), 1e-9, 1e9)
        for name in ("embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling")
    }
    return transformer_config(
        whole,
        biases=Biases(qkv=attention, output=attention, mlp=mlp),
        embedding_scale=scales["embedding_multiplier"],
        query_scale=scales["attention_multiplier"],
        residual_scale=scales["residual_multiplier"],
        logit_scale=1 / scales["logits_scaling"],
    )


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The same multipliers; one that is missing, or 0, changes nothing. A model that is not "finetuned" has no RoPE."""

    def scale(key: str, default: float | None = 1.0) -> float | None:
        return file.number(key, 0, 0, 1e9) or default

    return {
        "rotated": None if file.entry("rope.scaling.finetuned", True) else (False,) * sizes["num_layers"],
        "embedding_scale": scale("embedding_scale"),
        "query_scale": scale("attention.scale", None),
        "residual_scale": scale("residual_scale"),
        "logit_scale": 1 / (scale("logit_scale") or 1),
    }


_KEYS = frozenset({"embedding_scale", "attention.scale", "residual_scale", "logit_scale"})
_FORM = GGUFForm("granite", neighbours=True, rope_divisors=True, more=_gguf, keys=_KEYS)
register_architecture(Architecture("granite", _config, gguf=_FORM))

"""Gemma 2: norms before and after, soft caps, scaled embeddings, and a sliding window in every other layer."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from spexjax.models._architecture import LLAMA_TENSORS, Architecture, Biases, GGUFForm, register_architecture
from spexjax.models._bounds import LARGEST, flag, number, shown, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import complete_config, sliding, transformer_config
from spexjax.models._stored import Stored, changed, plus_one

TENSORS: Mapping[str, str] = MappingProxyType(
    {
        **LLAMA_TENSORS,
        "attention_post_norm": "model.layers.{layer}.post_attention_layernorm",
        "mlp_norm": "model.layers.{layer}.pre_feedforward_layernorm",
        "mlp_post_norm": "model.layers.{layer}.post_feedforward_layernorm",
    }
)
PATTERN = "attention.sliding_window_pattern"


def gemma_fields(whole: Any) -> dict[str, Any]:
    """What Gemma 2 and 3 have in common, from their config."""
    if whole.use_bidirectional_attention:
        given = shown(whole.use_bidirectional_attention)
        raise ValueError(f"config.json: use_bidirectional_attention is {given}; only causal attention is supported.")
    bias = flag("config.json: attention_bias", whole.attention_bias)
    caps = {
        field: None if getattr(whole, key) is None else number(f"config.json: {key}", getattr(whole, key), 1e-6, 1e9)
        for field, key in {"score_cap": "attn_logit_softcapping", "logit_cap": "final_logit_softcapping"}.items()
    }
    return {
        "biases": Biases(qkv=bias, output=bias),
        "activation": "hidden_activation",
        "query_scale": number("config.json: query_pre_attn_scalar", whole.query_pre_attn_scalar, 1e-9, 1e9) ** -0.5,
        "embedding_scale": whole.hidden_size**0.5,
        "post_norms": True,
        **caps,
        **sliding(whole),
    }


def norms_from_one(config: TransformerConfig, stored: Stored) -> Stored:
    """The checkpoint of a Gemma, whose norms multiply by 1 plus the weight; their sum is kept."""
    return changed(stored, r"norm\.weight", plus_one)


def gguf_sliding(file: Any, layers: int, period: int) -> tuple[bool, ...]:
    """Which layers of a GGUF model slide: all but the last of every period, unless the file lists them.

    Args:
      file: the open `GGUF`.
      layers: how many there are.
      period: if the file has none.
    """
    given = file.entry(PATTERN, period)
    if isinstance(given, list):
        if len(given) != layers or any(v not in (0, 1) for v in given):
            raise ValueError(f"{file.key(PATTERN)} is {shown(given)}; it must say yes or no for each layer.")
        return tuple(map(bool, given))
    period = whole(file.key(PATTERN), given, LARGEST["num_layers"], least=0)
    return tuple(period == 0 or i % period < period - 1 for i in range(layers))


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Gemma2Config")
    return transformer_config(whole, **gemma_fields(whole))


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """The caps and the window; scores are scaled by the size of a head, in the 27B model by that of hidden / heads."""
    layers, size, window = sizes["num_layers"], sizes["head_dim"], file.window() or 4096
    return {
        "activation": "gelu_tanh",
        "embedding_scale": sizes["hidden_size"] ** 0.5,
        "post_norms": True,
        "query_scale": (sizes["hidden_size"] / sizes["num_heads"] if layers == 46 else size) ** -0.5,
        "score_cap": file.number("attn_logit_softcapping", 50.0, 1e-6, 1e9),
        "logit_cap": file.number("final_logit_softcapping", 30.0, 1e-6, 1e9),
        "window": window,
        "sliding": gguf_sliding(file, layers, 2),
    }


_KEYS = frozenset({"attn_logit_softcapping", "final_logit_softcapping", PATTERN})
_FORM = GGUFForm("gemma2", more=_gguf, keys=_KEYS, windowed=True)
register_architecture(Architecture("gemma2", _config, TENSORS, _FORM, norms_from_one))

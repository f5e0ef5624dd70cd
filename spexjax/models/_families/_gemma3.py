"""Gemma 3, text: Gemma 2 with normed queries and keys, and a RoPE of their own for the sliding layers, mostly five in
six."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, GGUFForm, register_architecture
from spexjax.models._bounds import shown
from spexjax.models._config import TransformerConfig
from spexjax.models._families import _gemma2
from spexjax.models._families._qwen3 import TENSORS
from spexjax.models._hugging_face import complete_config, transformer_config


def _config(config: Mapping[str, Any]) -> TransformerConfig:
    whole = complete_config(config, "Gemma3TextConfig")
    rope = whole.rope_parameters
    kinds = {kind: rope.get(kind) for kind in ("full_attention", "sliding_attention")}
    for kind, given in kinds.items():
        if not isinstance(given, dict):
            raise ValueError(f"config.json: rope_parameters.{kind} is {shown(given)}; it must be an object.")
        if given.get("rope_type") in ("yarn", "longrope", "dynamic"):
            raise ValueError(
                f"config.json: rope_type {shown(given['rope_type'])} is not supported in gemma3_text models."
            )
    fields = _gemma2.gemma_fields(whole)
    local = kinds["sliding_attention"] if fields["window"] is not None else None
    return transformer_config(whole, query_norm="head", rope=kinds["full_attention"], local=local, **fields)


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """As llama.cpp: five sliding layers, then a global one; the frequencies of the sliding ones are not in the file."""
    size, layers = sizes["head_dim"], sizes["num_layers"]
    wide = layers == 62  # the 27B model
    return {
        "activation": "gelu_tanh",
        "embedding_scale": sizes["hidden_size"] ** 0.5,
        "post_norms": True,
        "query_norm": "head",
        "query_scale": (sizes["hidden_size"] / sizes["num_heads"] if wide else size) ** -0.5,
        "window": file.window(),
        "sliding": tuple((i + 1) % 6 != 0 for i in range(layers)),
        "rope_local": tuple(10_000.0 ** (-2 * i / size) for i in range(size // 2)) if file.window() else None,
    }


_TENSORS = {**TENSORS, **_gemma2.TENSORS}
_FORM = GGUFForm("gemma3", more=_gguf, modules=_gemma2.FORM_MODULES, theta=1_000_000.0)
register_architecture(Architecture("gemma3_text", _config, _TENSORS, _FORM, _gemma2.norms_from_one))

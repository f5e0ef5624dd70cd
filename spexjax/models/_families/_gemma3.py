"""Gemma 3, text: Gemma 2 with normed queries and keys, and a RoPE of their own for the sliding layers, mostly five in
six."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, GGUFForm, register_architecture
from spexjax.models._bounds import shown
from spexjax.models._config import TransformerConfig
from spexjax.models._families import _gemma2
from spexjax.models._families._qwen3 import TENSORS
from spexjax.models._gguf_rope import local_frequencies
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
    fields = _gemma2.gemma_fields(whole) | {"score_cap": None}  # transformers does not use attn_logit_softcapping here
    local = kinds["sliding_attention"] if fields["window"] is not None else None
    return transformer_config(whole, query_norm="head", rope=kinds["full_attention"], local=local, **fields)


def _gguf(file: Any, sizes: Mapping[str, Any]) -> dict[str, Any]:
    """As llama.cpp: five sliding layers, then a global one; older files lack the frequencies of the sliding ones."""
    size, layers, window = sizes["head_dim"], sizes["num_layers"], file.window()
    wide = layers == 62  # the 27B model
    if window is not None and file.entry("rope.scaling.type") == "yarn":
        raise ValueError(f"{file.key('rope.scaling.type')} is 'yarn', which is not supported in gemma3 models.")
    return {
        "activation": "gelu_tanh",
        "embedding_scale": sizes["hidden_size"] ** 0.5,
        "post_norms": True,
        "query_norm": "head",
        "query_scale": (sizes["hidden_size"] / sizes["num_heads"] if wide else size) ** -0.5,
        "logit_cap": file.number("final_logit_softcapping", 0, 0, 1e9) or None,
        "window": window,
        "sliding": None if window is None else _gemma2.gguf_sliding(file, layers, 6),
        "rope_local": None if window is None else local_frequencies(file, size, 10_000.0),
    }


_TENSORS = {**TENSORS, **_gemma2.TENSORS}
_KEYS = frozenset({"final_logit_softcapping", "rope.freq_base_swa", _gemma2.PATTERN})
_FORM = GGUFForm("gemma3", more=_gguf, keys=_KEYS, theta=1_000_000.0, windowed=True)
register_architecture(Architecture("gemma3_text", _config, _TENSORS, _FORM, _gemma2.norms_from_one))

"""Hugging Face's config.json: completed by transformers, checked, and read as a `TransformerConfig`."""

import copy
from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import Architecture, Biases, of_config
from spexjax.models._bounds import LARGEST, flag, number, reason, shown, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._quiet_transformers import transformers
from spexjax.models._rope import rope_frequencies

_SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "num_key_value_heads": "num_kv_heads",
    "head_dim": "head_dim",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_length",
}
_NO_BIASES = Biases()
# What transformers honours and spexjax does not, with the value that changes nothing.
_NOT_HONOURED = {
    "compression_config": None,
    "per_layer_config": None,
    "fusion_config": None,
    "transformers_weights": None,
    "configuration_files": None,
    "attribute_map": None,
    "is_causal": True,
}


def from_hugging_face(config: Mapping[str, Any]) -> tuple[Architecture, TransformerConfig]:
    """Reads a `config.json`.

    Raises:
      ValueError: if the architecture, activation, RoPE scaling or quantisation is not supported, a value is out of
        bounds, or transformers itself refuses the config.
    """
    architecture = of_config(config)
    if config.get("quantization_config") is not None:
        kind = config["quantization_config"]
        raise ValueError(
            f"The weights are quantised (quantization_config: "
            f"{shown(kind.get('quant_method') if isinstance(kind, dict) else kind)}), which is not supported; use the "
            "unquantised model, or a GGUF file of it."
        )
    for key, harmless in _NOT_HONOURED.items():
        if config.get(key) not in (None, harmless):
            raise ValueError(f"config.json: {key} is {shown(config[key])}, which spexjax does not honour.")
    return architecture, architecture.read(config)


def complete_config(config: Mapping[str, Any], config_class: str) -> Any:
    """The config as a class of transformers completes it, so that defaults are those of transformers.

    Args:
      config: the contents of config.json, which has a `model_type`.
      config_class: name of the class in transformers.

    Raises:
      ValueError: if a size is out of bounds, or transformers refuses the config.
    """
    for key in _SIZES:  # before the class makes lists of such lengths
        if config.get(key) is not None:
            _size(key, config[key])
    for key in ("rope_parameters", "rope_scaling"):
        if not isinstance(config.get(key), dict | None):
            raise ValueError(f"config.json: {key} is {shown(config[key])}; it must be an object.")
    whole("config.json: num_labels", config.get("num_labels") or 0, 1 << 16, least=0)
    kind = getattr(transformers(), config_class)
    try:
        resolved = kind(**copy.deepcopy(dict(config)))  # a copy, for it writes into its dictionaries
        resolved.standardize_rope_params()
    except Exception as error:  # of any kind: what transformers cannot read is the config's fault
        raise ValueError(f"config.json is not that of a {config['model_type']} model: {reason(error)}") from error
    return resolved


def layer_types(resolved: Any, *supported: str) -> set[str]:
    """The kinds of attention in a model's layers.

    Args:
      resolved: from `complete_config`.
      supported: the kinds that the family may have.

    Raises:
      ValueError: if there is another kind.
    """
    kinds = getattr(resolved, "layer_types", None) or ["full_attention"]
    for kind in kinds:
        if kind not in supported:
            raise ValueError(
                f"config.json: layer_types has {shown(kind)}, which spexjax does not run in {resolved.model_type} "
                "models."
            )
    return set(kinds)


def transformer_config(resolved: Any, *, window: int | None = None, biases: Biases = _NO_BIASES) -> TransformerConfig:
    """The sizes of a `Transformer`, from a config whose keys are those of Llama.

    Args:
      resolved: from `complete_config`.
      window: how far back a token sees, if some layer limits it.
      biases: which linear maps have one.

    Raises:
      ValueError: if a value is out of bounds or not supported.
    """
    sizes = {field: _size(key, getattr(resolved, key)) for key, field in _SIZES.items() if key != "head_dim"}
    even = sizes["hidden_size"] // sizes["num_heads"]
    sizes["head_dim"] = _size("head_dim", getattr(resolved, "head_dim", even))
    if resolved.hidden_act not in ("silu", "swish"):  # two names of one function
        raise ValueError(
            f"config.json: hidden_act is {shown(resolved.hidden_act)}; silu is the only supported activation."
        )
    if window is not None:  # in a sequence that fits the window, every token sees all before it
        sizes["max_length"] = min(sizes["max_length"], _size("sliding_window", window, "max_length"))
    return TransformerConfig(
        **sizes,  # type: ignore[arg-type]
        norm_epsilon=number("config.json: rms_norm_eps", resolved.rms_norm_eps, 0, 1),
        tie_embeddings=flag("config.json: tie_word_embeddings", resolved.tie_word_embeddings),
        rope_frequencies=rope_frequencies(resolved.rope_parameters, sizes["head_dim"]),
        qkv_bias=biases.qkv,
        output_bias=biases.output,
        mlp_bias=biases.mlp,
    )


def _size(key: str, value: Any, field: str | None = None) -> int:
    return whole(f"config.json: {key}", value, LARGEST[field or _SIZES[key]])

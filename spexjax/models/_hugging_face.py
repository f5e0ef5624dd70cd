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
_OWN = {"head_dim"}
MOST_EXPERTS = 1 << 12  # of a layer
_ACTIVATIONS = {  # transformers' names of activations -> those of `ACTIVATIONS`
    "silu": "silu",
    "swish": "silu",
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
}
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
        if getattr(resolved, "rope_parameters", None) is not None or config_class != "GPT2Config":
            resolved.standardize_rope_params()
    except Exception as error:  # of any kind: what transformers cannot read is the config's fault
        raise ValueError(f"config.json is not that of a {config['model_type']} model: {reason(error)}") from error
    return resolved


def layer_types(resolved: Any, *supported: str) -> tuple[str, ...]:
    """The kind of attention in each of a model's layers.

    Args:
      resolved: from `complete_config`.
      supported: the kinds that the family may have.

    Raises:
      ValueError: if there is another kind.
    """
    kinds = getattr(resolved, "layer_types", None) or ["full_attention"] * resolved.num_hidden_layers
    for kind in kinds:
        if kind not in supported:
            raise ValueError(
                f"config.json: layer_types has {shown(kind)}, which spexjax does not run in {resolved.model_type} "
                "models."
            )
    return tuple(kinds)


def sliding(resolved: Any) -> dict[str, Any]:
    """`window` and `sliding` of a family whose layers are of the two kinds "full_attention" and "sliding_attention".

    Args:
      resolved: from `complete_config`.

    Raises:
      ValueError: if there is another kind, or a layer slides without a window.
    """
    flags = tuple(kind == "sliding_attention" for kind in layer_types(resolved, "full_attention", "sliding_attention"))
    if not any(flags):
        return {"window": None}
    if resolved.sliding_window is None:
        raise ValueError("config.json: layer_types asks for sliding attention, but no sliding_window is in use.")
    return {"window": resolved.sliding_window, "sliding": None if all(flags) else flags}


def expert_sizes(resolved: Any) -> dict[str, Any]:
    """How many experts there are, and how many each token chooses.

    Args:
      resolved: from `complete_config`.

    Raises:
      ValueError: if that is not possible.
    """
    count = whole("config.json: num_local_experts", resolved.num_local_experts, MOST_EXPERTS)
    return {
        "num_experts": count,
        "num_chosen": whole("config.json: num_experts_per_tok", resolved.num_experts_per_tok, count),
    }


def transformer_config(
    resolved: Any,
    *,
    window: int | None = None,
    biases: Biases = _NO_BIASES,
    activation: str = "hidden_act",
    epsilon: str = "rms_norm_eps",
    rope: Mapping[str, Any] | str | None = "rope_parameters",
    local: Mapping[str, Any] | None = None,
    partial: bool = False,
    **fields: Any,
) -> TransformerConfig:
    """The sizes of a `Transformer`, from a config whose keys are those of Llama.

    Args:
      resolved: from `complete_config`.
      window: how far back a token sees in the layers that limit it.
      biases: which linear maps have one.
      activation: the key of the MLP's activation.
      epsilon: the key of the norms' epsilon.
      rope: RoPE's parameters, their key, or None for a model without RoPE.
      local: RoPE's parameters in sliding layers, if they are others.
      partial: whether the family may rotate only the first dimensions of a head.
      fields: further fields of the `TransformerConfig`, which go before those read here.

    Raises:
      ValueError: if a value is out of bounds or not supported.
    """
    sizes = {
        field: _size(key, _of(resolved, key)) for key, field in _SIZES.items() if field not in _OWN | fields.keys()
    }
    if sizes["num_heads"] % sizes["num_kv_heads"]:
        raise ValueError(
            f"config.json: num_key_value_heads is {sizes['num_kv_heads']}, which does not divide num_attention_heads, "
            f"{sizes['num_heads']}."
        )
    even = sizes["hidden_size"] // sizes["num_heads"]
    sizes["head_dim"] = _size("head_dim", getattr(resolved, "head_dim", even))
    name = getattr(resolved, activation)
    if name not in list(_ACTIVATIONS):
        raise ValueError(
            f"config.json: {activation} is {shown(name)}; the supported activations are {', '.join(_ACTIVATIONS)}."
        )
    length = sizes["max_length"]
    turned: dict[str, Any] = {"rope_frequencies": ()}
    if rope is not None:
        given = getattr(resolved, rope) if isinstance(rope, str) else rope
        found = rope_frequencies(given, sizes["head_dim"], length, partial=partial)
        turned = {"rope_frequencies": found.frequencies, "rope_scale": found.scale}
        sizes["max_length"] = min(length, found.most or length)
    if local is not None:
        near = rope_frequencies(local, sizes["head_dim"], length, partial=partial)
        turned |= {"rope_local": near.frequencies, "rope_local_scale": near.scale}
    if window is not None:
        window = _size("sliding_window", window, "max_length")
        if window >= length and local is None:  # it hides nothing
            window = None
            fields.pop("sliding", None)
    return TransformerConfig(
        **sizes,  # type: ignore[arg-type]
        **turned,
        **fields,
        norm_epsilon=number(f"config.json: {epsilon}", getattr(resolved, epsilon), 0, 1),
        tie_embeddings=flag("config.json: tie_word_embeddings", resolved.tie_word_embeddings),
        qkv_bias=biases.qkv,
        output_bias=biases.output,
        mlp_bias=biases.mlp,
        activation=_ACTIVATIONS[name],
        window=window,
    )


def _of(resolved: Any, key: str) -> Any:
    """A size; a family without key-value heads of their own has one for each head."""
    if key == "num_key_value_heads" and not hasattr(resolved, key):
        return resolved.num_attention_heads
    return getattr(resolved, key)


def _size(key: str, value: Any, field: str | None = None) -> int:
    return whole(f"config.json: {key}", value, LARGEST[field or _SIZES[key]])

"""What a decoder-only transformer of the Llama family is made of, read from a Hugging Face config."""

import copy
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from spexjax.models._bounds import LARGEST, flag, number, reason, shown, whole

_FAMILIES = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config"}  # classes of transformers
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


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Static sizes and switches of a `Transformer`; hashable, so that it can key a compiled program."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    norm_epsilon: float
    max_length: int  # of a sequence, up to which this is the model: its context, or its sliding window if that is less
    tie_embeddings: bool
    rope_frequencies: tuple[float, ...]  # radians per position, one per pair of a head's dimensions
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    attention: str | None = None  # of `jax.nn.dot_product_attention`; None is plain products, softmax in float32

    def __post_init__(self):
        for name, most in LARGEST.items():
            whole(name, getattr(self, name), most)
        number("norm_epsilon", self.norm_epsilon, 0, 1)
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"{self.num_heads} attention heads cannot share {self.num_kv_heads} key-value heads evenly."
            )
        if self.head_dim != 2 * len(self.rope_frequencies):
            raise ValueError(
                f"A head's {self.head_dim} dimensions are not {len(self.rope_frequencies)} rotating pairs."
            )


def from_hugging_face(config: Mapping[str, Any]) -> TransformerConfig:
    """Reads a Hugging Face `config.json`; what it leaves out is what transformers takes for it.

    Raises:
      ValueError: if the architecture, activation, RoPE scaling or quantisation is not supported, a value is out of
        bounds, or transformers itself refuses the config.
    """
    family = config.get("model_type")
    if family not in list(_FAMILIES):  # a list: what is there need not be hashable
        raise ValueError(
            f"Architecture {shown(family)} (model_type in config.json) is not supported; spexjax runs decoder-only "
            f"models of the kinds {', '.join(sorted(_FAMILIES))}."
        )
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
    resolved = _with_defaults(family, config)
    sizes = {field: _size(key, getattr(resolved, key)) for key, field in _SIZES.items() if key != "head_dim"}
    even = sizes["hidden_size"] // sizes["num_heads"]
    sizes["head_dim"] = _size("head_dim", getattr(resolved, "head_dim", even))
    if resolved.hidden_act not in ("silu", "swish"):  # two names of one function
        raise ValueError(f"config.json: hidden_act is {shown(resolved.hidden_act)}; of activations only silu is run.")
    window = _window(family, resolved)
    if window is not None:  # no token is out of another's sight in a sequence that is no longer than the window
        sizes["max_length"] = min(sizes["max_length"], _size("sliding_window", window, "max_length"))
    llama = family == "llama"  # the others ignore attention_bias and mlp_bias
    bias = flag("config.json: attention_bias", resolved.attention_bias) if llama else family == "qwen2"
    return TransformerConfig(
        **sizes,
        norm_epsilon=number("config.json: rms_norm_eps", resolved.rms_norm_eps, 0, 1),
        tie_embeddings=flag("config.json: tie_word_embeddings", resolved.tie_word_embeddings),
        rope_frequencies=_rope_frequencies(resolved.rope_parameters, sizes["head_dim"]),
        qkv_bias=bias,
        output_bias=bias and llama,
        mlp_bias=llama and flag("config.json: mlp_bias", resolved.mlp_bias),
    )


def _size(key: str, value: Any, field: str | None = None) -> int:
    return whole(f"config.json: {key}", value, LARGEST[field or _SIZES[key]])


def _with_defaults(family: str, config: Mapping[str, Any]) -> Any:
    """The config as transformers' own class completes it."""
    import transformers

    for key in _SIZES:  # before the class makes lists of such lengths
        if config.get(key) is not None:
            _size(key, config[key])
    for key in ("rope_parameters", "rope_scaling"):
        if not isinstance(config.get(key), dict | None):
            raise ValueError(f"config.json: {key} is {shown(config[key])}; it must be an object.")
    whole("config.json: num_labels", config.get("num_labels") or 0, 1 << 16, least=0)
    kind = getattr(transformers, _FAMILIES[family])
    try:
        resolved = kind(**copy.deepcopy(dict(config)))  # a copy, for it writes into its dictionaries
        resolved.standardize_rope_params()
    except Exception as error:  # of many kinds; whatever keeps transformers from reading it is the config's fault
        raise ValueError(f"config.json is not that of a {family} model: {reason(error)}") from error
    return resolved


def _window(family: str, resolved: Any) -> int | None:
    """How far back a token sees, if some layer limits it."""
    if family == "mistral":
        if hasattr(resolved, "layer_types"):  # transformers then runs another model
            raise ValueError("config.json: layer_types makes of a mistral model a Ministral, which is not supported.")
        return resolved.sliding_window
    kinds = getattr(resolved, "layer_types", None) or ["full_attention"]
    for kind in kinds:
        if kind not in ("full_attention", "sliding_attention") or (kind, family) == ("sliding_attention", "llama"):
            raise ValueError(
                f"config.json: layer_types has {shown(kind)}, which spexjax does not run in {family} models."
            )
    if "sliding_attention" not in kinds:
        return None
    if resolved.sliding_window is None:
        raise ValueError("config.json: layer_types asks for sliding attention, but no sliding_window is in use.")
    return resolved.sliding_window


def _rope_frequencies(rope: Mapping[str, Any], head_dim: int) -> tuple[float, ...]:
    """`theta^(-2i/head_dim)`, rescaled as the config asks."""

    def value(key: str, least: float | int, most: float | int = 1e18) -> float:
        return number(f"config.json: the RoPE parameter {key}", rope.get(key), least, most)

    if rope.get("partial_rotary_factor", 1) != 1:
        raise ValueError(
            f"partial_rotary_factor is {shown(rope['partial_rotary_factor'])}; only whole heads are rotated."
        )
    kind, theta = rope.get("rope_type"), value("rope_theta", 1)
    base = [theta ** (-2 * i / head_dim) for i in range(head_dim // 2)]
    if kind == "default":
        return tuple(base)
    if kind not in ("linear", "llama3"):
        raise ValueError(f"RoPE scaling {shown(kind)} is not supported; spexjax knows default, linear and llama3.")
    factor = value("factor", 1e-3)
    if kind == "linear":
        return tuple(f / factor for f in base)
    low, high = value("low_freq_factor", 1e-3), value("high_freq_factor", 1e-3)
    if high <= low:
        raise ValueError(f"The RoPE parameter high_freq_factor ({high}) must be above low_freq_factor ({low}).")
    length = value("original_max_position_embeddings", 1)
    return tuple(_llama3(f, factor, low, high, length) for f in base)


def _llama3(frequency: float, factor: float, low: float, high: float, length: float) -> float:
    """Llama 3.1's rule: slow rotations are slowed by `factor`, fast ones kept, those between interpolated."""
    turns = length * frequency / (2 * math.pi)
    kept = min(max((turns - low) / (high - low), 0.0), 1.0)
    return kept * frequency + (1 - kept) * frequency / factor

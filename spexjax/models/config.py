"""What a decoder-only transformer of the Llama family is made of, read from a Hugging Face config."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

# model_type -> whether the query, key and value projections have biases when the config does not say
_FAMILIES = {"llama": False, "mistral": False, "qwen2": True}


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
    max_length: int
    tie_embeddings: bool
    rope_frequencies: tuple[float, ...]  # radians per position, one per pair of a head's dimensions
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    attention: str | None = None  # of `jax.nn.dot_product_attention`; None is plain products, softmax in float32


def from_hugging_face(config: Mapping[str, Any]) -> TransformerConfig:
    """Reads a Hugging Face `config.json`.

    Raises:
      ValueError: if the architecture, activation, attention window or RoPE scaling is not supported.
    """
    family = config.get("model_type")
    if family not in _FAMILIES:
        raise ValueError(
            f"Architecture {family!r} is not supported; spexjax runs decoder-only models of the kinds "
            f"{', '.join(sorted(_FAMILIES))}."
        )
    if config.get("hidden_act", "silu") != "silu":
        raise ValueError(f"Activation {config['hidden_act']!r} is not supported; these models use silu.")
    max_length = config["max_position_embeddings"]
    window = config.get("sliding_window") if config.get("use_sliding_window", family == "mistral") else None
    if window is not None and window < max_length:
        raise ValueError(
            f"Sliding-window attention (window {window}) is not supported; set sliding_window to null in "
            "config.json if your inputs are shorter than the window."
        )
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    bias = config.get("attention_bias", _FAMILIES[family])
    return TransformerConfig(
        vocab_size=config["vocab_size"],
        hidden_size=config["hidden_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=heads,
        num_kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=head_dim,
        intermediate_size=config["intermediate_size"],
        norm_epsilon=config["rms_norm_eps"],
        max_length=max_length,
        tie_embeddings=config.get("tie_word_embeddings", False),
        rope_frequencies=_rope_frequencies(config, head_dim),
        qkv_bias=bias,
        output_bias=bias and family == "llama",
        mlp_bias=config.get("mlp_bias", False),
    )


def _rope_frequencies(config: Mapping[str, Any], head_dim: int) -> tuple[float, ...]:
    """`theta^(-2i/head_dim)`, rescaled as the config asks; both spellings of the config are read."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    theta = rope.get("rope_theta", config.get("rope_theta", 10_000.0))
    kind = rope.get("rope_type", rope.get("type", "default"))
    base = [theta ** (-2 * i / head_dim) for i in range(head_dim // 2)]
    if kind == "default":
        return tuple(base)
    if kind == "linear":
        return tuple(f / rope["factor"] for f in base)
    if kind == "llama3":
        return tuple(_llama3(f, rope) for f in base)
    raise ValueError(f"RoPE scaling {kind!r} is not supported; spexjax knows default, linear and llama3.")


def _llama3(frequency: float, rope: Mapping[str, Any]) -> float:
    """Llama 3.1's rule: slow rotations are slowed by `factor`, fast ones kept, those between interpolated."""
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] * frequency / (2 * math.pi)
    kept = min(max((turns - low) / (high - low), 0.0), 1.0)
    return kept * frequency + (1 - kept) * frequency / rope["factor"]

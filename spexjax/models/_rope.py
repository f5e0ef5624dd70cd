"""The frequencies of rotary positions, as config.json gives them (Su et al. 2021, arXiv 2104.09864)."""

import math
from collections.abc import Mapping
from typing import Any

from spexjax.models._bounds import number, shown


def rope_frequencies(rope: Mapping[str, Any], head_dim: int) -> tuple[float, ...]:
    """`theta^(-2i/head_dim)` for each pair i of a head's dimensions, in radians per position, rescaled if asked.

    Args:
      rope: `rope_parameters` of config.json: `rope_type` ("default", "linear" or "llama3"), `rope_theta`, and the
        parameters of the type.
      head_dim: the size of a head.

    Raises:
      ValueError: if the type is not supported, or a parameter is missing or out of bounds.
    """

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

"""The frequencies of rotary positions, as config.json gives them (Su et al. 2021, arXiv 2104.09864)."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from spexjax.models._bounds import flag, number, shown

_KINDS = ("default", "linear", "dynamic", "yarn", "llama3", "longrope")


class Rope(NamedTuple):
    """Radians per position for each rotating pair, a factor of the rotated part, and the longest sequence they fit."""

    frequencies: tuple[float, ...]
    scale: float = 1.0
    most: int | None = None


class _Given(NamedTuple):
    """The parameters of `rope_parameters`, checked when they are asked for."""

    rope: Mapping[str, Any]

    def value(self, key: str, least: float | int, most: float | int = 1e18) -> float:
        return number(f"config.json: the RoPE parameter {key}", self.rope.get(key), least, most)

    def maybe(self, key: str, least: float | int, most: float | int = 1e18) -> float | None:
        return None if self.rope.get(key) is None else self.value(key, least, most)


def rope_frequencies(rope: Mapping[str, Any], head_dim: int, length: int = 1, *, partial: bool = False) -> Rope:
    """`theta^(-2i/d)` for each pair i of the d dimensions of a head that rotate, rescaled if asked.

    Args:
      rope: `rope_parameters` of config.json: `rope_type` ("default", "linear", "dynamic", "yarn", "llama3" or
        "longrope"), `rope_theta`, and the parameters of the type.
      head_dim: the size of a head.
      length: the longest sequence of the model. Up to there "dynamic" changes nothing.
      partial: whether the family may rotate only the first dimensions of a head.

    Raises:
      ValueError: if the type is not supported, or a parameter is missing or out of bounds.
    """
    given, dim = _Given(rope), head_dim
    if rope.get("partial_rotary_factor", 1) != 1:
        if not partial:
            partial_factor = shown(rope["partial_rotary_factor"])
            raise ValueError(
                f"config.json: partial_rotary_factor is {partial_factor}; this family rotates whole heads."
            )
        dim = int(head_dim * given.value("partial_rotary_factor", 0, 1))
    kind, theta = rope.get("rope_type"), given.value("rope_theta", 1)
    if kind not in _KINDS:
        raise ValueError(
            f"config.json: the RoPE parameter rope_type is {shown(kind)}; spexjax knows {', '.join(_KINDS)}."
        )
    if dim % 2 or dim == 0 or (kind == "dynamic" and dim == 2):
        raise ValueError(
            f"config.json: {dim} of a head's {head_dim} dimensions cannot rotate in pairs by rope_type {kind}; see "
            "head_dim and partial_rotary_factor."
        )
    base = [theta ** (-2 * i / dim) for i in range(dim // 2)]
    if kind == "default":
        return Rope(tuple(base))
    if kind == "longrope":
        return _longrope(given, base, length)
    factor = given.value("factor", 1e-3)
    if kind == "dynamic":
        return Rope(tuple(base))
    if kind == "linear":
        return Rope(tuple(f / factor for f in base))
    if kind == "yarn":
        return _yarn(given, base, theta)
    low, high = given.value("low_freq_factor", 1e-3), given.value("high_freq_factor", 1e-3)
    if high <= low:
        raise ValueError(f"The RoPE parameter high_freq_factor ({high}) must be above low_freq_factor ({low}).")
    original = given.value("original_max_position_embeddings", 1)
    return Rope(tuple(_llama3(f, factor, low, high, original) for f in base))


def _llama3(frequency: float, factor: float, low: float, high: float, length: float) -> float:
    """Llama 3.1's rule: slow rotations are slowed by `factor`, fast ones kept, those between interpolated."""
    turns = length * frequency / (2 * math.pi)
    kept = min(max((turns - low) / (high - low), 0.0), 1.0)
    return kept * frequency + (1 - kept) * frequency / factor


def _yarn(given: _Given, base: list[float], theta: float) -> Rope:
    """YaRN (Peng et al. 2023, arXiv 2309.00071): as llama3's rule, but between two pairs; and sharper attention."""
    factor, original = given.value("factor", 1e-3), given.value("original_max_position_embeddings", 1)
    if theta <= 1:
        raise ValueError(f"config.json: the RoPE parameter rope_theta is {theta:g}; yarn needs more than 1.")
    fast, slow = given.maybe("beta_fast", 0) or 32.0, given.maybe("beta_slow", 0) or 1.0

    def pair(turns: float) -> float:
        """The pair, as a number with fraction, that turns so often in the original length."""
        return len(base) * math.log(original / (turns * 2 * math.pi)) / math.log(theta)

    first, last = pair(fast), pair(slow)
    if flag("config.json: the RoPE parameter truncate", given.rope.get("truncate", True)):
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, 2 * len(base) - 1)
    last += 0.001 * (first == last)
    slowed = [min(max((i - first) / (last - first), 0.0), 1.0) for i in range(len(base))]
    scale = given.maybe("attention_factor", 0)
    if scale is None:
        above, below = given.maybe("mscale", -1e6), given.maybe("mscale_all_dim", -1e6)
        given_both = bool(above and below)
        scale = _sharper(factor, above or 1.0) / _sharper(factor, below or 1.0) if given_both else _sharper(factor, 1.0)
    return Rope(tuple(f / factor * s + f * (1 - s) for f, s in zip(base, slowed, strict=True)), scale)


def _sharper(factor: float, by: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * by * math.log(factor) + 1.0


def _longrope(given: _Given, base: list[float], length: int) -> Rope:
    """LongRoPE (Ding et al. 2024, arXiv 2402.13753) up to the original length: beyond it all frequencies are others."""
    original = int(given.value("original_max_position_embeddings", 2))
    divisors = given.rope.get("short_factor")
    if not isinstance(divisors, list) or len(divisors) != len(base):
        raise ValueError(f"config.json: the RoPE parameter short_factor must be a list of {len(base)} numbers.")
    each = [number("config.json: the RoPE parameter short_factor", d, 1e-3, 1e6) for d in divisors]
    factor, scale = given.maybe("factor", 1e-3) or length / original, given.maybe("attention_factor", 0)
    if scale is None:
        scale = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(original))
    return Rope(tuple(f / d for f, d in zip(base, each, strict=True)), scale, original)

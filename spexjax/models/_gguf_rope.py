"""The rotary positions that a GGUF file asks for, as llama.cpp reads them."""

from typing import Any

import numpy as np

from spexjax.models._architecture import GGUFForm
from spexjax.models._bounds import LARGEST, shown, whole
from spexjax.models._rope import Rope, rope_frequencies

DIVISORS = "rope_freqs.weight"  # how GGUF stores Llama 3's scaling
SHORT, LONG = "rope_factors_short.weight", "rope_factors_long.weight"  # and LongRoPE's


def rope_tensors(form: GGUFForm) -> frozenset[str]:
    """The tensors of a family's files that are no weights, but say how RoPE is scaled."""
    return frozenset(((DIVISORS,) if form.rope_divisors else ()) + ((SHORT, LONG) if form.rope_factors else ()))


def gguf_rope(file: Any, form: GGUFForm, head_dim: int, length: int) -> Rope:
    """The frequencies of all pairs that rotate, the factor of what they rotate, and the longest sequence they fit.

    Scaling is linear unless a type is given, and older files use another key for its factor. The divisors of LongRoPE
    are those up to the original length of the context.

    Args:
      file: the open `GGUF`.
      form: of its family.
      head_dim: the size of a head.
      length: of the context.

    Raises:
      ValueError: if an entry is out of bounds, or asks for what is not supported.
    """
    if form.fields.get("rope_frequencies") == ():
        return Rope(())
    size, kind = _rotating(file, form, head_dim), file.entry("rope.scaling.type", "linear")
    kinds = ("none", "linear", "yarn", *(("longrope",) if form.rope_factors else ()))
    if kind not in kinds:
        raise ValueError(
            f"{file.key('rope.scaling.type')} is {shown(kind)}, which is not supported; spexjax reads "
            f"{', '.join(kinds)} from {form.name} files."
        )
    extrapolated = file.number("rope.scaling.yarn_ext_factor", -1, -1, 1e6)  # -1 is not given
    if extrapolated not in ((-1, 1) if kind == "yarn" else (-1, 0)):
        raise ValueError(f"{file.key('rope.scaling.yarn_ext_factor')} is {extrapolated:g}, which is not supported.")
    found = _yarn(file, form, size, length) if kind == "yarn" else _slowed(file, form, size, kind)
    scale = found.scale * file.number("rope.scaling.attn_factor", 1, 0, 1e6)
    tensor = SHORT if {SHORT, LONG} & file.rope_tensors else DIVISORS if DIVISORS in file.rope_tensors else None
    if tensor is None:
        return Rope(found.frequencies, scale)
    divided = tuple(f / float(d) for f, d in zip(found.frequencies, _divisors(file, tensor, size // 2), strict=True))
    return Rope(divided, scale, _original(file, length) if tensor == SHORT else None)


def _rotating(file: Any, form: GGUFForm, head_dim: int) -> int:
    """How many dimensions of a head rotate."""
    key, name = "rope.dimension_count", file.key("rope.dimension_count")
    size = file.entry(key, head_dim)
    if not form.partial and size != head_dim:
        raise ValueError(f"{name} is {shown(size)}; only {head_dim}, the size of a head, is supported.")
    if whole(name, size, head_dim) % 2:
        raise ValueError(f"{name} is {size}; dimensions rotate in pairs.")
    return size


def _slowed(file: Any, form: GGUFForm, size: int, kind: str) -> Rope:
    key = "rope.scaling.factor" if file.entry("rope.scaling.factor") is not None else "rope.scale_linear"
    factor = file.number(key, 0, 0, 1e6) or 1.0
    theta = file.number("rope.freq_base", form.theta, 1, 1e18)
    return Rope(tuple(theta ** (-2 * i / size) / (factor if kind == "linear" else 1.0) for i in range(size // 2)))


def _yarn(file: Any, form: GGUFForm, size: int, length: int) -> Rope:
    rope = {
        "rope_type": "yarn",
        "rope_theta": file.number("rope.freq_base", form.theta, 1.000001, 1e18),
        "factor": file.number("rope.scaling.factor", None, 1e-3, 1e6),
        "original_max_position_embeddings": _original(file, length),
        "beta_fast": file.number("rope.scaling.yarn_beta_fast", 32, 1e-6, 1e6),
        "beta_slow": file.number("rope.scaling.yarn_beta_slow", 1, 1e-6, 1e6),
    }
    return rope_frequencies(rope, size)


def _original(file: Any, length: int) -> int:
    """The length of the context before it was extended."""
    key = "rope.scaling.original_context_length"
    return whole(file.key(key), file.entry(key, length), LARGEST["max_length"])


def _divisors(file: Any, tensor: str, pairs: int) -> np.ndarray:
    if tensor not in file.rope_tensors:
        raise ValueError(f"The file has a tensor {LONG!r}, but no {SHORT!r}; convert the model again.")
    stored = file.dequantised(tensor)
    if stored.shape != (pairs,) or not (np.isfinite(stored) & (stored > 0)).all():
        raise ValueError(f"{tensor} must hold {pairs} positive numbers, one per pair of a head.")
    return stored


def local_frequencies(file: Any, size: int, default: float) -> tuple[float, ...]:
    """The frequencies of sliding layers, which are never scaled.

    Args:
      file: the open `GGUF`.
      size: of a head.
      default: their base if the file has none.
    """
    theta = file.number("rope.freq_base_swa", default, 1, 1e18)
    return tuple(theta ** (-2 * i / size) for i in range(size // 2))

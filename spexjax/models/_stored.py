"""The tensors of a checkpoint, and views of them: parts of a tensor, stacks of several, changed ones."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from spexjax.models._config import TransformerConfig

Shape = tuple[int, ...]
GGUF_QKV = ("attn_q", "attn_k", "attn_v")


class Stored(NamedTuple):
    """The shape of each tensor by name, and how to read one."""

    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]


def split(stored: Stored, module: str, parts: Mapping[str, tuple[Shape, Callable[[np.ndarray], np.ndarray]]]) -> Stored:
    """Cuts every tensor of a module, `....module.weight` and `.bias`, into parts with names of their own.

    Args:
      stored: the checkpoint.
      module: the last names of the module.
      parts: the name that replaces it for each part, the lengths of its first axis in a weight, and how to cut it out.
    """
    shapes, made = dict(stored.shapes), {}
    for name, shape in stored.shapes.items():
        if not (match := re.fullmatch(rf"(|.*\.){re.escape(module)}\.(weight|bias)", name)):
            continue
        del shapes[name]
        for part, (rows, cut) in parts.items():
            own = f"{match[1]}{part}.{match[2]}"
            shapes[own], made[own] = (*rows, *shape[1:]), (name, cut, (*rows, *shape[1:]))

    def read(name: str) -> np.ndarray:
        if name not in made:
            return stored.read(name)
        at, cut, shape = made[name]
        return _of_shape(cut(stored.read(at)), shape, at)

    return Stored(shapes, read)


def rows(sizes: Mapping[str, int]) -> dict[str, tuple[Shape, Callable[[np.ndarray], np.ndarray]]]:
    """Parts for `split`: so many rows for each name, one after the other."""
    parts: dict[str, Any] = {}
    start, whole = 0, sum(sizes.values())
    for name, size in sizes.items():
        parts[name] = (size,), _cut(start, size, whole)
        start += size
    return parts


def split_qkv(config: TransformerConfig, stored: Stored, module: str, names: Sequence[str]) -> Stored:
    """Cuts a module that has all queries, then all keys, then all values.

    Args:
      config: has the numbers of heads.
      stored: the checkpoint.
      module: the last names of the module.
      names: those of the three parts.
    """
    keys = config.num_kv_heads * config.head_dim
    sizes = config.num_heads * config.head_dim, keys, keys
    return split(stored, module, rows(dict(zip(names, sizes, strict=True))))


def split_gguf_qkv(config: TransformerConfig, stored: Stored) -> Stored:
    """Cuts `attn_qkv` of a GGUF file as `split_qkv` does."""
    return split_qkv(config, stored, "attn_qkv", GGUF_QKV)


def _cut(start: int, size: int, whole: int) -> Callable[[np.ndarray], np.ndarray]:
    def cut(tensor: np.ndarray) -> np.ndarray:
        return tensor[start : start + size] if len(tensor) == whole else tensor[:0]

    return cut


def stacked(stored: Stored, member: str, whole: str, count: int) -> Stored:
    """Stacks the tensors of members 0 to count - 1 of each layer into one.

    Args:
      stored: the checkpoint.
      member: the last names of a member, with `{i}` for its number.
      whole: the name of the stack.
      count: how many there are.
    """
    shapes, made = dict(stored.shapes), {}
    pattern = re.escape(member).replace(re.escape("{i}"), r"(?:\d+)")
    starts = {m[1] for name in stored.shapes if (m := re.fullmatch(rf"(|.*\.){pattern}\.weight", name))}
    for start in starts:
        names = [f"{start}{member.format(i=i)}.weight" for i in range(count)]
        found = [shapes.get(name) for name in names]
        if found[0] is None or found != found[:1] * count:
            continue  # missing, or of several shapes: said by their own names
        for name in names:
            del shapes[name]
        own = f"{start}{whole}.weight"
        shapes[own], made[own] = (count, *found[0]), names

    def read(name: str) -> np.ndarray:
        return np.stack([stored.read(at) for at in made[name]]) if name in made else stored.read(name)

    return Stored(shapes, read)


def changed(
    stored: Stored,
    pattern: str,
    change: Callable[[np.ndarray], np.ndarray],
    reshaped: Callable[[Shape], Shape] = lambda shape: shape,
) -> Stored:
    """Changes what is read of the tensors whose name ends as the pattern says.

    Args:
      stored: the checkpoint.
      pattern: a regular expression.
      change: of a tensor.
      reshaped: the shape that it then has.
    """
    names = {name for name in stored.shapes if re.search(f"{pattern}$", name)}
    shapes = {name: reshaped(shape) if name in names else shape for name, shape in stored.shapes.items()}
    return Stored(shapes, lambda name: change(stored.read(name)) if name in names else stored.read(name))


def without(stored: Stored, patterns: Sequence[str]) -> Stored:
    """Leaves out tensors whose name ends as one of the regular expressions says: they are no weights."""
    pattern = "|".join(patterns)
    return Stored({n: s for n, s in stored.shapes.items() if not re.search(f"(?:{pattern})$", n)}, stored.read)


def plus_one(tensor: np.ndarray) -> np.ndarray:
    """A norm's weight where the checkpoint holds what is added to 1."""
    return tensor.astype(np.float32) + 1


def _of_shape(part: np.ndarray, shape: Shape, name: str) -> np.ndarray:
    if part.shape != shape:
        raise ValueError(f"Tensor {name!r} does not have the shape that the config asks for.")
    return part

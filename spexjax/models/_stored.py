"""The tensors of a checkpoint, and views of them: parts of a tensor, stacks of several, changed ones."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from spexjax.models._config import TransformerConfig

Shape = tuple[int, ...]
GGUF_QKV = ("attn_q", "attn_k", "attn_v")


class Stored(NamedTuple):
    """The shape of each tensor by name, how to read one, and the name in the file of a tensor named as here."""

    shapes: Mapping[str, Shape]
    read: Callable[[str], np.ndarray]
    origin: Callable[[str], str] = str


def split(stored: Stored, module: str, parts: Mapping[str, tuple[Shape, Callable[[np.ndarray], np.ndarray]]]) -> Stored:
    """Cuts every tensor of a module, `....module.weight` and `.bias`, into parts with names of their own.

    Args:
      stored: the checkpoint.
      module: the last names of the module.
      parts: the name that replaces it for each part, the lengths of its first axis in a weight, and how to cut it out.

    Raises:
      ValueError: if a tensor has more or fewer rows than its parts.
    """
    whole = sum(rows[0] for rows, _ in parts.values())
    shapes, made = dict(stored.shapes), {}
    for name, shape in stored.shapes.items():
        if not (match := re.fullmatch(rf"(|.*\.){re.escape(module)}\.(weight|bias)", name)):
            continue
        if shape[:1] != (whole,):
            raise ValueError(
                f"Tensor {name!r} has shape {shape}, outputs first; the config asks for {whole} outputs: "
                f"{', '.join(parts)} in one."
            )
        del shapes[name]
        for part, (rows, cut) in parts.items():
            own = f"{match[1]}{part}.{match[2]}"
            shapes[own], made[own] = (*rows, *shape[1:]), (name, cut)

    def read(name: str) -> np.ndarray:
        if name not in made:
            return stored.read(name)
        at, cut = made[name]
        return cut(stored.read(at))

    def origin(name: str) -> str:
        match = re.fullmatch(rf"(|.*\.)({'|'.join(map(re.escape, parts))})\.(weight|bias)", name)
        own = match is None or name in stored.shapes
        return stored.origin(name if own or match is None else f"{match[1]}{module}.{match[3]}")

    return Stored(shapes, read, origin)


def rows(sizes: Mapping[str, int]) -> dict[str, tuple[Shape, Callable[[np.ndarray], np.ndarray]]]:
    """Parts for `split`: so many rows for each name, one after the other."""
    parts: dict[str, Any] = {}
    start = 0
    for name, size in sizes.items():
        parts[name] = (size,), _cut(start, size)
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


def _cut(start: int, size: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda tensor: tensor[start : start + size]


def stacked(stored: Stored, member: str, whole: str, count: int) -> Stored:
    """Stacks the tensors of members 0 to count - 1 of each layer into one.

    Args:
      stored: the checkpoint.
      member: the last names of a member, with `{i}` for its number.
      whole: the name of the stack.
      count: how many there are.

    Raises:
      ValueError: if those of a layer differ in shape.
    """
    shapes, made = dict(stored.shapes), {}
    pattern = re.escape(member).replace(re.escape("{i}"), r"(?:\d+)")
    starts = {m[1] for name in stored.shapes if (m := re.fullmatch(rf"(|.*\.){pattern}\.weight", name))}
    for start in starts:
        names = [f"{start}{member.format(i=i)}.weight" for i in range(count)]
        found = [shapes.get(name) for name in names]
        if found[0] is None or None in found:
            continue  # `origin` tells which is missing
        if found != found[:1] * count:
            at, other = next((n, s) for n, s in zip(names, found, strict=True) if s != found[0])
            raise ValueError(f"Tensor {at!r} has shape {other}, but {names[0]!r} has {found[0]}; they must agree.")
        for name in names:
            del shapes[name]
        own = f"{start}{whole}.weight"
        shapes[own], made[own] = (count, *found[0]), names

    def read(name: str) -> np.ndarray:
        return np.stack([stored.read(at) for at in made[name]]) if name in made else stored.read(name)

    def origin(name: str) -> str:
        if name in made or not (match := re.fullmatch(rf"(|.*\.){re.escape(whole)}\.weight", name)):
            return stored.origin(name)
        names = [f"{match[1]}{member.format(i=i)}.weight" for i in range(count)]
        return stored.origin(next((at for at in names if at not in stored.shapes), names[0]))

    return Stored(shapes, read, origin)


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
    return Stored(shapes, lambda name: change(stored.read(name)) if name in names else stored.read(name), stored.origin)


def without(stored: Stored, patterns: Sequence[str]) -> Stored:
    """Leaves out tensors whose name ends as one of the regular expressions says: they are no weights."""
    pattern = "|".join(patterns)
    return stored._replace(shapes={n: s for n, s in stored.shapes.items() if not re.search(f"(?:{pattern})$", n)})


def plus_one(tensor: np.ndarray) -> np.ndarray:
    """A norm's weight where the checkpoint holds what is added to 1."""
    return tensor.astype(np.float32) + 1

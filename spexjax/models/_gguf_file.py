"""The GGUF container: metadata and the table of tensors, every length and offset checked against the file's size."""

import dataclasses
import math
import mmap
import os
import struct
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from spexjax.models._bounds import shown

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}  # by type
_STRING, _ARRAY = 8, 9
_ENTRIES = 1 << 22  # of an array: vocabularies have a few hundred thousand
_NAMES = 1 << 16  # of metadata entries and of tensors


@dataclasses.dataclass(frozen=True, eq=False)
class Tensor:
    """Where and how a tensor is stored; `shape` counts numbers, with the fastest axis last."""

    name: str
    kind: Any  # a gguf.GGMLQuantizationType
    shape: tuple[int, ...]
    start: int
    size: int  # in bytes


class GGUFFile:
    """One open file: `fields` holds the metadata as Python values, `tensors` the tensors by name.

    Raises:
      ValueError: if it is not a GGUF file, or not a complete one.
    """

    def __init__(self, path: Path):
        self.path, self._at = path, 0
        try:
            with path.open("rb") as stream:
                self._opened = os.fstat(stream.fileno())
                self._bytes = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            if self._bytes[:4] != b"GGUF":
                raise ValueError("it does not begin with 'GGUF'")
            self._at = 4
            version = self._scalar("I")
            if version not in (2, 3):
                raise ValueError(f"its version is {version}; 2 and 3 are read, of little-endian machines")
            tensors, fields = self._count(_NAMES), self._count(_NAMES)
            self.fields = self._unique("metadata key", [self._entry() for _ in range(fields)])
            self.tensors = self._table(tensors)
        except ValueError as error:
            raise ValueError(f"{path} is not a readable GGUF file: {error}.") from error

    def unchanged(self) -> bool:
        """Whether the file at this path is still the one that was opened, and nobody has written to it."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return os.path.samestat(now, self._opened) and now.st_mtime_ns == self._opened.st_mtime_ns

    def data(self, tensor: Tensor) -> np.ndarray:
        """The tensor as stored: numbers or, if it is quantised, the bytes of each row."""
        raw = np.frombuffer(self._bytes, np.uint8, tensor.size, tensor.start)
        number = {"F32": np.float32, "F16": np.float16, "F64": np.float64}.get(tensor.kind.name)
        return raw.reshape(*tensor.shape[:-1], -1) if number is None else raw.view(number).reshape(tensor.shape)

    def _take(self, size: int) -> int:
        """Where the next `size` bytes begin."""
        start = self._at
        if size > len(self._bytes) - start:
            raise ValueError(f"it ends where {size} more bytes should follow byte {start}")
        self._at += size
        return start

    def _scalar(self, code: str) -> Any:
        return struct.unpack_from(f"<{code}", self._bytes, self._take(struct.calcsize(f"<{code}")))[0]

    def _count(self, most: int) -> int:
        count = self._scalar("Q")
        if count > most:
            raise ValueError(f"it says {count} entries follow byte {self._at}, more than the {most} that are read")
        return count

    def _string(self) -> str:
        size = self._scalar("Q")
        start = self._take(size)
        try:
            return self._bytes[start : start + size].decode()
        except UnicodeDecodeError as error:
            raise ValueError(f"the text at byte {start} is not UTF-8") from error

    def _value(self, kind: int, nested: bool = False) -> Any:
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        if kind == _STRING:
            return self._string()
        if kind != _ARRAY or nested:
            raise ValueError(f"the value before byte {self._at} has the unknown type {kind}")
        kind, count = self._scalar("I"), self._count(_ENTRIES)
        if kind not in _SCALARS:
            return [self._value(kind, nested=True) for _ in range(count)]
        code = f"<{count}{_SCALARS[kind]}"
        return list(struct.unpack_from(code, self._bytes, self._take(struct.calcsize(code))))

    def _entry(self) -> tuple[str, Any]:
        return self._string(), self._value(self._scalar("I"))

    @staticmethod
    def _unique(what: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        named = dict(pairs)
        if len(named) < len(pairs):
            (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
            raise ValueError(f"the {what} {shown(twice)} is there twice")
        return named

    def _table(self, count: int) -> dict[str, Tensor]:
        """The tensors, which must follow one another and fill the file; otherwise a type or a shape is wrong."""
        described = [self._describe() for _ in range(count)]
        alignment = self.fields.get("general.alignment", 32)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise ValueError(f"general.alignment is {shown(alignment)}, not a power of two")
        begin = -(-self._at // alignment) * alignment
        tensors: list[tuple[str, Tensor]] = []
        end = begin
        for name, kind, shape, offset in described:
            size = self._size(name, kind, shape)
            if begin + offset != end:
                before = f"after {shown(tensors[-1][0])}, whose type or shape is wrong" if tensors else "first"
                raise ValueError(f"tensor {shown(name)} begins at byte {begin + offset}, not at {end}, {before}")
            if end + size > len(self._bytes):
                raise ValueError(
                    f"it ends within tensor {shown(name)}, {end + size - len(self._bytes)} bytes too early"
                )
            tensors.append((name, Tensor(name, kind, shape, end, size)))
            end += -(-size // alignment) * alignment
        if tensors and len(self._bytes) > end:
            raise ValueError(f"{len(self._bytes) - end} bytes follow the last tensor, which none of them explains")
        return self._unique("tensor", tensors)

    def _describe(self) -> tuple[str, Any, tuple[int, ...], int]:
        from gguf import GGMLQuantizationType

        name, axes = self._string(), self._scalar("I")
        if not 1 <= axes <= 4:
            raise ValueError(f"tensor {shown(name)} has {axes} axes")
        shape = tuple(self._scalar("Q") for _ in range(axes))[::-1]
        kind, offset = self._scalar("I"), self._scalar("Q")
        if kind not in list(GGMLQuantizationType):
            raise ValueError(f"tensor {shown(name)} has the unknown type {kind}")
        return name, GGMLQuantizationType(kind), shape, offset

    @staticmethod
    def _size(name: str, kind: Any, shape: tuple[int, ...]) -> int:
        from gguf.constants import GGML_QUANT_SIZES

        numbers, size = GGML_QUANT_SIZES[kind]  # of a block
        if 0 in shape or shape[-1] % numbers:
            raise ValueError(f"tensor {shown(name)} of shape {shape} cannot be stored as {kind.name}")
        return math.prod(shape) // numbers * size

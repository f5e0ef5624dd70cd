"""A record of values as bytes: its format, and what must hold in it."""

import hashlib
import math
import struct

import numpy as np

from spexjax._numbers import counted
from spexjax._values import narrowed

COVALUE = np.dtype("<f2")
MAGIC, FORMATS = b"spexjax", {1: "<f4", 2: "<f8", 3: "<f4", 4: "<f8"}  # single precision where it holds the values
HEADER = struct.Struct("<7sBQQ")  # magic, format, n, number of masks; then packed masks, then values
COUNT = struct.Struct("<Q")  # with co-values: after the header, how many a mask has; they come last
WITH_COVALUES = 2  # is added to the format of a record that has some

Rows = tuple[np.ndarray, np.ndarray, np.ndarray | None]  # packed masks, values and perhaps co-values


class UnusableError(Exception):
    """A record that must not be used; the message says why."""


class LaterFormatError(Exception):
    """An intact record that this version cannot read."""


def encode(packed: np.ndarray, num_features: int, values: np.ndarray, covalues: np.ndarray | None) -> bytes:
    """The record of a batch.

    Args:
      packed: masks, as bits.
      num_features: n.
      values: of the masks.
      covalues: of the masks, if there are some.
    """
    kind = 1 if narrowed(values).dtype == np.float32 else 2
    kind += 0 if covalues is None else WITH_COVALUES
    record = HEADER.pack(MAGIC, kind, num_features, len(packed))
    record += b"" if covalues is None else COUNT.pack(covalues.shape[1])
    record += packed.tobytes() + values.astype(FORMATS[kind]).tobytes()
    return record + (b"" if covalues is None else covalues.astype(COVALUE).tobytes())


def name_of(record: bytes) -> str:
    """The name of a record, which is the hash of its bytes in every format."""
    return hashlib.blake2b(record, digest_size=20).hexdigest()


def sound(name: str, record: bytes, n: int, shape: tuple[int, ...]) -> Rows:
    """What an intact record holds.

    Args:
      name: of the record.
      record: its bytes.
      n: the features that its masks must have.
      shape: of the values of one mask.

    Raises:
      UnusableError: if it is damaged, of another n or shape, or holds values that are not finite, which this version
        never writes.
      LaterFormatError: if a later version wrote it.
    """
    packed, values, covalues = _decode(name, record, n, shape)
    if not np.isfinite(values).all():
        raise UnusableError("holds values that are not finite")
    return packed, values, covalues


def _decode(name: str, record: bytes, n: int, shape: tuple[int, ...]) -> Rows:
    if name_of(record) != name or len(record) < HEADER.size:
        raise UnusableError("is damaged")
    magic, version, record_n, m = HEADER.unpack_from(record)
    if magic != MAGIC:
        raise UnusableError("is not a record of values")
    if version not in FORMATS:
        raise LaterFormatError(
            f"Record {name} has format {version}, written by a later spexjax; this one reads up to {max(FORMATS)}."
        )
    if record_n != n:
        raise UnusableError(f"has masks with {record_n} features, not {n}")
    width, count, kind = -(-n // 8), math.prod(shape), np.dtype(FORMATS[version])
    start, others = HEADER.size, None
    if version > WITH_COVALUES:
        (others,), start = COUNT.unpack_from(record.ljust(start + COUNT.size), start), start + COUNT.size
    if len(record) != start + m * (width + kind.itemsize * count + COVALUE.itemsize * (others or 0)):
        raise UnusableError(f"does not hold {counted(count, 'value')} for each of {m} masks")
    packed = np.frombuffer(record, np.uint8, m * width, start).reshape(m, width)
    values = np.frombuffer(record, kind, m * count, start + m * width).reshape(m, *shape)
    if others is None:
        return packed, values, None
    last = np.frombuffer(record[len(record) - m * others * COVALUE.itemsize :], COVALUE)
    return packed, values, last.reshape(m, others)

"""Packs: thousands of small records of a shelf in one file, so that a large shelf is opened by few reads.

A pack is an index and no more: every record in it has its own file, too, and counts only while that is there. Packs are
named by the hash of their bytes, as records are. One that is damaged or of a later format is not used, and versions
that know no packs read the files.
"""

import hashlib
import math
import re
import struct
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from spexjax.evaluation._record import COUNT, COVALUE, FORMATS, HEADER, MAGIC, WITH_COVALUES

LEAST = 4096  # records in a pack
LARGEST = 1 << 14  # bytes of a record; the files of larger ones are read as fast as a pack
_HEAD = struct.Struct("<8sQ")  # magic and version, number of records; then their names, their lengths, the records
_MAGIC, _NAME = b"spexpac1", 20
_PATTERN = re.compile("pack-[0-9a-f]{40}")


class Group(NamedTuple):
    """Records of one shape."""

    names: np.ndarray  # uint8 [k, 20]
    each: int  # masks of a record
    packed: np.ndarray  # uint8 [k * each, width]
    values: np.ndarray  # [k * each, *t]
    covalues: np.ndarray | None  # [k * each, c]


def is_pack(name: str) -> bool:
    """Whether a file is named like a pack."""
    return _PATTERN.fullmatch(name) is not None


def pack(records: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """The name and the content of a pack.

    Args:
      records: their names and bytes.
    """
    lengths = np.array([len(record) for _, record in records], "<u4")
    names = b"".join(bytes.fromhex(name) for name, _ in records)
    content = _HEAD.pack(_MAGIC, len(records)) + names + lengths.tobytes() + b"".join(r for _, r in records)
    return _name(content), content


def unpack(name: str, content: bytes, present: Container[str], n: int, shape: tuple[int, ...]) -> list[Group]:
    """The records of a pack that can be used; those of another shape are left to be read on their own.

    Args:
      name: of the pack.
      content: its bytes.
      present: the names of records whose files are there.
      n: features of the masks.
      shape: of the values of one mask.
    """
    if _name(content) != name or not content.startswith(_MAGIC):
        return []
    _, k = _HEAD.unpack_from(content)
    start = _HEAD.size
    names = np.frombuffer(content, np.uint8, k * _NAME, start).reshape(k, _NAME)
    lengths = np.frombuffer(content, "<u4", k, start + k * _NAME).astype(np.int64)
    begins = start + k * (_NAME + 4) + np.cumsum(lengths) - lengths
    here = np.array([one.hex() in present for one in each_row(names)], bool)
    places = zip(begins[here].tolist(), lengths[here].tolist(), strict=True)
    return grouped(names[here], [content[begin : begin + length] for begin, length in places], n, shape)


def grouped(names: np.ndarray, records: Sequence[bytes], n: int, shape: tuple[int, ...]) -> list[Group]:
    """Records by their shapes; those of another n or shape, or with values that are not finite, are left out.

    Args:
      names: of the records, uint8 [k, 20].
      records: that their names fit.
      n: features of the masks.
      shape: of the values of one mask.
    """
    groups: list[Group] = []
    lengths = np.array([len(record) for record in records], np.int64)
    for length in np.unique(lengths[lengths >= HEADER.size]):
        rows = np.flatnonzero(lengths == length)
        alike = np.frombuffer(b"".join([records[row] for row in rows.tolist()]), np.uint8).reshape(len(rows), length)
        heads = alike[:, : HEADER.size + COUNT.size]
        _, first, kind = np.unique(heads[:, : _same(heads)], axis=0, return_index=True, return_inverse=True)
        for i in range(len(first)):
            some = kind.ravel() == i
            groups += _group(names[rows[some]], alike[some], n, shape)
    return groups


def _same(heads: np.ndarray) -> int:
    """How much of the beginning says the shape: with co-values, their number, too."""
    return HEADER.size + (COUNT.size if (heads[:, len(MAGIC)] > WITH_COVALUES).any() else 0)


def _group(names: np.ndarray, records: np.ndarray, n: int, shape: tuple[int, ...]) -> list[Group]:
    """Records with one header, if they are of this n and shape and of a known format."""
    head = records[0].tobytes()
    magic, version, record_n, m = HEADER.unpack_from(head)
    if magic != MAGIC or version not in FORMATS or record_n != n:
        return []
    kind, width, at, others = np.dtype(FORMATS[version]), -(-n // 8), HEADER.size, 0
    if version > WITH_COVALUES:
        (others,), at = COUNT.unpack_from(head, at), at + COUNT.size
    sizes = [m * width, m * kind.itemsize * math.prod(shape), m * COVALUE.itemsize * others]
    if at + sum(sizes) != len(head):
        return []
    masks, values, last = (
        np.ascontiguousarray(part) for part in np.split(records[:, at:], np.cumsum(sizes)[:-1], axis=1)
    )
    numbers = values.reshape(-1).view(kind).reshape(len(records), m, *shape)
    fine = np.isfinite(numbers).reshape(len(records), -1).all(1)
    total = int(fine.sum()) * m
    return [
        Group(
            names=names[fine],
            each=m,
            packed=masks[fine].reshape(total, width),
            values=numbers[fine].reshape(total, *shape),
            covalues=last[fine].reshape(-1).view(COVALUE).reshape(total, others) if version > WITH_COVALUES else None,
        )
    ]


def joined(
    groups: Iterable[Group], shape: tuple[int, ...]
) -> tuple[dict[bytes, float | np.ndarray], dict[bytes, np.ndarray]]:
    """Values and finite co-values by mask, as bits; of two records with one mask, the one whose name sorts first.

    Args:
      groups: of records.
      shape: of the values of one mask.
    """
    groups = [group for group in groups if len(group.packed)]
    if not groups:
        return {}, {}
    names = np.concatenate([group.names for group in groups])
    of_record = np.repeat([group.each for group in groups], [len(group.names) for group in groups])
    words = np.ascontiguousarray(names).view(">u4")  # [k, 5], whose order is that of the names
    rank = np.empty(len(names), np.int64)
    rank[np.lexsort(words.T[::-1])] = np.arange(len(names))
    order = np.argsort(np.repeat(rank, of_record), kind="stable")[::-1]  # what comes last is kept
    packed = np.concatenate([group.packed for group in groups])[order]
    values = np.concatenate([group.values for group in groups])[order]
    masks = list(each_row(packed))
    known = dict(zip(masks, list(values) if shape else values.tolist(), strict=True))
    if all(group.covalues is None for group in groups):
        return known, {}
    rows = [
        row
        for group in groups
        for row in (group.covalues if group.covalues is not None else [None] * len(group.packed))
    ]
    others = {
        mask: np.array(rows[i])
        for mask, i in zip(masks, order.tolist(), strict=True)
        if rows[i] is not None and np.isfinite(rows[i]).all()
    }
    return known, others


def each_row(rows: np.ndarray) -> list[bytes]:
    """The rows of a uint8 matrix as bytes."""
    rows = np.ascontiguousarray(rows)
    if not rows.shape[1]:
        return [b""] * len(rows)
    return rows.view(f"V{rows.shape[1]}").ravel().tolist()


def _name(content: bytes) -> str:
    return "pack-" + hashlib.blake2b(content, digest_size=_NAME).hexdigest()

"""Packing many token sequences into few fixed-shape rows, in which sequences share the tokens they begin with.

Ablated prompts differ late: sorted, neighbours have long common beginnings. A row is the trie of its sequences in
depth-first order. Node j is an ancestor of node i exactly when `j <= i < ends[j]`, so one integer a node is all that
causal attention over a trie needs, and what two sequences have in common is computed once.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Int

from spexjax.ablations.reading import Inputs
from spexjax.typing import Batch

_ROWS = (160, 192, 224, 256, 288, 320)  # nodes a row: long enough to share, short enough for cheap attention
_ATTENTION = 1400  # nodes a row at which attention costs as much as all else
_BATCH = {"cpu": 2048}  # nodes a batch: enough to fill the device
_BATCH_ELSEWHERE = 65536


class Rows(NamedTuple):
    """Packed rows; unused nodes see only themselves."""

    tokens: Int[np.ndarray, "r t"]
    positions: Int[np.ndarray, "r t"]
    ends: Int[np.ndarray, "r t"]
    row_of: Int[np.ndarray, " s"]  # which row holds each sequence
    last_nodes: Int[np.ndarray, "s k"]  # its last k nodes, in the row
    used: Int[np.ndarray, " r"]  # nodes in use per row


def common_prefix(sequences: Int[np.ndarray, "s l"]) -> Int[np.ndarray, " s"]:
    """How many leading entries each padded sequence shares with the one before it; 0 for the first."""
    if len(sequences) == 0:
        return np.zeros(0, np.int64)
    same = np.logical_and.accumulate(sequences[1:] == sequences[:-1], axis=1).sum(1)
    return np.concatenate([[0], same])


def pack(
    tokens: Sequence[Sequence[int]],
    positions: Sequence[Sequence[int]],
    reads: int,
    row_length: int | None = None,
    devices: int = 1,
) -> Rows:
    """Packs distinct sequences, greedily in sorted order, into rows.

    Args:
      tokens: s sequences of token ids.
      positions: the position of each token; equal tokens at different positions are different nodes.
      reads: k, how many of each sequence's last nodes are wanted.
      row_length: t, nodes a row, no fewer than the longest sequence has; the least costly if not given.
      devices: how many share the rows.
    """
    lengths = np.array([len(t) for t in tokens], np.int64)
    merged = np.full((len(tokens), lengths.max(initial=0)), -1, np.int64)
    for row, ids, places in zip(merged, tokens, positions, strict=True):
        row[: len(ids)] = (np.asarray(ids, np.int64) << 32) | np.asarray(places, np.int64)
    order = np.lexsort(merged.T[::-1]) if merged.size else np.arange(len(tokens))
    shared = np.minimum(common_prefix(merged[order]), lengths[order])
    if row_length is None:
        row_length = _least_costly(lengths[order], shared, devices)
    starts = _starts(lengths[order], shared, row_length)
    shared[starts] = 0
    r = len(starts)
    ids, places = np.zeros((2, r, row_length), np.int32)
    ends = np.tile(np.arange(1, row_length + 1, dtype=np.int32), (r, 1))
    row_of, last, used = (
        np.zeros(len(tokens), np.int32),
        np.zeros((len(tokens), reads), np.int32),
        np.zeros(r, np.int32),
    )
    for row, (first, stop) in enumerate(zip(starts, [*starts[1:], len(order)][:r], strict=True)):
        path, at = np.zeros(0, np.int32), 0
        for i in range(first, stop):
            s, keep = order[i], shared[i]
            ends[row, path[keep:]] = at  # these nodes' subtrees are complete
            new = np.arange(at, at + lengths[s] - keep, dtype=np.int32)
            ids[row, new], places[row, new] = tokens[s][keep:], positions[s][keep:]
            path, at = np.concatenate([path[:keep], new]), at + len(new)
            row_of[s], last[s] = row, path[lengths[s] - reads :]
        ends[row, path], used[row] = at, at
    return Rows(ids, places, ends, row_of, last, used)


def shared_prefix(tokens: Sequence[Sequence[int]], positions: Sequence[Sequence[int]], reads: int) -> int:
    """How many leading tokens, at positions 0, 1, ..., all sequences share, leaving each at least its `reads`."""
    limit = min(map(len, tokens), default=reads) - reads
    nodes = ({(t[i], p[i]) for t, p in zip(tokens, positions, strict=True)} for i in range(limit))
    return next((i for i, found in enumerate(nodes) if found != {(tokens[0][i], i)}), limit)


def batches(
    tokens: Sequence[Sequence[int]], positions: Sequence[Sequence[int]], reads: int, devices: int = 1
) -> Iterator[Batch]:
    """Packs the sequences and groups the rows into batches of one shape, for so many devices side by side."""
    rows = pack(tokens, positions, reads, devices=devices)
    count, length = rows.tokens.shape
    if count == 0:
        return
    size = _rows_per_batch(-(-count // devices), length)
    members = [np.flatnonzero(rows.row_of // size == g) for g in range(-(-count // size))]
    slots = _round_up(max(map(len, members)), 8)
    for g, inside in enumerate(members):
        part = slice(g * size, (g + 1) * size)
        spare = ((0, size - len(rows.tokens[part])), (0, 0))
        ends = np.concatenate([rows.ends[part], np.tile(np.arange(1, length + 1, dtype=np.int32), (spare[0][1], 1))])
        reads_at = (rows.row_of[inside] - g * size)[:, None] * length + rows.last_nodes[inside]
        more = ((0, slots - len(inside)), (0, 0))
        inputs = Inputs(
            np.pad(rows.tokens[part], spare), np.pad(rows.positions[part], spare), ends, np.pad(reads_at, more)
        )
        yield Batch(np.pad(inside, more[0], constant_values=-1), inputs, int(rows.used[part].sum()), size * length)


def _starts(lengths: Int[np.ndarray, " s"], shared: Int[np.ndarray, " s"], row_length: int) -> list[int]:
    """Which of the sorted sequences open a row."""
    starts, fill = [], row_length
    for i, (length, new) in enumerate(zip(lengths.tolist(), (lengths - shared).tolist(), strict=True)):
        if fill + new > row_length:
            starts.append(i)
            fill = length
        else:
            fill += new
    return starts


def _least_costly(lengths: Int[np.ndarray, " s"], shared: Int[np.ndarray, " s"], devices: int) -> int:
    """The row length of least work for the busiest device, spare nodes and attention counted."""
    least, total = _round_up(int(lengths.max(initial=1)), 32), _round_up(int(lengths.sum()), 32)
    options = {max(least, min(option, _round_up(-(-total // devices), 32))) for option in _ROWS}

    def cost(row_length: int) -> float:
        count = -(-len(_starts(lengths, shared, row_length)) // devices)
        batches = -(-count // (size := _rows_per_batch(count, row_length)))
        return batches * size * row_length * (1 + row_length / _ATTENTION)

    return min(sorted(options), key=cost)


def _rows_per_batch(count: int, row_length: int) -> int:
    """How many rows fill the device and leave the fewest over in the last batch."""
    most = max(1, min(count, _BATCH.get(jax.default_backend(), _BATCH_ELSEWHERE) // row_length))
    return min(range(most, most // 2, -1), key=lambda size: -(-count // size) * size, default=1)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple

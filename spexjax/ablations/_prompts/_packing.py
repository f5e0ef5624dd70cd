"""Packs many token sequences into long rows, in which sequences share their common beginning.

Ablated prompts differ late, so that neighbours in sorted order have long common beginnings. A row is the trie of its
sequences in depth-first order. Node j is an ancestor of node i exactly when `j <= i < ends[j]`: one integer per node is
all that causal attention over a trie needs, and a common beginning is computed once. Rows are cut into blocks, each
with a list of the ancestors before it, so that the cost of attention grows with the sequences' lengths, not the row's.
All sizes are powers of two that depend on little, so that texts of about the same length share one program.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from spexjax.ablation import Batch
from spexjax.ablations._prompts._reading import Inputs

_BLOCK = 64  # nodes per block; the length of a row is a multiple of it
_LEAST = 256  # nodes in a row, where there are as many: fewer do not keep a processor busy
_ROWS = 16  # from this many rows on they become longer; half of the last one is spare on average
_LONGER = 4  # than the longest sequence: each row begins with a sequence that shares nothing
_DENSE = 16  # nodes for each place to read from; there may be more places
_FEW = 16  # places for the ancestors of a block, at least


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
    most: int = 2048,
    group: int = 1,
) -> Rows:
    """Packs distinct sequences, greedily in sorted order, into rows.

    Args:
      tokens: s sequences of token ids.
      positions: the position of each token; equal tokens at different positions are different nodes.
      reads: k, how many of each sequence's last nodes are wanted; a shorter sequence has its first one again.
      row_length: t, nodes per row, at least the length of the longest sequence; None to choose it.
      devices: how many share the rows.
      most: the longest row, if the row length is None and no group is longer.
      group: g, so many sequences in turn share a row, such as one prompt with g answers.
    """
    lengths = np.array([len(t) for t in tokens], np.int64)
    merged = np.full((len(tokens), lengths.max(initial=0)), -1, np.int64)
    for row, sequence, where in zip(merged, tokens, positions, strict=True):
        row[: len(sequence)] = (np.asarray(sequence, np.int64) << 32) | np.asarray(where, np.int64)
    firsts = np.lexsort(merged[::group].T[::-1]) if merged.size else np.arange(len(tokens) // group)
    order = (firsts[:, None] * group + np.arange(group)).ravel()
    shared = np.minimum(common_prefix(merged[order]), lengths[order])
    joint = shared.reshape(-1, group)[:, 0]  # what each group shares with the one before
    nodes = (lengths[order] - shared).reshape(-1, group).sum(1) + joint
    if row_length is None:
        row_length = _row_length(int(nodes.max(initial=1)), int((nodes - joint).sum()), devices, most)
    starts = [group * i for i in _starts(nodes, joint, row_length)]
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
            row_of[s], last[s] = row, path[np.maximum(np.arange(lengths[s] - reads, lengths[s]), 0)]
        ends[row, path], used[row] = at, at
    return Rows(ids, places, ends, row_of, last, used)


def shared_prefix(tokens: Sequence[Sequence[int]], positions: Sequence[Sequence[int]], reads: int) -> int:
    """How many leading tokens, at positions 0, 1, ..., all sequences share beside the last `reads` of each.

    Args:
      tokens: s sequences of token ids.
      positions: of each token.
      reads: how many of its last tokens each sequence keeps.
    """
    limit = max(0, min(map(len, tokens), default=reads) - reads)
    nodes = ({(t[i], p[i]) for t, p in zip(tokens, positions, strict=True)} for i in range(limit))
    return next((i for i, found in enumerate(nodes) if found != {(tokens[0][i], i)}), limit)


def ancestors(ends: Int[np.ndarray, "r t"], block: int, least: int = 0) -> Int[np.ndarray, "r b a"]:
    """The nodes before each block of t / b that its first node sees, -1 for none; a is the most there are.

    Args:
      ends: where each node's subtree ends.
      block: nodes a block.
      least: the smallest a.
    """
    starts = range(0, ends.shape[1], block)
    seen = [np.flatnonzero(row[:start] > start) for row in ends for start in starts]
    listed = np.full((len(seen), max(least, *map(len, seen), 0)), -1, np.int32)
    for row, nodes in zip(listed, seen, strict=True):
        row[: len(nodes)] = nodes
    return listed.reshape(len(ends), len(starts), listed.shape[1])


def batches(
    tokens: Sequence[Sequence[int]],
    positions: Sequence[Sequence[int]],
    targets: Int[np.ndarray, "g *a"],
    reads: int,
    *,
    devices: int = 1,
    most: int = 2048,
    group: int = 1,
) -> Iterator[Batch]:
    """Packs the sequences into batches of one shape, each a row; packing is done before this returns.

    Args:
      tokens: as in `pack`.
      positions: as in `pack`.
      targets: the tokens of the answers, for each sequence or group of them.
      reads: as in `pack`.
      devices: how many share the batches.
      most: the most nodes per batch, unless one group has more.
      group: as in `pack`; a group gives one value, or one set of values, read from the last nodes of all of it.
    """
    rows = pack(tokens, positions, reads, devices=devices, most=most, group=group)
    last_nodes = rows.last_nodes.reshape(-1, group * reads)
    above = ancestors(rows.ends, _BLOCK, power_of_two(max(map(len, tokens), default=0), _FEW))
    members = [np.flatnonzero(rows.row_of[::group] == row) for row in range(len(rows.tokens))]
    slots = power_of_two(max(map(len, members), default=0), rows.tokens.shape[1] // _DENSE)

    def batch(row: int) -> Batch:
        inside, one = members[row], slice(row, row + 1)
        spare = (0, slots - len(inside))
        wanted = (np.pad(each[inside], (spare, *[(0, 0)] * (each.ndim - 1))) for each in (last_nodes, targets))
        inputs = Inputs(rows.tokens[one], rows.positions[one], rows.ends[one], above[one], *wanted)
        return Batch(np.pad(inside, spare, constant_values=-1), inputs, int(rows.used[row]), rows.tokens.shape[1])

    return map(batch, range(len(rows.tokens)))


def _starts(lengths: Int[np.ndarray, " s"], shared: Int[np.ndarray, " s"], row_length: int) -> list[int]:
    """Which of the sorted sequences, or groups of them, begin a new row."""
    starts, fill = [], row_length
    for i, (length, new) in enumerate(zip(lengths.tolist(), (lengths - shared).tolist(), strict=True)):
        if fill + new > row_length:
            starts.append(i)
            fill = length
        else:
            fill += new
    return starts


def _row_length(longest: int, total: int, devices: int, most: int) -> int:
    """Nodes per row, for so many nodes in all: a power of two, unless a sequence is longer than allowed."""
    total = power_of_two(-(-total // devices), _BLOCK)
    wanted = max(total // _ROWS, _LONGER * power_of_two(longest, 1), _LEAST)
    return max(min(wanted, total, power_of_two(most + 1, 2 * _BLOCK) // 2), -(-longest // _BLOCK) * _BLOCK)


def power_of_two(size: int, least: int) -> int:
    """The least power of two that is not below `size`.

    Args:
      size: what has to find room.
      least: the smallest answer, a power of two.

    >>> [power_of_two(size, 16) for size in (0, 16, 17, 100)]
    [16, 16, 32, 128]
    """
    return max(least, 1 << max(size - 1, 0).bit_length())

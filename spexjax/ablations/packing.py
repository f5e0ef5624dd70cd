"""Packing many token sequences into few fixed-shape rows, in which sequences share the tokens they begin with.

Ablated prompts differ late: sorted, neighbours have long common beginnings. A row is the trie of its sequences in
depth-first order. Node j is an ancestor of node i exactly when `j <= i < ends[j]`, so one integer a node is all that
causal attention over a trie needs, and what two sequences have in common is computed once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int


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
    tokens: Sequence[Sequence[int]], positions: Sequence[Sequence[int]], row_length: int, reads: int
) -> Rows:
    """Packs distinct sequences, greedily in sorted order, into rows of `row_length` nodes.

    Args:
      tokens: s sequences of token ids, none longer than `row_length`.
      positions: the position of each token; equal tokens at different positions are different nodes.
      row_length: t, nodes a row.
      reads: k, how many of each sequence's last nodes are wanted.
    """
    lengths = np.array([len(t) for t in tokens])
    merged = np.full((len(tokens), lengths.max(initial=0)), -1, np.int64)
    for row, ids, places in zip(merged, tokens, positions, strict=True):
        row[: len(ids)] = (np.asarray(ids, np.int64) << 32) | np.asarray(places, np.int64)
    order = np.lexsort(merged.T[::-1]) if merged.size else np.arange(len(tokens))
    shared = np.minimum(common_prefix(merged[order]), lengths[order])

    starts, fill = [], row_length + 1
    for i, s in enumerate(order):  # the row each sequence opens, if any
        if fill + lengths[s] - shared[i] > row_length:
            starts.append(i)
            shared[i], fill = 0, 0
        fill += lengths[s] - shared[i]

    r = len(starts)
    ids, places = np.zeros((2, r, row_length), np.int32)
    ends = np.tile(np.arange(1, row_length + 1, dtype=np.int32), (r, 1))
    row_of, last, used = np.zeros(len(tokens), np.int32), np.zeros((len(tokens), reads), np.int32), np.zeros(r, np.int32)
    for row, (first, stop) in enumerate(zip(starts, [*starts[1:], len(order)], strict=True)):
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

"""Packing: every sequence can be read back from its row, and nothing is there twice."""

import numpy as np
import pytest

from spexjax.ablations._prompts._packing import ancestors, batches, pack, shared_prefix


def sequences(count, length, alphabet, seed=0):
    rng = np.random.default_rng(seed)
    made = {tuple(rng.integers(0, alphabet, rng.integers(1, length + 1)).tolist()) for _ in range(count)}
    return sorted(made, key=hash)


def batched(tokens, **options):
    answers = np.array([(t[-1], 7) for t in tokens], np.int32).reshape(len(tokens), 2)
    return batches(tokens, [tuple(range(len(t))) for t in tokens], answers, 1, **options)


def path(rows, row, node):
    """The nodes that `node` sees: its ancestors and itself."""
    nodes = np.arange(node + 1)
    return nodes[node < rows.ends[row, : node + 1]]


@pytest.mark.parametrize(
    ("count", "length", "alphabet"), [(1, 1, 2), (2, 5, 2), (60, 12, 2), (40, 30, 5), (33, 64, 100)]
)
def test_every_sequence_is_a_path(count, length, alphabet):
    tokens = sequences(count, length, alphabet)
    positions = [tuple(range(10, 10 + len(t))) for t in tokens]
    rows = pack(tokens, positions, 1, 64)
    for s, (ids, places) in enumerate(zip(tokens, positions, strict=True)):
        seen = path(rows, rows.row_of[s], rows.last_nodes[s, 0])
        assert tuple(rows.tokens[rows.row_of[s], seen].tolist()) == ids
        assert tuple(rows.positions[rows.row_of[s], seen].tolist()) == places
    for row in range(len(rows.tokens)):  # a trie: no two nodes with the same path
        paths = [tuple(rows.tokens[row, path(rows, row, i)].tolist()) for i in range(rows.used[row])]
        assert len(set(paths)) == len(paths)
        for spare in range(rows.used[row], 64):
            assert path(rows, row, spare).tolist() == [spare]


def test_sharing_saves_work():
    tokens = sequences(200, 12, 2)
    rows = pack(tokens, [tuple(range(len(t))) for t in tokens], 1)
    assert rows.used.sum() < 0.6 * sum(map(len, tokens))


def test_equal_tokens_at_other_positions_are_other_nodes():
    rows = pack([(1, 2), (1, 2)], [(0, 1), (0, 5)], 1, 64)
    assert rows.used.tolist() == [3]


def test_shared_prefix_leaves_the_reads():
    tokens = [(1, 2, 3, 4), (1, 2, 3), (1, 2, 9, 9)]
    places = [tuple(range(len(t))) for t in tokens]
    assert shared_prefix(tokens, places, 1) == 2
    assert shared_prefix(tokens, places, 2) == 1
    assert shared_prefix(tokens[:1], places[:1], 1) == 3
    assert shared_prefix([], [], 1) == 0


@pytest.mark.parametrize(("count", "length", "alphabet"), [(1, 1, 2), (40, 30, 5), (200, 12, 2), (20, 90, 3)])
@pytest.mark.parametrize("block", [4, 32, 128])
def test_a_block_sees_the_prefix_of_its_first_node(count, length, alphabet, block):
    tokens = sequences(count, length, alphabet)
    rows = pack(tokens, [tuple(range(len(t))) for t in tokens], 1, 128)
    above = ancestors(rows.ends, block)
    assert above.shape[:2] == (len(rows.tokens), 128 // block)
    for row in range(len(rows.tokens)):
        for node in range(rows.used[row]):
            start = node // block * block
            listed = [a for a in above[row, node // block].tolist() if a >= 0 and node < rows.ends[row, a]]
            seen = path(rows, row, node)
            assert listed == seen[seen < start].tolist()


@pytest.mark.parametrize("count", [3, 500])
@pytest.mark.parametrize("devices", [1, 3])
@pytest.mark.parametrize("most", [64, 500, 5000])
def test_rows_are_no_longer_than_allowed(count, devices, most):
    tokens = sequences(count, 40, 3)
    rows = pack(tokens, [tuple(range(len(t))) for t in tokens], 1, devices=devices, most=most)
    assert rows.tokens.shape[1] <= most
    assert rows.tokens.shape[1] % 64 == 0
    assert np.bincount(rows.row_of).tolist() == [(rows.row_of == r).sum() for r in range(len(rows.tokens))]
    assert rows.used.sum() <= sum(map(len, tokens))


def test_many_sequences_share_their_programs():
    shapes = set()
    for seed in range(4):
        tokens = sequences(12000, 12, 20, seed)
        made = list(batched(tokens, most=4096))
        shapes |= {tuple(np.shape(leaf) for leaf in b.inputs) for b in made}
    assert len(shapes) <= 2  # the number of values read is rounded up, to one or the next


def test_batches_answer_each_sequence_once_in_one_shape():
    tokens = sequences(500, 40, 3)
    made = list(batched(tokens))
    slots = np.concatenate([b.slots for b in made])
    assert sorted(slots[slots >= 0].tolist()) == list(range(len(tokens)))
    assert len({tuple(np.shape(leaf) for leaf in b.inputs) for b in made}) == 1
    assert sum(b.work for b in made) > 0.85 * sum(b.capacity for b in made)
    for batch in made:
        for slot, read in zip(batch.slots, batch.inputs.reads, strict=True):
            if slot >= 0:
                assert batch.inputs.tokens.reshape(-1)[read[0]] == tokens[slot][-1]
        real = batch.slots >= 0
        assert batch.inputs.targets[real].tolist() == [[tokens[slot][-1], 7] for slot in batch.slots[real]]
    assert list(batched([])) == []

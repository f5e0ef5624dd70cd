"""Packs of a store: what they hold is what the records hold, and whoever damages or deletes something is heard."""

import numpy as np
import pytest

from spexjax.evaluation import Store, _packs, _store

N, M = 11, 3


@pytest.fixture
def few(monkeypatch):
    """Packs of ten records."""
    monkeypatch.setattr(_store, "LEAST", 10)


def batches(count, seed=0, shape=()):
    rng = np.random.default_rng(seed)
    return [(rng.random((M, N)) < 0.5, rng.normal(size=(M, *shape)).astype(np.float32)) for _ in range(count)]


def packs(folder):
    return sorted((folder / "game").glob("pack-*"))


def filled(folder, count=25, covalues=False, shape=()):
    """A shelf of many small records, some in double precision and some with co-values."""
    shelf = Store(folder).shelf("game", N, *shape)
    for i, (masks, values) in enumerate(batches(count, shape=shape)):
        others = np.full((M, 2), i, np.float16) if covalues and i % 3 == 0 else None
        shelf.add(masks, values.astype(np.float64) / 3 if i % 2 else values, others)
    return np.concatenate([masks for masks, _ in batches(count, shape=shape)])


@pytest.mark.parametrize(("covalues", "shape"), [(False, ()), (True, ()), (False, (4,)), (True, (4,))])
def test_packs_say_what_records_say(tmp_path, monkeypatch, covalues, shape):
    masks = filled(tmp_path, covalues=covalues, shape=shape)
    plain = Store(tmp_path).shelf("game", N, *shape)
    assert not packs(tmp_path)
    monkeypatch.setattr(_store, "LEAST", 10)
    for there in (0, 2, 2):  # what is opened first writes them
        assert len(packs(tmp_path)) == there
        shelf = Store(tmp_path).shelf("game", N, *shape)
        assert shelf.values(masks).tobytes() == plain.values(masks).tobytes()
        assert shelf.covalues(masks).tobytes() == plain.covalues(masks).tobytes()
        assert len(shelf) == len(plain)
    assert covalues == bool(plain.covalues(masks).size)


def test_records_of_one_mask_are_believed_in_the_order_of_their_names(tmp_path, monkeypatch):
    mask = np.ones((1, N), bool)
    for i in range(30):
        Store(tmp_path).shelf("game", N).add(mask, np.float32([i]))
    believed = Store(tmp_path).shelf("game", N).values(mask)
    monkeypatch.setattr(_store, "LEAST", 7)
    for _ in range(3):
        assert Store(tmp_path).shelf("game", N).values(mask) == believed


def test_a_writer_packs_what_it_adds(tmp_path, few):
    filled(tmp_path, 25)
    assert len(packs(tmp_path)) == 2
    (content, *_) = [path.read_bytes() for path in packs(tmp_path)]
    assert content.startswith(b"spexpac1")


def test_a_damaged_pack_is_not_used(tmp_path, few):
    masks = filled(tmp_path)
    wanted = Store(tmp_path).shelf("game", N).values(masks)
    for path, damage in zip(packs(tmp_path), (lambda c: c[:-5], lambda c: c[:90] + b"?" + c[91:]), strict=True):
        path.write_bytes(damage(path.read_bytes()))
    assert Store(tmp_path).shelf("game", N).values(masks).tobytes() == wanted.tobytes()
    for path in packs(tmp_path):
        path.write_bytes(b"")
    assert Store(tmp_path).shelf("game", N).values(masks).tobytes() == wanted.tobytes()


def test_a_record_that_was_deleted_is_gone(tmp_path, few):
    filled(tmp_path)
    known = len(Store(tmp_path).shelf("game", N))
    next(path for path in (tmp_path / "game").iterdir() if len(path.name) == 40).unlink()
    assert len(Store(tmp_path).shelf("game", N)) == known - M


def test_a_pack_of_another_n_hides_nothing(tmp_path, few):
    filled(tmp_path)
    with pytest.warns(UserWarning, match=f"has masks with {N} features, not 9"):
        assert len(Store(tmp_path).shelf("game", 9)) == 0


def test_a_place_that_takes_no_pack_is_read_all_the_same(tmp_path, few, monkeypatch):
    masks = filled(tmp_path, 9)
    filled(tmp_path / "other", 25)

    def full(records):
        raise OSError("the disk is full")

    monkeypatch.setattr(_store, "pack", full)
    assert len(Store(tmp_path / "other").shelf("game", N)) >= len(Store(tmp_path).shelf("game", N)) > 0
    assert np.isfinite(Store(tmp_path).shelf("game", N).values(masks)).all()


def test_what_is_large_stays_in_its_own_file(tmp_path, few, monkeypatch):
    monkeypatch.setattr(_store, "LARGEST", 20)
    filled(tmp_path)
    assert not packs(tmp_path)
    assert len(Store(tmp_path).shelf("game", N)) > 0


def test_no_record_is_no_row():
    assert _packs.joined([], ()) == ({}, {})
    assert _packs.unpack("pack-" + "0" * 40, b"", set(), N, ()) == []

"""The store: what was written is read, bit for bit, whoever was killed meanwhile; what is damaged is never used."""

import hashlib
import os
import random
import re
import resource
import struct
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import interrupted
import numpy as np
import pytest
from common import all_masks

from spexjax import ablations
from spexjax.evaluation import evaluate
from spexjax.evaluation._store import Store, _reason


def draw(m, n, seed=0):
    """At most m distinct masks, and values."""
    rng = np.random.default_rng(seed)
    masks = np.unique(rng.random((m, n)) < 0.5, axis=0)
    return masks, rng.normal(size=len(masks)).astype(np.float32)


def same(a, b):
    """Whether numbers of any precision are the same, bit for bit."""
    return np.asarray(a, np.float64).tobytes() == np.asarray(b, np.float64).tobytes()


def run(task, folder):
    """Runs a task of `interrupted.py` with warnings as errors."""
    script = Path(interrupted.__file__)
    command = [sys.executable, "-W", "error::UserWarning", script, task, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def records(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


@pytest.mark.parametrize("n", [1, 7, 8, 13, 1000])
@pytest.mark.parametrize("m", [0, 1, 2, 65])
def test_what_was_added_is_read(tmp_path, m, n):
    masks, values = draw(m, n)
    store = Store(tmp_path / "new" / "store")
    shelf = store.shelf("game", n)
    assert len(shelf) == 0
    assert np.isnan(shelf.values(masks)).all()
    shelf.add(masks[::2], values[::2])
    for reader in (shelf, store.shelf("game", n), Store(str(tmp_path / "new" / "store")).shelf("game", n)):
        assert len(reader) == len(values[::2])
        assert same(reader.values(masks)[::2], values[::2])
        assert np.isnan(reader.values(masks)[1::2]).all()
        assert reader.values(masks[:0]).shape == (0,)


@pytest.mark.parametrize("location", ["folder", "file://{}/folder", "memory://", "memory://some/path"])
def test_locations(tmp_path, monkeypatch, location):
    monkeypatch.chdir(tmp_path)
    store, (masks, values) = Store(location.format(tmp_path)), draw(5, 20)
    store.shelf("game", 20).add(masks, values)
    assert same(store.shelf("game", 20).values(masks), values)
    assert (tmp_path / "folder").exists() == ("folder" in location)
    assert repr(store).startswith("Store('")


def test_a_folder_that_is_none():
    with pytest.raises(ValueError, match="A store is a folder or a URL such as gs://bucket/path; 'nowhere://x' cannot"):
        Store("nowhere://x")


@pytest.mark.parametrize("location", ["http://example.org/store", "HTTPS://example.org/store/"])
def test_a_place_that_can_only_be_read(location):
    with pytest.raises(
        ValueError, match=rf"^A store must be writable, and '{location}' can only be read; give a folder"
    ):
        Store(location)


def test_a_name_is_any_string(tmp_path):
    names = [
        "game",
        "Game",
        "game_",
        "",
        ".",
        "..",
        "/",
        "a/b",
        "a",
        "a%2fb",
        "%",
        "é",
        "f" * 64,
        "x" * 500,
        " game",
        "\ud800",
    ]
    store, masks = Store(tmp_path), all_masks(3)
    for i, name in enumerate(names):
        shelf = store.shelf(name, 3)
        assert len(shelf) == 0
        shelf.add(masks[i % 8 :][:1], np.float32([i]))
    for i, name in enumerate(names):
        shelf = store.shelf(name, 3)
        assert len(shelf) == 1
        assert shelf.values(masks)[i % 8] == i
    assert len({path.parent.name.lower() for path in records(tmp_path)}) == len(list(tmp_path.iterdir())) == len(names)


def test_equal_masks_and_equal_batches(tmp_path):
    masks, values = draw(6, 40)
    shelf = Store(tmp_path).shelf("game", 40)
    shelf.add(masks[[0, 1, 0]], values[[0, 1, 0]])
    shelf.add(masks[[0, 1, 0]], values[[0, 1, 0]])
    assert len(records(tmp_path)) == 1
    assert len(shelf) == 2
    assert same(shelf.values(masks[[1, 0, 0, 1]]), values[[1, 0, 0, 1]])


def test_every_bit_of_a_value_is_kept(tmp_path):
    values = np.float32([0.0, -0.0, 1e-45, -3.4e38, 1 / 3, 1 + 2**-23, 2**-126, np.pi])
    Store(tmp_path).shelf("game", 3).add(all_masks(3), values)
    assert same(Store(tmp_path).shelf("game", 3).values(all_masks(3)), values)


def test_the_first_record_is_believed(tmp_path):
    masks = all_masks(4)
    for value in range(10):  # each writer has seen an empty store
        Store(tmp_path / f"of {value}").shelf("game", 4).add(masks, np.full(16, value, np.float32))
    (tmp_path / "all" / "game").mkdir(parents=True)
    by_name = {path.name: path for path in records(tmp_path)}
    for name, path in by_name.items():
        path.rename(tmp_path / "all" / "game" / name)
    for _ in range(3):
        believed = Store(tmp_path / "all").shelf("game", 4).values(masks)
        assert set(believed) == {float(by_name[min(by_name)].parent.parent.name[3:])}


def test_a_known_value_stays(tmp_path):
    shelf = Store(tmp_path).shelf("game", 2)
    shelf.add(all_masks(2)[:1], np.float32([1]))
    shelf.add(all_masks(2)[:2], np.float32([2, 3]))
    np.testing.assert_array_equal(shelf.values(all_masks(2)), [1, 3, np.nan, np.nan])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(tmp_path, bad):
    shelf = Store(tmp_path).shelf("game", 2)
    with pytest.raises(ValueError, match=r"one finite value per mask; got 3 finite values in shape \(4,\) for 4 masks"):
        shelf.add(all_masks(2), np.float32([1, 2, bad, 3]))
    assert len(shelf) == len(records(tmp_path)) == 0


def test_masks_of_another_n(tmp_path):
    shelf = Store(tmp_path).shelf("game", 5)
    with pytest.raises(ValueError, match=r"Masks must be \[m, 5\], .*; got \(8, 3\)"):
        shelf.values(all_masks(3))
    with pytest.raises(ValueError, match=r"Masks must be \[m, 5\]"):
        shelf.add(all_masks(3), np.zeros(8, np.float32))


def test_the_format_is_what_older_stores_have(tmp_path):
    Store(tmp_path).shelf("game", 3).add(all_masks(3)[[1, 6]], np.float32([0.5, -2]))
    (path,) = records(tmp_path)
    header, bits, numbers = b"spexjax\x01" + bytes([3, *[0] * 7, 2, *[0] * 7]), b"\x80\x60", "0000003f000000c0"
    assert path.read_bytes() == header + bits + bytes.fromhex(numbers)
    assert path.relative_to(tmp_path) == Path("game") / hashlib.blake2b(path.read_bytes(), digest_size=20).hexdigest()


DAMAGE = {
    "truncated": lambda record: record[:-3],
    "only its header": lambda record: record[:24],
    "empty": lambda record: b"",
    "longer": lambda record: record + b"\0",
    "another format": lambda record: record[:7] + b"\x09" + record[8:],
    "a mask": lambda record: record[:24] + bytes([record[24] ^ 1]) + record[25:],
    "a value": lambda record: record[:-2] + bytes([record[-2] ^ 64]) + record[-1:],
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_reported_evaluated_again_and_mended(tmp_path, damage):
    masks, values = draw(30, 13)
    shelf = Store(tmp_path).shelf("game", 13)
    shelf.add(masks[10:20], values[10:20])
    (path,) = records(tmp_path)
    shelf.add(masks[:10], values[:10])
    shelf.add(masks[20:], values[20:])
    path.write_bytes(DAMAGE[damage](path.read_bytes()))
    with pytest.warns(UserWarning, match=rf"1 of 3 records in file://.* evaluated again .*: {path.name} is damaged\.$"):
        shelf = Store(tmp_path).shelf("game", 13)
    assert len(shelf) == 20
    missing = np.isnan(shelf.values(masks))
    assert missing.tolist() == [False] * 10 + [True] * 10 + [False] * 10
    shelf.add(masks[missing], values[missing])
    for reader in (shelf, Store(tmp_path).shelf("game", 13)):
        assert same(reader.values(masks), values)
    assert len(records(tmp_path)) == 3


def test_many_damaged_records_are_one_warning(tmp_path):
    for i in range(9):
        Store(tmp_path).shelf("game", 9).add(*draw(4, 9, seed=i))
    for path in records(tmp_path)[1:]:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match=r"8 of 9 records .* is damaged, \.\.\.\.$") as told:
        assert len(Store(tmp_path).shelf("game", 9)) > 0
    assert len(told) == 1


def test_records_of_another_n_are_not_used(tmp_path):
    Store(tmp_path).shelf("game", 9).add(*draw(4, 9))
    with pytest.warns(UserWarning, match="has masks with 9 features, not 10"):
        assert len(Store(tmp_path).shelf("game", 10)) == 0


def test_a_later_format_says_what_to_do(tmp_path):
    Store(tmp_path).shelf("game", 9).add(*draw(4, 9))
    (path,) = records(tmp_path)
    later = DAMAGE["another format"](path.read_bytes())
    (path.parent / hashlib.blake2b(later, digest_size=20).hexdigest()).write_bytes(later)
    with pytest.raises(ValueError, match=r"has format 9, .* reads (up to )?\d\. Read file://.* with that version, or"):
        Store(tmp_path).shelf("game", 9)


def test_other_files_are_left_alone(tmp_path):
    masks, values = draw(4, 9)
    Store(tmp_path).shelf("game", 9).add(masks, values)
    (path,) = records(tmp_path)
    for name in (f"{path.name}.__lock", f"{'0' * 40}.__lock", ".DS_Store", "notes.txt", b"\xff".decode("latin1")):
        (path.parent / name).write_bytes(b"spexjax")
    (path.parent / "folder").mkdir()
    assert same(Store(tmp_path).shelf("game", 9).values(masks), values)
    assert len(records(tmp_path)) == 6


def test_a_full_disk_keeps_what_was_written(tmp_path):
    masks, values = draw(2000, 30)
    shelf = Store(tmp_path).shelf("game", 30)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a write fails in the middle of a file
    try:
        shelf.add(masks[:100], values[:100])
        with pytest.raises(OSError, match=r"1900 values cannot be written .* before it are kept.* to resume") as error:
            shelf.add(masks[100:], values[100:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in str(error.value.__cause__)
    for reader in (shelf, Store(tmp_path).shelf("game", 30)):
        assert len(reader) == 100
        assert same(reader.values(masks[:100]), values[:100])
    shelf.add(masks[100:], values[100:])
    assert same(Store(tmp_path).shelf("game", 30).values(masks), values)


def test_a_full_disk_is_known_before_anything_is_evaluated(small_disk):
    store, (masks, values) = Store(small_disk), draw(100, 30)
    store.shelf("game", 30).add(masks, values)
    seen = []
    ablation = ablations.host_function(lambda x: seen.append(len(x)) or x[:, 0], 30, fingerprint="game")
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize
    (small_disk / "other").write_bytes(b"x" * (free - 4096))  # an empty file can be written
    with pytest.raises(OSError, match=r"The store cannot be written to file://.*: .*No space left on device"):
        evaluate(ablation, ~masks, store=store)
    assert seen == []
    assert np.array_equal(Store(small_disk).shelf("game", 30).values(masks), values)


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be read: .*Not a directory"):
        Store(tmp_path / "file").shelf("game", 9)
    shelf = Store(tmp_path / "store").shelf("game", 9)
    (tmp_path / "store").write_text("")
    with pytest.raises(OSError, match=r"4 values cannot be written to file://.*Not a directory"):
        shelf.add(*draw(4, 9))


def test_a_store_that_cannot_be_written_costs_no_ablations(tmp_path):
    seen = []
    ablation = ablations.host_function(lambda x: seen.append(len(x)) or x[:, 0], 3, fingerprint="game")
    (tmp_path / "game" / "writable").mkdir(parents=True)
    with pytest.raises(OSError, match=r"store cannot be written to file://.*: .*directory\. Mend the cause"):
        evaluate(ablation, all_masks(3), store=Store(tmp_path))
    assert seen == []
    Store(tmp_path).shelf("game", 3).add(all_masks(3), np.arange(8, dtype=np.float32))
    assert evaluate(ablation, all_masks(3), store=Store(tmp_path)).tolist() == list(range(8))  # nothing to write
    told = "NOT_FOUND: Failed to open: \"/a\\x00b\\x61\": No such file [os_error_code='2'] [source locations='x']"
    assert _reason(ValueError(told)) == "NOT_FOUND: Failed to open: No such file"


def test_an_ablation_without_a_name_in_a_store(tmp_path):
    with pytest.warns(UserWarning, match="has no name, .* not be found again: give fingerprint=") as told:
        evaluate(ablations.function(lambda x: x[0], 3), all_masks(3), store=Store(tmp_path))
    assert len(told) == 1
    evaluate(ablations.function(lambda x: x[0], 3), all_masks(3), store=Store("memory://"))  # it ends as the name does


def test_killed_at_any_moment(tmp_path):
    run("kills", tmp_path)
    whole = interrupted.evaluate("memory://", tmp_path / "log of the whole", interrupted.MASKS, seconds=0)
    shelf = Store(tmp_path / "store").shelf("game", interrupted.NUM_FEATURES)
    assert same(shelf.values(interrupted.MASKS), whole)
    assert same(whole, interrupted.ablate(interrupted.MASKS))
    again = (tmp_path / "log").stat().st_size - len(interrupted.MASKS) // interrupted.BATCH
    assert 0 < again <= interrupted.KILLS  # at most the batch in hand, each time


def test_two_writers_at_once(tmp_path):
    run("writers", tmp_path)
    shelf = Store(tmp_path / "store").shelf("game", interrupted.NUM_FEATURES)
    assert same(shelf.values(interrupted.MASKS[:500]), interrupted.ablate(interrupted.MASKS[:500]))
    assert len(shelf) == 500


def no_records(folder):
    """What has the name of a record in a folder, and is none: by kind, what makes it, and what is said of it."""
    forged = struct.pack("<7sBQQ", b"spexjax", 1, 13, 2**60)
    return {
        "a pipe": (os.mkfifo, "is not a file"),
        "a folder": (os.mkdir, "is a folder"),
        "a link to itself": (lambda path: os.symlink(path.name, path), "cannot be opened (Too many levels of"),
        "a link to its folder": (lambda path: os.symlink(".", path), "is a folder"),
        "a link to nowhere": (lambda path: os.symlink("nowhere", path), "cannot be opened (No such file"),
        "a link to a device": (lambda path: os.symlink("/dev/zero", path), "is not a file"),
        "a file that claims to be small": (lambda path: sparse(path, forged[:16] + bytes(8)), "is damaged"),
        "a file of another kind": (lambda path: sparse(path, b""), "is damaged"),
    }


def sparse(path, content):
    """A file of 100 GB that takes no space."""
    path.write_bytes(content)
    os.truncate(path, 10**11)


@pytest.mark.parametrize("kind", no_records(None))
def test_what_is_no_record_is_named_and_hides_nothing(tmp_path, kind):
    masks, values = draw(30, 13)
    Store(tmp_path).shelf("game", 13).add(masks[:20], values[:20])
    make, said = no_records(tmp_path)[kind]
    for name in ("0" * 40, "f" * 40):
        make(tmp_path / "game" / name)
    start = time.perf_counter()
    with pytest.warns(UserWarning, match=rf"2 of 3 records in .*: 0+ {re.escape(said)}.*, f+ {re.escape(said)}"):
        shelf = Store(tmp_path).shelf("game", 13)
    assert time.perf_counter() - start < 5
    assert np.array_equal(shelf.values(masks[:20]), values[:20])
    ablation = ablations.host_function(
        lambda x: values[[masks.tolist().index(r) for r in x.tolist()]], 13, fingerprint="game"
    )
    with pytest.warns(UserWarning, match="2 of 3 records"):
        assert np.array_equal(evaluate(ablation, masks, store=Store(tmp_path)), values)


def test_a_pipe_in_the_place_of_a_record_is_mended(tmp_path):
    masks, values = draw(30, 13)
    Store(tmp_path).shelf("game", 13).add(masks, values)
    (path,) = records(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.warns(UserWarning, match="is not a file"):
        Store(tmp_path).shelf("game", 13).add(masks, values)
    assert np.array_equal(Store(tmp_path).shelf("game", 13).values(masks), values)


def test_values_that_are_not_finite_are_not_believed(tmp_path):
    Store(tmp_path).shelf("game", 13).add(*draw(4, 13))
    (path,) = records(tmp_path)
    forged = path.read_bytes()[:-4] + np.float32(np.nan).tobytes()
    (path.parent / hashlib.blake2b(forged, digest_size=20).hexdigest()).write_bytes(forged)
    path.unlink()
    with pytest.warns(UserWarning, match="1 of 1 records .* holds values that are not finite"):
        assert len(Store(tmp_path).shelf("game", 13)) == 0


def test_damaged_records_are_never_used(tmp_path):
    rng, (masks, values) = random.Random(0), draw(60, 13)
    shelf = Store(tmp_path).shelf("game", 13)
    shelf.add(masks[:30], values[:30])
    (path,) = records(tmp_path)
    shelf.add(masks[30:], values[30:])
    whole = path.read_bytes()
    damages = [flipped(whole, rng) for _ in range(60)]
    damages += [whole[: rng.randrange(len(whole))] for _ in range(20)]
    damages += [whole[:8] + struct.pack("<QQ", n, m) + whole[24:] for n in (0, 12, 2**63) for m in (0, 29, 2**63)]
    for damaged in damages:
        path.write_bytes(damaged)
        with pytest.warns(UserWarning, match=rf"1 of 2 records .*: {path.name} is damaged\.$"):
            found = Store(tmp_path).shelf("game", 13).values(masks)
        assert np.isnan(found[:30]).all()
        assert np.array_equal(found[30:], values[30:])


def flipped(data, rng):
    i = rng.randrange(len(data))
    return data[:i] + bytes([data[i] ^ 1 << rng.randrange(8)]) + data[i + 1 :]


def test_masks_in_memory_are_bits(tmp_path):
    masks, values = draw(20_000, 1000)
    Store(tmp_path).shelf("game", 1000).add(masks, values)
    tracemalloc.start()
    shelf = Store(tmp_path).shelf("game", 1000)
    assert tracemalloc.get_traced_memory()[0] < 400 * len(masks)
    tracemalloc.stop()
    assert same(shelf.values(masks), values)


@pytest.mark.parametrize("location", ["", "~nobody-of-this-name/x", "a\udcff"])
def test_names_that_are_no_store(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="A store is a folder or a URL"):
        Store(location)


def test_a_folder_with_the_values_of_another_function_is_refused(tmp_path):
    """Two shelves whose folders were exchanged would otherwise give each other's values."""
    store, masks = Store(tmp_path), np.array([[True, False]])
    for name, value in (("one", 1.0), ("two", 2.0)):
        shelf = store.shelf(name, 2)
        shelf.check_writable()
        shelf.add(masks, np.array([value]))
    (tmp_path / "one").rename(tmp_path / "three")
    with pytest.raises(OSError, match="renamed or copied, and holds the values of another function: call it one again"):
        store.shelf("three", 2)
    (tmp_path / "three").rename(tmp_path / "one")
    assert store.shelf("one", 2).values(masks) == [1.0]

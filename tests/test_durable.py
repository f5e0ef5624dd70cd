"""Durable writing: the old file or the new one, whatever fails."""

import os
import resource
import stat
import threading
from pathlib import Path

import pytest

from spexjax._durable import write_durably

OLD, NEW = b"what was there before", "new: ü\r\n" * 10_000


def only(folder):
    """The one entry of a folder, hidden ones included."""
    (path,) = folder.iterdir()
    return path


@pytest.mark.parametrize("content", [b"", b"\x00\xff", "", "ü\n\r\n\u2028"])
def test_what_is_written_is_read(tmp_path, content):
    for _ in range(2):
        path = write_durably(tmp_path / "a" / "b" / "file", content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert only(tmp_path / "a" / "b") == path


def test_the_folder_may_be_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_durably("file", "x") == Path("file")
    assert only(tmp_path).read_text() == "x"


@pytest.mark.parametrize("step", ["fsync", "chmod", "rename"])
def test_a_failure_at_any_step_keeps_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o600)

    def fail(*arguments, **options):
        raise OSError(5, "Input/output error", "draft")

    if step == "rename":
        monkeypatch.setattr(Path, "replace", fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match=r"^\[Errno 5\] Input/output error; what was there before is kept: '.*/file'$"):
        write_durably(path, NEW)
    assert only(tmp_path).read_bytes() == OLD


def test_an_interruption_keeps_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(OLD)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_durably(tmp_path / "file", NEW)
    assert only(tmp_path).read_bytes() == OLD


def test_a_disk_that_gets_full_keeps_the_old_file(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a write fails in the middle of a file
    try:
        with pytest.raises(OSError, match="File too large; what was there before is kept"):
            write_durably(tmp_path / "file", NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert only(tmp_path).read_bytes() == OLD


def test_a_full_disk_keeps_the_old_file(small_disk):
    path = write_durably(small_disk / "file", OLD)
    (small_disk / "other").write_bytes(b"x" * 48_000)
    with pytest.raises(OSError, match=r"No space left on device; what was there before is kept: '.*/file'"):
        write_durably(path, NEW)
    assert path.read_bytes() == OLD
    assert len(list(small_disk.iterdir())) == 2


def test_text_that_cannot_be_encoded_keeps_the_old_file(tmp_path):
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(UnicodeEncodeError):
        write_durably(tmp_path / "file", "\ud800")
    assert only(tmp_path).read_bytes() == OLD


def test_permissions_are_kept(tmp_path):
    path = write_durably(tmp_path / "file", "old")
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode  # as the system's umask has it
    path.chmod(0o640)
    assert stat.S_IMODE(write_durably(path, "new").stat().st_mode) == 0o640


def test_links_are_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to("real/file")
    for content in ("first", "second"):
        write_durably(link, content)
        assert link.is_symlink()
        assert only(tmp_path / "real").read_text() == content


def test_a_link_to_itself_is_replaced(tmp_path):
    (tmp_path / "file").symlink_to("file")
    assert write_durably(tmp_path / "file", "x").read_text() == "x"
    assert not only(tmp_path).is_symlink()


def test_a_folder_in_the_place_of_the_file(tmp_path):
    (tmp_path / "file").mkdir()
    with pytest.raises(OSError, match=r"irectory.*; what was there before is kept"):
        write_durably(tmp_path / "file", "x")
    assert only(tmp_path).is_dir()


def test_a_pipe_is_written_as_it_stands(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_durably(tmp_path / "pipe", "through")
    reader.join(10)
    assert found == ["through"]
    assert only(tmp_path).is_fifo()


def test_nothing_is_said_to_be_kept_where_nothing_was(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*/new'"):
        write_durably(tmp_path / "new", "x")
    assert not list(tmp_path.iterdir())

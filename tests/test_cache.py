"""The cache on disk: where it is, when it is off, and how large it grows."""

import os

import pytest

from spexjax._cache import cache_folder, prune


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("SPEXJAX_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.skipif(os.name != "posix", reason="HOME is the home of POSIX")
def test_lies_in_the_users_cache_folder(home, monkeypatch):
    assert cache_folder("programs") == home / ".cache" / "spexjax" / "programs"
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "xdg"))
    assert cache_folder("programs") == home / "xdg" / "spexjax" / "programs"
    assert (home / "xdg" / "spexjax" / "programs").is_dir()


def test_the_variable_moves_it_or_turns_it_off(home, monkeypatch):
    monkeypatch.setenv("SPEXJAX_CACHE", str(home / "mine"))
    assert cache_folder("programs") == home / "mine" / "programs"
    monkeypatch.setenv("SPEXJAX_CACHE", "off")
    assert cache_folder("programs") is None


def test_there_is_none_where_nothing_can_be_written(home, monkeypatch):
    (home / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file" / "below"))
    assert cache_folder("programs") is None


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_what_others_can_write_is_not_believed(home, monkeypatch):
    cache_folder("programs").chmod(0o777)
    assert cache_folder("programs") is None
    monkeypatch.setenv("SPEXJAX_CACHE", str(home / ".cache" / "spexjax"))  # unless the user says so
    assert cache_folder("programs") is not None


def test_the_oldest_files_go_first(tmp_path):
    for age, name in enumerate(["new", "old", "older"]):
        (tmp_path / name).write_bytes(b"0" * 100)
        os.utime(tmp_path / name, (10_000 - age, 10_000 - age))
    (tmp_path / "folder").mkdir()
    prune(tmp_path, 300)
    assert len(list(tmp_path.iterdir())) == 4
    prune(tmp_path, 150)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "new"]

"""Dequantised weights on disk: the same model, opened faster, and never another one."""

import os
import subprocess
import sys

import chex
import numpy as np
import pytest
from common import GOLDEN
from gguf_files import write_gguf
from safetensors.numpy import load_file
from test_golden_logits import logits

from spexjax.models import _kept_weights, _language_model, load_model
from spexjax.models._gguf import GGUF

FOLDER = GOLDEN / "tiny_qwen2"
IDS = list(range(20))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The folder of kept weights, in which small models are kept as well."""
    monkeypatch.setenv("SPEXJAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(_kept_weights, "_LEAST", 0)
    return tmp_path / "cache" / "models"


@pytest.fixture
def tiny(tmp_path):
    return write_gguf(tmp_path / "tiny.gguf", FOLDER, quantise=True)


@pytest.fixture
def nothing_is_dequantised(monkeypatch):
    def use():
        monkeypatch.setattr(GGUF, "read", lambda *_: pytest.fail("a tensor is dequantised again"))

    return use


def only(folder):
    """The one file of a folder, which hidden ones would be as well."""
    (path,) = folder.iterdir()
    return path


def assert_same(model, other):
    assert (model.config, model.fingerprint, model.dtype) == (other.config, other.fingerprint, other.dtype)
    chex.assert_trees_all_equal(model.parameters, other.parameters)
    np.testing.assert_array_equal(logits(model, IDS), logits(other, IDS))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_second_opening_gives_the_same_model_bit_by_bit(tiny, cache, dtype, nothing_is_dequantised, monkeypatch):
    with monkeypatch.context() as off:
        off.setenv("SPEXJAX_CACHE", "off")
        plain = load_model(tiny, dtype=dtype)
    assert not cache.exists()
    first = load_model(tiny, dtype=dtype)
    nothing_is_dequantised()
    second = load_model(tiny, dtype=dtype)
    assert_same(first, plain)
    assert_same(second, plain)
    fused = load_model(tiny, dtype=dtype, attention="xla")
    assert fused.fingerprint != plain.fingerprint
    chex.assert_trees_all_equal(fused.parameters, plain.parameters)
    stored = load_file(only(cache))
    assert {str(value.dtype) for value in stored.values()} == {dtype}
    np.testing.assert_array_equal(stored["embedding.embedding"], plain.parameters["embedding"]["embedding"][...])


def test_precisions_do_not_share_a_file(tiny, cache):
    assert (load_model(tiny).dtype, load_model(tiny, dtype="bfloat16").dtype) == ("float32", "bfloat16")
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-1],
        lambda content: content + b"0",
        lambda content: content.replace(b"F32", b"F64", 1),
    ],
)
def test_a_damaged_file_is_written_again(tiny, cache, damage):
    model = load_model(tiny)
    content = only(cache).read_bytes()
    only(cache).write_bytes(damage(content))
    assert_same(load_model(tiny), model)
    assert only(cache).read_bytes() == content


def test_a_changed_checkpoint_is_another_one(tiny, cache):
    """Even if nothing but its content tells."""
    model, before = load_model(tiny), tiny.stat()
    content = bytearray(tiny.read_bytes())
    content[-4] ^= 1
    tiny.write_bytes(content)
    os.utime(tiny, ns=(before.st_atime_ns, before.st_mtime_ns))
    changed = load_model(tiny)
    assert changed.fingerprint != model.fingerprint
    with pytest.raises(AssertionError):
        chex.assert_trees_all_equal(changed.parameters, model.parameters)


def test_what_is_refused_is_refused_whatever_is_kept(tiny, cache, tmp_path, monkeypatch):
    monkeypatch.setattr(_language_model, "_fingerprint", lambda *_: "same")
    load_model(tiny)
    assert only(cache).stem == "same"

    def cut(name, value):
        return name, value[:-1] if name == "blk.1.ffn_up.weight" else value

    with pytest.raises(ValueError, match="has shape"):
        load_model(write_gguf(tmp_path / "forged.gguf", FOLDER, change=cut))
    with pytest.raises(ValueError, match="expert_count"):
        load_model(write_gguf(tmp_path / "forged.gguf", FOLDER, metadata={"expert_count": 8}))


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_not_kept(tiny, cache, monkeypatch):
    content, read = tiny.read_bytes(), GGUF.read

    def replace(self, name):
        tiny.unlink(missing_ok=True)
        tiny.write_bytes(content)
        return read(self, name)

    monkeypatch.setattr(GGUF, "read", replace)
    load_model(tiny)
    assert not list(cache.iterdir())


def test_a_checkpoint_that_is_written_to_is_not_the_one_that_was_opened(tiny):
    opened = GGUF(tiny)
    assert opened.unchanged()
    os.utime(tiny, ns=(0, 0))
    assert not opened.unchanged()
    tiny.unlink()
    assert not opened.unchanged()


def test_where_nothing_can_be_kept_models_load_all_the_same(tiny, cache, tmp_path, monkeypatch):
    model = load_model(tiny)

    def full(path, content):
        raise OSError(28, "No space left on device")

    only(cache).unlink()
    with monkeypatch.context() as disk:
        disk.setattr(_kept_weights, "write_durably", full)
        assert_same(load_model(tiny), model)
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPEXJAX_CACHE", str(tmp_path / "file" / "below"))
    assert_same(load_model(tiny), model)
    assert not list(cache.iterdir())


def test_no_disk_is_filled(tiny, small_disk, monkeypatch):
    monkeypatch.setenv("SPEXJAX_CACHE", str(small_disk))
    load_model(tiny)
    assert not list((small_disk / "models").iterdir())


def test_models_need_not_fit_the_folder_and_small_ones_are_not_kept(tiny, cache, monkeypatch):
    monkeypatch.setattr(_kept_weights, "_MOST", 1000)
    load_model(tiny)
    monkeypatch.undo()
    monkeypatch.setenv("SPEXJAX_CACHE", str(cache.parent))
    load_model(tiny)
    assert not cache.exists()


def test_a_model_does_not_need_its_file_any_longer(tiny, cache):
    load_model(tiny)
    model = load_model(tiny)
    before = logits(model, IDS)
    only(cache).write_bytes(bytes(only(cache).stat().st_size))  # in place: a map would show it
    np.testing.assert_array_equal(logits(model, IDS), before)


def test_opening_a_gguf_file_loads_no_transformers(tiny):
    code = f"""
import sys
from spexjax.models import load_model
from spexjax.models._generate import control_tokens
model = load_model({str(tiny)!r})
model.encode(["it is"]), model.encode_with_places("it is"), control_tokens(model.tokenizer)
assert "transformers" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)

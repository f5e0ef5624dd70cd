"""What is fetched from the hub, and in which order; the hub itself is played by a folder."""

import fnmatch
import json
import shutil

import huggingface_hub
import pytest
from common import GOLDEN
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from spexjax.models import load_model
from spexjax.models._hub import download


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub of one model and the names of the files that were fetched."""
    there, cache, fetched = tmp_path / "hub", tmp_path / "0123abc", []
    cache.mkdir()

    def snapshot(name, *, revision, allow_patterns, ignore_patterns):
        assert revision in (None, "0123abc")
        for file in sorted(p.relative_to(there).as_posix() for p in there.rglob("*") if p.is_file()):
            asked = any(fnmatch.fnmatch(file, pattern) for pattern in allow_patterns)
            if asked and not fnmatch.fnmatch(file, ignore_patterns) and not (cache / file).exists():
                shutil.copy(there / file, cache / file)
                fetched.append(file)
        return str(cache)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    return there, fetched


def test_only_what_is_read_is_fetched(hub):
    there, fetched = hub
    shutil.copytree(GOLDEN / "tiny_mistral", there)
    for name in ("consolidated.safetensors", "model-00009-of-00009.safetensors", "pytorch_model.bin", "README.md"):
        (there / name).write_bytes(b"large")
    (there / "original").mkdir()
    (there / "original" / "tokenizer.model").write_bytes(b"large")
    shards = [f"model-0000{i}-of-00004.safetensors" for i in (1, 2, 3, 4)]
    load_model("someone/mistral")
    assert fetched[0] == "config.json"
    assert sorted(fetched[1:-4]) == ["model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json"]
    assert fetched[-4:] == shards


def test_a_single_file_is_fetched_without_the_shards(hub):
    there, fetched = hub
    shutil.copytree(GOLDEN / "tiny_mistral", there)
    shutil.copy(GOLDEN / "tiny_llama" / "model.safetensors", there)
    download("someone/mistral")
    assert [f for f in fetched if f.endswith(".safetensors")] == ["model.safetensors"]


def test_the_config_is_judged_before_anything_else_is_fetched(hub):
    there, fetched = hub
    shutil.copytree(GOLDEN / "tiny_llama", there)
    config = json.loads((there / "config.json").read_text())
    (there / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "fp8"}}))
    with pytest.raises(ValueError, match="fp8"):
        download("someone/llama")
    assert fetched == ["config.json"]


def test_an_adapter_is_named(hub):
    there, fetched = hub
    there.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (there / name).write_text("{}")
    with pytest.raises(ValueError, match="LoRA adapter"):
        download("someone/adapter")
    assert fetched == ["adapter_config.json"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LocalEntryNotFoundError("no"), "it is not in the hub's cache on this machine, and the hub cannot be reached"),
        (HFValidationError("no"), "this is no name of a model there"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
)
def test_why_a_model_is_not_there_is_said_in_plain_words(error, said, monkeypatch):
    def refused(*args, **options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refused)
    with pytest.raises(ValueError, match=f"model that can be reached .{said}.") as caught:
        download("someone/model")
    assert "Error" not in str(caught.value)

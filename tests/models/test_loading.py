"""Loading checkpoints: GGUF equals safetensors, and what cannot be loaded is named."""

import json
import shutil

import chex
import gguf
import numpy as np
import pytest
from common import GOLDEN
from gguf_files import write_gguf
from safetensors.numpy import load_file, save_file
from test_golden_logits import logits

from spexjax.evaluation import mesh
from spexjax.models import load_model, save_model
from spexjax.models._gguf import GGUF


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_qwen2", "tiny_mistral"])
def test_gguf_equals_safetensors(name, golden, tmp_path):
    folder, rope = GOLDEN / name, None
    if name == "tiny_llama":  # llama.cpp stores Llama 3's scaling as divisors of the plain frequencies
        plain = 10_000.0 ** (-np.arange(4) / 4)
        rope = plain / np.array(load_model(folder).config.rope_frequencies)
    model = load_model(write_gguf(tmp_path / "tiny.gguf", folder, rope=rope))
    record = golden(name)
    np.testing.assert_allclose(logits(model, record["ids"])[record["positions"]], record["logits"], atol=2e-4)
    text = "Is it so? Yes, 12 times.\n"
    assert model.encode([text]) == load_model(folder).encode([text])


def test_quantised_gguf_is_close(golden, tmp_path):
    model = load_model(write_gguf(tmp_path / "tiny.gguf", GOLDEN / "tiny_qwen2", quantise=True))
    record = golden("tiny_qwen2")
    error = np.abs(logits(model, record["ids"])[record["positions"]] - record["logits"])
    assert 0 < error.mean() < 0.1  # logits of size 5 at 8 bits


def test_gguf_errors_name_the_cause(tmp_path):
    folder, path = GOLDEN / "tiny_llama", tmp_path / "tiny.gguf"

    def rename(old, new):
        return lambda name, value: (new if name == old else name, value)

    write_gguf(path, folder, change=rename("blk.1.ffn_up.weight", "blk.1.ffn_up_exps.weight"))
    with pytest.raises(ValueError, match=r"no tensor 'blk\.1\.ffn_up\.weight'"):
        load_model(path)
    write_gguf(path, folder, change=rename("blk.1.ffn_up.weight", "blk.7.ffn_up.weight"))
    with pytest.raises(ValueError, match=r"no tensor 'blk\.1\.ffn_up\.weight'"):
        load_model(path)
    write_gguf(path, folder, change=rename("blk.1.ffn_up.weight", "blk.1.ffn_sub_norm.weight"))
    with pytest.raises(ValueError, match=r"blk\.1\.ffn_sub_norm\.weight' is not part of the llama architecture"):
        load_model(path)
    write_gguf(path, folder, architecture="bloom")
    with pytest.raises(ValueError, match="bloom"):
        load_model(path)
    write_gguf(path, folder, **{"llama.rope.scaling.type": "longrope"})
    with pytest.raises(ValueError, match="longrope"):
        load_model(path)
    path.write_bytes(b"not a model at all, but long enough to be one")
    with pytest.raises(ValueError, match="not a readable GGUF"):
        load_model(path)


def test_unsupported_quantisation_is_named(tmp_path, monkeypatch):
    def refuse(data, kind):
        raise NotImplementedError

    path = write_gguf(tmp_path / "tiny.gguf", GOLDEN / "tiny_qwen2", quantise=True)
    monkeypatch.setattr(gguf.quants, "dequantize", refuse)
    with pytest.raises(ValueError, match="quantisation"):
        GGUF(path).read("token_embd.weight")


def copy_with(folder, target, **changes):
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**config, **changes}))
    return target


def test_folder_errors_name_the_cause(tmp_path):
    source = GOLDEN / "tiny_llama"
    with pytest.raises(ValueError, match="gpt_neox"):
        load_model(copy_with(source, tmp_path / "a", model_type="gpt_neox"))
    with pytest.raises(ValueError, match=r"no tensor 'model\.layers\.3"):
        load_model(copy_with(source, tmp_path / "b", num_hidden_layers=4))
    with pytest.raises(ValueError, match=r"does not use, first 'model\.layers\.2"):
        load_model(copy_with(source, tmp_path / "c", num_hidden_layers=2))
    with pytest.raises(ValueError, match="config asks for"):
        load_model(copy_with(source, tmp_path / "d", intermediate_size=64))
    extra = copy_with(source, tmp_path / "e")
    tensors = load_file(extra / "model.safetensors")
    save_file({**tensors, "model.extra.weight": np.zeros(3, np.float32)}, extra / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.extra\.weight"):
        load_model(extra)
    with pytest.raises(ValueError, match=r"no config\.json"):
        load_model(tmp_path)
    empty = copy_with(source, tmp_path / "f")
    (empty / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"no model\.safetensors and no model\.safetensors\.index\.json"):
        load_model(empty)


def test_unknown_models(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for source in ["nobody/nothing-here", "not a model name!"]:
        with pytest.raises(ValueError, match="is not 'smollm2', a folder"):
            load_model(source)
    for path in (tmp_path / "none.gguf", "/x/nosuch", "./nosuch", "a/b/nosuch", "~/nosuch"):
        with pytest.raises(ValueError, match=r"There is no file (or folder )?\S+\.$"):
            load_model(path)
    with pytest.raises(ValueError, match="give the folder that holds it"):
        load_model(GOLDEN / "tiny_llama" / "model.safetensors")
    with pytest.raises(ValueError, match=r"did you mean 'smollm2'\?"):
        load_model("smolm2")
    with pytest.raises(ValueError, match="dtype must be"):
        load_model("smollm2", dtype="float16")


def test_saved_and_loaded(golden, tmp_path):
    """What is read back is the same model, for a store too; in another precision it is another."""
    folder, record = GOLDEN / "tiny_qwen2", golden("tiny_qwen2")
    model = load_model(folder)
    for _ in range(2):  # the second replaces the first
        save_model(model, tmp_path / "saved")
    back = load_model(tmp_path / "saved")
    assert (back.config, back.fingerprint, back.dtype) == (model.config, model.fingerprint, model.dtype)
    chex.assert_trees_all_equal(back.parameters, model.parameters)
    np.testing.assert_allclose(logits(back, record["ids"])[record["positions"]], record["logits"], atol=2e-4)
    text = "Is it so? Yes, 12 times.\n"
    assert back.encode([text]) == model.encode([text])
    half = load_model(tmp_path / "saved", dtype="bfloat16")
    assert half.dtype == "bfloat16"
    assert half.fingerprint != model.fingerprint
    with pytest.raises(ValueError, match=r"Only what models.save_model wrote can be read in parts"):
        load_model(folder, mesh=mesh(1))
    shutil.rmtree(tmp_path / "saved" / "weights")
    with pytest.raises(ValueError, match=r"The weights in .* are missing or not those of its config"):
        load_model(tmp_path / "saved")


def test_a_model_shows_itself_on_a_line(tiny):
    assert "million parameters, float32" in repr(tiny)
    assert len(repr(tiny)) < 200


@pytest.mark.parametrize("source", ["", " "])
def test_what_is_no_source(source):
    with pytest.raises(ValueError, match="source is 'smollm2', a Hugging Face id"):
        load_model(source)

"""The registry of model families, and a family of one's own."""

import json

import numpy as np
import pytest
from common import GOLDEN
from safetensors.numpy import load_file, save_file
from test_golden_logits import logits

from spexjax import models
from spexjax.models import _architecture
from spexjax.models._architecture import family_of_gguf, of_gguf


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(_architecture, "_BY_NAME", dict(_architecture._BY_NAME))


def config(record):
    """Llama's sizes under names of its own."""
    names = {"width": "hidden_size", "depth": "num_hidden_layers"}
    return models.transformer_config(
        models.complete_config({names.get(k, k): v for k, v in record.items()}, "LlamaConfig"),
        biases=models.Biases(qkv=True, output=True, mlp=True),
    )


def renamed(name):
    return name.replace("model.layers.", "blocks.").replace("self_attn.q_proj", "wq").replace("lm_head", "out")


def test_a_family_of_ones_own(registry, golden, tmp_path):
    """The same weights under other names and another model_type are the same model."""
    source, record = GOLDEN / "tiny_llama3", golden("tiny_llama3")
    entries = json.loads((source / "config.json").read_text()) | {"model_type": "mine"}
    entries |= {"width": entries.pop("hidden_size"), "depth": entries.pop("num_hidden_layers")}
    (tmp_path / "config.json").write_text(json.dumps(entries))
    for file in source.glob("*token*"):
        (tmp_path / file.name).write_text(file.read_text())
    weights = {k: v for file in source.glob("*.safetensors") for k, v in load_file(file).items()}
    save_file({renamed(name): value for name, value in weights.items()}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"'mine' .* is not supported; spexjax runs .* llama, mistral, .*qwen2"):
        models.load_model(tmp_path)
    tensors = {module: renamed(name) for module, name in models.LLAMA_TENSORS.items()}
    mine = models.register_architecture(models.Architecture("mine", config, tensors))
    assert mine.gguf is None
    model = models.load_model(tmp_path)
    np.testing.assert_allclose(logits(model, record["ids"])[record["positions"]], record["logits"], atol=2e-4)
    assert model.encode(["Is it so?"]) == models.load_model(source).encode(["Is it so?"])


def test_the_forms_of_gguf(registry):
    models.register_architecture(models.Architecture("mine", config, gguf=models.GGUFForm("ours")))
    assert of_gguf("ours").biases({"attn_q", "ffn_up"}) == models.Biases(qkv=True, mlp=True)
    assert of_gguf("llama").biases({"attn_output"}) == models.Biases(output=True)
    assert of_gguf("qwen2").biases({"attn_output"}) == models.Biases(qkv=True)
    with pytest.raises(ValueError, match=r"'mistral' is not supported; spexjax reads .*llama, .*ours, .*qwen2"):
        of_gguf("mistral")


def test_the_contract_is_checked(registry, unchecked):
    with pytest.raises(ValueError, match=r"not an sx\.models\.Architecture"):
        models.register_architecture("mine")
    with pytest.raises(ValueError, match=r"must name embedding, norm, .*; see 'mlp.across'"):
        models.Architecture("mine", config, tensors={**models.LLAMA_TENSORS, "mlp.across": "x"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": None}, "has a name, a function"),
        ({"name": "mine", "config": {}}, "has a name, a function"),
        ({"name": "mine", "tensors": list(models.LLAMA_TENSORS)}, "has a name, a function"),
        ({"name": "mine", "gguf": "llama"}, "must be a GGUFForm or None"),
        ({"name": "mine", "tensors": {**models.LLAMA_TENSORS, "head": "out.{i}"}}, "no name of a tensor"),
        ({"name": "mine", "tensors": {**models.LLAMA_TENSORS, "head": None}}, "no name of a tensor"),
    ],
)
def test_mistakes_in_an_architecture_are_named(fields, words, unchecked):
    with pytest.raises(ValueError, match=words):
        models.Architecture(**{"config": config, **fields})


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda record: record["depth"], "of a mine model lacks 'depth'"),
        (dict, "must return a TransformerConfig, not dict"),
    ],
)
def test_what_a_config_reader_gets_wrong_is_named(read, words, unchecked):
    with pytest.raises(ValueError, match=words):
        models.Architecture("mine", read).read({"model_type": "mine"})


def test_families_of_gguf_files_have_the_names_that_are_listed():
    assert [family_of_gguf(name) for name in ("gemma3", "qwen3moe", "llama")] == ["gemma3_text", "qwen3_moe", "llama"]

"""A Hugging Face folder is read as transformers reads it: which files, which head, which tensors."""

import json
import shutil

import ml_dtypes
import numpy as np
import pytest
from common import GOLDEN
from safetensors.numpy import load_file, save_file
from test_golden_logits import logits

from spexjax.models import load_model, save_model

IDS = [5, 9, 200, 7, 7, 31]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


def copy(source, target, *, tensors=None, **config):
    """A folder with other config values and, if given, other tensors in one file."""
    shutil.copytree(GOLDEN / source, target)
    read = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps({**read, **config}))
    if tensors is not None:
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, target / "model.safetensors")
    return target


def stored(name):
    return {k: v for file in sorted((GOLDEN / name).glob("*.safetensors")) for k, v in load_file(file).items()}


def test_a_tied_head_that_differs_is_used(tmp_path):
    """transformers believes the config unless both are stored and differ; equal or alone, one stands for both."""
    tensors = stored("tiny_qwen2")
    plain, table = logits(load_model(GOLDEN / "tiny_qwen2"), IDS), tensors[EMBEDDING]
    equal = load_model(copy("tiny_qwen2", tmp_path / "equal", tensors={**tensors, HEAD: table}))
    assert equal.config.tie_embeddings
    np.testing.assert_array_equal(logits(equal, IDS), plain)
    other = load_model(copy("tiny_qwen2", tmp_path / "other", tensors={**tensors, HEAD: table[::-1]}))
    assert not other.config.tie_embeddings
    np.testing.assert_allclose(logits(other, IDS), plain[:, ::-1], atol=1e-4)
    assert other.fingerprint != equal.fingerprint
    alone = {**tensors, HEAD: table}
    del alone[EMBEDDING]
    np.testing.assert_array_equal(logits(load_model(copy("tiny_qwen2", tmp_path / "x", tensors=alone)), IDS), plain)
    saved = load_model(save_model(other, tmp_path / "saved"))
    np.testing.assert_array_equal(logits(saved, IDS), logits(other, IDS))


def test_only_the_files_of_the_index_are_read(tmp_path, golden):
    """Stale shards, Mistral's consolidated weights and an adapter lie beside them; a single file comes before all."""
    folder, record = copy("tiny_mistral", tmp_path / "m"), golden("tiny_mistral")
    stale = {name: value + 1 for name, value in stored("tiny_mistral").items()}
    save_file(stale, folder / "model-00001-of-00002.safetensors")
    save_file(stale, folder / "consolidated.safetensors")
    save_file({"base_model.layers.0.lora_A.weight": np.ones((2, 2))}, folder / "adapter_model.safetensors")
    ours = logits(load_model(folder), record["ids"])[record["positions"]]
    np.testing.assert_allclose(ours, record["logits"], atol=2e-4)
    save_file(stale, folder / "model.safetensors")  # transformers reads this one if it is there
    single = load_model(copy("tiny_mistral", tmp_path / "s", tensors=stale))
    np.testing.assert_array_equal(logits(load_model(folder), IDS), logits(single, IDS))


def test_what_is_wrong_with_an_index_is_named(tmp_path):
    folder = copy("tiny_mistral", tmp_path / "m")
    file = folder / "model.safetensors.index.json"
    index = json.loads(file.read_text())
    for broken, named in [
        ("{", "not readable JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no weight_map"),
        (json.dumps({"weight_map": {"a": 3}}), "names 3 as a file"),
        (json.dumps({"weight_map": {"a": "../../secret.safetensors"}}), "must be beside it"),
        (json.dumps({"weight_map": {"a": ".."}}), "must be beside it"),
        (json.dumps({"weight_map": {**index["weight_map"], "x": "more.safetensors"}}), r"more\.safetensors is missing"),
    ]:
        file.write_text(broken)
        with pytest.raises(ValueError, match=named):
            load_model(folder)
    file.write_text(json.dumps({"weight_map": {**index["weight_map"], "x": "more.safetensors"}}))
    save_file({"model.norm.weight": np.ones(32, np.float32)}, folder / "more.safetensors")
    with pytest.raises(ValueError, match="in more than one file"):
        load_model(folder)


def test_adapters_have_a_sentence_of_their_own(tmp_path):
    save_file({"base_model.lora_A.weight": np.ones((2, 2))}, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(ValueError, match="is a LoRA adapter, not a model: merge it"):
        load_model(tmp_path)
    shutil.copy(GOLDEN / "tiny_llama" / "config.json", tmp_path)
    with pytest.raises(ValueError, match="is a LoRA adapter, not a model: merge it"):
        load_model(tmp_path)


def test_models_without_a_head(tmp_path):
    """As `LlamaModel.save_pretrained` names them, without "model."; a tied one still predicts."""
    bare = {name.removeprefix("model."): value for name, value in stored("tiny_qwen2").items()}
    model = load_model(copy("tiny_qwen2", tmp_path / "tied", tensors=bare))
    np.testing.assert_array_equal(logits(model, IDS), logits(load_model(GOLDEN / "tiny_qwen2"), IDS))
    with pytest.raises(ValueError, match="this model has no head, or a classifier"):
        load_model(copy("tiny_qwen2", tmp_path / "untied", tensors=bare, tie_word_embeddings=False))
    with pytest.raises(ValueError, match=r"does not use, first 'score\.weight'"):
        load_model(copy("tiny_qwen2", tmp_path / "c", tensors={**bare, "score.weight": np.ones((2, 32), np.float32)}))
    with pytest.raises(ValueError, match=r"'model\.norm\.weight' twice"):
        load_model(copy("tiny_qwen2", tmp_path / "d", tensors={**bare, "model.norm.weight": bare["norm.weight"]}))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda v: v.astype(np.int32), "holds I32 numbers"),
        (lambda v: v.astype(ml_dtypes.float8_e4m3fn), "holds F8_E4M3 numbers"),
        (lambda v: v.T, r"has shape \(32, 48\); the config asks for \(48, 32\)"),
        (lambda v: v.reshape(-1), r"has shape \(1536,\)"),
        (lambda v: np.where(v == v.max(), np.inf, v), "not finite"),
        (lambda v: np.where(v == v.max(), np.nan, v).astype(np.float16), "not finite"),
        (lambda v: np.full(v.shape, 1e300), "not finite"),
    ],
)
def test_tensors_that_are_no_weights_are_named(tmp_path, change, named):
    name, tensors = "model.layers.1.mlp.up_proj.weight", stored("tiny_qwen2")
    with pytest.raises(ValueError, match=f"'{name}'.*{named}"):
        load_model(copy("tiny_qwen2", tmp_path / "a", tensors={**tensors, name: change(tensors[name])}))


def test_precisions_of_storage(tmp_path):
    """What is stored in another float is that, in float32; overflow of the sum that looks for NaN is no NaN."""
    tensors = stored("tiny_qwen2")
    for kind in (np.float64, np.float16, ml_dtypes.bfloat16):
        rounded = {name: value.astype(kind) for name, value in tensors.items()}
        model = load_model(copy("tiny_qwen2", tmp_path / np.dtype(kind).name, tensors=rounded))
        kept = np.asarray(model.parameters["embedding"]["embedding"][...])
        np.testing.assert_array_equal(kept, rounded[EMBEDDING].astype(np.float32))
    huge = {**tensors, "model.norm.weight": np.full(32, 3e38, np.float32)}
    load_model(copy("tiny_qwen2", tmp_path / "huge", tensors=huge))


def test_tokens_beyond_the_vocabulary(tmp_path):
    """A vocabulary larger than the tokenizer is usual; one that is smaller fails where its tokens would be used."""
    small = copy("tiny_qwen2", tmp_path / "small", tensors=smaller(290), vocab_size=290)
    with pytest.raises(ValueError, match="The tokenizer has 300 tokens, but the model has only 290 embeddings"):
        load_model(small)
    added = copy("tiny_qwen2", tmp_path / "added")
    core = json.loads((added / "tokenizer.json").read_text())
    token = {"id": 300, "content": "<pad>", "special": True, "normalized": False}
    core["added_tokens"].append({**token, "single_word": False, "lstrip": False, "rstrip": False})
    (added / "tokenizer.json").write_text(json.dumps(core))
    model = load_model(added)
    assert model.encode(["It is so."]) == load_model(GOLDEN / "tiny_qwen2").encode(["It is so."])
    with pytest.raises(ValueError, match=r"'<pad>'.* 300 embeddings"):
        model.encode(["It is", "so.<pad>"])


def smaller(rows):
    tensors = stored("tiny_qwen2")
    return {**tensors, EMBEDDING: tensors[EMBEDDING][:rows]}


def test_a_saved_model_that_is_broken_is_named(tmp_path):
    folder = save_model(load_model(GOLDEN / "tiny_qwen2"), tmp_path / "saved")
    record = json.loads((folder / "spexjax.json").read_text())
    for config in ({**record["config"], "num_layers": -1}, {**record["config"], "x": 1}, None, {"num_layers": 3}):
        (folder / "spexjax.json").write_text(json.dumps({**record, "config": config}))
        with pytest.raises(ValueError, match="is not what save_model writes"):
            load_model(folder)
    for config, named in [
        ({"vocab_size": 400}, r"\(300, 32\), wanted as \(400, 32\)"),
        ({"tie_embeddings": False}, "head"),
    ]:
        (folder / "spexjax.json").write_text(json.dumps({**record, "config": {**record["config"], **config}}))
        with pytest.raises(ValueError, match=f"missing or not those of its config .*{named}"):
            load_model(folder)
    (folder / "spexjax.json").write_text("{")
    with pytest.raises(ValueError, match="not readable JSON"):
        load_model(folder)

"""GGUF as llama.cpp reads it: every metadata key that changes the function is honoured, or refused by name."""

import json
import re
import shutil

import gguf
import numpy as np
import pytest
from common import GOLDEN
from gguf_files import write_gguf
from safetensors.numpy import load_file, save_file
from test_golden_logits import logits

from spexjax.models import _gguf, load_model
from spexjax.models._folder import Folder
from spexjax.models._gguf import GGUF

LLAMA, QWEN2 = GOLDEN / "tiny_llama", GOLDEN / "tiny_qwen2"


def read(tmp_path, folder=QWEN2, *, architecture=None, rope=None, **metadata):
    named = {} if architecture is None else {"architecture": architecture}
    return GGUF(write_gguf(tmp_path / "tiny.gguf", folder, metadata=metadata, rope=rope, **named)).config()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rope.dimension_count", 4),
        ("attention.scale", 0.5),
        ("attention.causal", False),
        ("attention.value_length", 4),
        ("logit_scale", 0.25),
        ("embedding_scale", 12.0),
        ("expert_count", 8),
        ("use_parallel_residual", True),
        ("attention.sliding_window", -1),
        ("attention.head_count", [4, 4, 2]),
        ("attention.head_count_kv", [2, 2, 4]),
        ("attention.head_count_kv", [2, 2]),
        ("attention.head_count_kv", 3),
        ("feed_forward_length", [48, 64, 48]),
        ("rope.scaling.type", "longrope"),
        ("rope.scaling.yarn_ext_factor", 0.5),
        ("rope.scaling.yarn_attn_factor", 1.0),
        ("expert_weights_scale", 2.5),
        ("expert_gating_func", 2),
        ("attention.sliding_window_pattern", 2),
        ("rope.scaling.attn_factor", 2.0),
        ("rope.scaling.factor", -2.0),
        ("rope.freq_base", "10000"),
        ("block_count", 10**9),
        ("block_count", None),
        ("embedding_length", 2.5),
        ("attention.layer_norm_rms_epsilon", None),
        ("vocab_size", 299),
        ("a_key_of_next_year", 0),
    ],
)
def test_what_changes_the_function_is_refused_by_name(tmp_path, key, value):
    with pytest.raises(ValueError, match=key.replace(".", r"\.") if "head_count_kv" not in key else "kv|key-value"):
        read(tmp_path, **{key: value})


LAYERED = {"attention.layer_norm_epsilon": 1e-5}
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 2.0}


@pytest.mark.parametrize(
    ("architecture", "metadata", "key"),
    [
        ("gptneox", LAYERED, "use_parallel_residual"),
        ("gptneox", LAYERED | {"use_parallel_residual": True, "rope.dimension_count": 3}, "rope.dimension_count"),
        ("gpt2", {}, "attention.layer_norm_epsilon"),
        ("gemma2", {"attn_logit_softcapping": 0.0}, "attn_logit_softcapping"),
        ("gemma3", {"attention.sliding_window": 8, **YARN}, "rope.scaling.type"),
        ("gemma3", {"attention.sliding_window": 8, "attention.sliding_window_pattern": [1]}, "sliding_window_pattern"),
        ("qwen3moe", {}, "expert_count"),
        ("qwen3moe", {"expert_count": 4}, "expert_used_count"),
        ("llama", {"expert_count": 4, "expert_used_count": 5}, "expert_used_count"),
        ("llama", {"rope.scaling.type": "yarn"}, "rope.scaling.factor"),
        ("phi3", {"rope.dimension_count": 10}, "rope.dimension_count"),
    ],
)
def test_families_refuse_by_name(tmp_path, architecture, metadata, key):
    with pytest.raises(ValueError, match=re.escape(f"{architecture}.") + r"[\w.]*" + re.escape(key)):
        read(tmp_path, architecture=architecture, **metadata)


def test_what_is_special_of_families(tmp_path):
    assert read(tmp_path, LLAMA, **{"attention.sliding_window": 8}).window == 8
    assert read(tmp_path, LLAMA, **{"attention.sliding_window": 512}).window is None
    assert read(tmp_path, architecture="smollm3", **{"attention.sliding_window": 8}).max_length == 8
    assert read(tmp_path, architecture="granite", **{"rope.scaling.finetuned": False}).rotated == (False,) * 3
    experts = {"expert_count": 4, "expert_used_count": 2}
    assert read(tmp_path, architecture="qwen3moe", **experts).intermediate_size == 24
    assert read(tmp_path, architecture="gemma3", **{"attention.sliding_window": 8}).sliding == (True,) * 3
    assert read(tmp_path, architecture="gemma2", **{"attention.sliding_window": 8}).sliding == (True, False, True)
    with pytest.raises(ValueError, match=r"'rope_factors_long.weight', but no 'rope_factors_short.weight'"):
        read(tmp_path, architecture="phi3", rope=("rope_factors_long.weight", np.ones(4)))


BASES = {
    "llama": {},
    "qwen2": {},
    "smollm3": {},
    "granite": {},
    "olmo2": {},
    "phi3": {},
    "gemma2": {"attention.sliding_window": 8},
    "gemma3": {"attention.sliding_window": 8, "attention.sliding_window_pattern": 2},
    "gpt2": LAYERED,
    "gptneox": LAYERED | {"use_parallel_residual": True},
    "qwen3moe": {"expert_count": 4, "expert_used_count": 2},
}
INERT = {  # says nothing that the weights or another entry do not say
    "tensor_data_layout",
    "pooling_type",
    "rope.scaling.original_context_length",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
}


@pytest.mark.parametrize("architecture", BASES)
def test_no_entry_that_llama_cpp_knows_is_ignored(tmp_path, architecture):
    """Whatever is written there, the config is another one, or the entry is refused by name."""
    path, base = tmp_path / "tiny.gguf", BASES[architecture]
    write_gguf(path, QWEN2, metadata=base, architecture=architecture)
    (part,) = _gguf._parts(path)
    plain, ignored = GGUF(path).config(), set()
    groups = (gguf.Keys.LLM, gguf.Keys.Attention, gguf.Keys.Rope)
    for name in {v.partition(".")[2] for group in groups for v in vars(group).values() if "{arch}." in str(v)} - INERT:
        key, norm = f"{architecture}.{name}", "attention.layer_norm_"
        unused = norm + ("rms_epsilon" if norm + "epsilon" in base else "epsilon")
        before = part.fields.get(key)
        for value in (5, 0.37, "other"):
            part.fields[key] = value
            try:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(_gguf, "_parts", lambda path: [part])
                    same = GGUF(path).config() == plain
            except ValueError as error:
                same = f"{architecture}." not in str(error)
            if same and name != unused and not (architecture == "gpt2" and name.startswith("rope.")):
                ignored.add((name, str(value)))
        if before is None:
            del part.fields[key]
        else:
            part.fields[key] = before
    assert ignored == set()


def test_defaults_and_what_says_nothing_new(tmp_path):
    plain = read(tmp_path)
    neutral = {
        "rope.dimension_count": 8,
        "attention.key_length": 8,
        "attention.value_length": 8,
        "attention.causal": True,
        "attention.sliding_window": 0,
        "attention.head_count_kv": [2, 2, 2],
        "feed_forward_length": [48, 48, 48],
        "expert_count": 0,
        "logit_scale": 1.0,
        "use_parallel_residual": False,
        "rope.scaling.finetuned": True,
        "rope.scaling.attn_factor": 1.0,
        "vocab_size": 300,
    }
    assert read(tmp_path, **neutral) == plain
    assert read(tmp_path, **{"rope.freq_base": None}) == plain  # 10,000 is llama.cpp's default, and the tiny model's
    assert read(tmp_path, **{"attention.sliding_window": 8}).max_length == 8


@pytest.mark.parametrize(
    ("slower", "metadata"),
    [
        (2, {"rope.scaling.type": "linear", "rope.scaling.factor": 2.0}),
        (2, {"rope.scaling.factor": 2.0}),
        (2, {"rope.scale_linear": 2.0}),
        (2, {"rope.scaling.factor": 2.0, "rope.scale_linear": 5.0}),
        (1, {"rope.scaling.type": "none", "rope.scaling.factor": 2.0}),
        (1, {"rope.scaling.factor": 0.0}),
    ],
)
def test_linear_scaling_as_llama_cpp(tmp_path, slower, metadata):
    plain = read(tmp_path).rope_frequencies
    np.testing.assert_allclose(read(tmp_path, **metadata).rope_frequencies, np.array(plain) / slower)


def test_scaled_gguf_equals_the_scaled_folder(tmp_path):
    """With the same frequencies it is the same program; logits of scaled files are in test_families.py."""
    path = write_gguf(tmp_path / "tiny.gguf", QWEN2, metadata={"rope.scale_linear": 4.0})
    folder = tmp_path / "folder"
    shutil.copytree(QWEN2, folder)
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"] = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10_000.0}
    (folder / "config.json").write_text(json.dumps(config))
    assert GGUF(path).config().rope_frequencies == Folder(folder).config().rope_frequencies


def test_biases_of_llama_are_used(tmp_path, golden):
    """The tiny Llama 3 has them in attention and MLP; llama.cpp reorders those of queries and keys like the weights."""
    folder = GOLDEN / "tiny_llama3"
    rope = 10_000.0 ** (-np.arange(4) / 4) / np.array(load_model(folder).config.rope_frequencies)
    model, record = load_model(write_gguf(tmp_path / "tiny.gguf", folder, rope=rope)), golden("tiny_llama3")
    assert (model.config.qkv_bias, model.config.output_bias, model.config.mlp_bias) == (True, True, True)
    np.testing.assert_allclose(logits(model, record["ids"])[record["positions"]], record["logits"], atol=2e-4)


def test_rope_divisors_are_llamas_and_whole(tmp_path):
    with pytest.raises(ValueError, match=r"rope_freqs\.weight"):
        GGUF(write_gguf(tmp_path / "tiny.gguf", QWEN2, rope=np.ones(4)))
    for rope in (np.ones(3), np.zeros(4), np.full(4, np.nan)):
        with pytest.raises(ValueError, match=r"rope_freqs\.weight"):
            GGUF(write_gguf(tmp_path / "tiny.gguf", LLAMA, rope=rope)).config()


def test_a_different_output_is_used(tmp_path):
    """Without `output.weight` the embedding is the head; with it that one is, whatever it holds."""
    tensors, folder = load_file(QWEN2 / "model.safetensors"), tmp_path / "folder"
    ids, tied = [5, 9, 200, 7], logits(load_model(QWEN2), [5, 9, 200, 7])
    shutil.copytree(QWEN2, folder)
    for order in (1, -1):
        head = np.ascontiguousarray(tensors["model.embed_tokens.weight"][::order])
        save_file({**tensors, "lm_head.weight": head}, folder / "model.safetensors")
        for model in (load_model(write_gguf(tmp_path / "tiny.gguf", folder)), load_model(folder)):
            np.testing.assert_allclose(logits(model, ids), tied[:, ::order], atol=1e-4)


def test_parts(tmp_path):
    """Any part stands for the whole; a missing one is named."""
    write_gguf(tmp_path / "tiny.gguf", QWEN2, parts=15)
    whole = load_model(write_gguf(tmp_path / "whole.gguf", QWEN2))
    parts = sorted(tmp_path.glob("tiny-*.gguf"))
    assert len(parts) == 3
    for part in parts[::2]:
        model = load_model(part)
        np.testing.assert_array_equal(logits(model, [5, 9, 200]), logits(whole, [5, 9, 200]))
    parts[1].unlink()
    with pytest.raises(ValueError, match=r"one of 3 parts of a model, and tiny-00002-of-00003\.gguf missing"):
        load_model(parts[0])
    alone = parts[2].rename(tmp_path / "alone.gguf")
    with pytest.raises(ValueError, match="one of 3 parts of a model, but is not named"):
        load_model(alone)


def test_adapters_and_integers_are_refused(tmp_path):
    path = tmp_path / "tiny.gguf"
    with pytest.raises(ValueError, match="LoRA adapter"):
        GGUF(write_gguf(path, QWEN2, **{"general.type": "adapter"}))

    def integers(name, value):
        return name, value.astype(np.int32) if name == "blk.1.ffn_up.weight" else value

    with pytest.raises(ValueError, match=r"blk\.1\.ffn_up\.weight.* holds I32 numbers"):
        GGUF(write_gguf(path, QWEN2, change=integers))

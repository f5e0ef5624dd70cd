"""GGUF files of tiny models of every family, written as llama.cpp's converters write them (its `conversion/*.py`)."""

import json
import re

import gguf
import numpy as np
from families import FAMILIES

from spexjax.models import complete_config

ARCHITECTURES = {  # model_type -> general.architecture
    "mistral": "llama",
    "mixtral": "llama",
    "gemma3_text": "gemma3",
    "gpt_neox": "gptneox",
    "qwen3_moe": "qwen3moe",
}
LONG = {"long_factor": [2.0, 3.0], "short_factor": [1.0, 1.5], "rope_type": "longrope", "rope_theta": 10_000.0}
LONG |= {"attention_factor": float(np.float32((1 + np.log(2) / np.log(128)) ** 0.5)), "partial_rotary_factor": 0.5}
CHANGES = {  # so that a file can say it: llama.cpp knows which layers have no RoPE, and by what scores are divided
    "qwen2": {"use_sliding_window": False},
    "smollm3": {"num_hidden_layers": 4, "no_rope_layer_interval": 4},
    "gemma2": {"query_pre_attn_scalar": 8},
    "gemma3_text": {"query_pre_attn_scalar": 8},
    "phi3 long": {"rope_parameters": LONG, "original_max_position_embeddings": 128, "sliding_window": None},
    "gpt_neox": {"layer_norm_eps": 1e-5},
    "gpt_neox in line": {"layer_norm_eps": 1e-5, "use_parallel_residual": False},
}


def for_gguf(record, family):
    """The model of a golden record with the family's `CHANGES`; new layers have the shapes of the first."""
    config, shapes = record["config"] | CHANGES.get(family, {}), dict(record["shapes"])
    for i in range(2, config.get("num_hidden_layers", 2)):
        shapes |= {n.replace(".0.", f".{i}."): s for n, s in record["shapes"].items() if ".0." in n}
    return {"config": config, "shapes": shapes}


def write_family_gguf(path, config, weights):
    """Writes the model of a config.json and its tensors, with the tokenizer of the other tiny models."""
    family = config["model_type"]
    whole = complete_config(config, FAMILIES[family][0])
    name = ARCHITECTURES.get(family, family)
    writer = gguf.GGUFWriter(path, name)
    writer.add_name(f"tiny {family}")
    {"gpt2": _gpt2, "gpt_neox": _gpt_neox, "phi3": _phi3, "gemma2": _gemma2}.get(family, _text)(writer, whole)
    {"gemma3_text": _gemma3, "granite": _granite}.get(family, lambda *_: None)(writer, whole)
    if name == "llama":
        writer.add_vocab_size(whole.vocab_size)
        writer.add_rope_dimension_count(getattr(whole, "head_dim", None) or whole.hidden_size // 4)
        if getattr(whole, "sliding_window", None):  # which the converter does not write
            writer.add_sliding_window(whole.sliding_window)
    architecture = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == name)
    named = gguf.get_tensor_name_map(architecture, whole.num_hidden_layers)
    for at, value in _tensors(family, whole, weights):
        module, leaf = at.rsplit(".", 1)
        writer.add_tensor(f"{named.get_name(module)}.{leaf}", np.ascontiguousarray(value))
    _tokenizer(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _text(writer, c):
    """`TextModel.set_gguf_parameters`."""
    _sizes(writer, c)
    rope = c.rope_parameters.get("full_attention", c.rope_parameters)
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if "sliding_attention" in c.rope_parameters:
        writer.add_rope_freq_base_swa(c.rope_parameters["sliding_attention"]["rope_theta"])
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    if getattr(c, "num_experts_per_tok", None):
        writer.add_expert_count(c.num_local_experts)
        writer.add_expert_used_count(c.num_experts_per_tok)
    if getattr(c, "moe_intermediate_size", None):
        writer.add_expert_feed_forward_length(c.moe_intermediate_size)
    if getattr(c, "head_dim", None):
        writer.add_key_length(c.head_dim)
        writer.add_value_length(c.head_dim)


def _sizes(writer, c):
    writer.add_block_count(c.num_hidden_layers)
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_feed_forward_length(getattr(c, "intermediate_size", 4 * c.hidden_size))
    writer.add_head_count(c.num_attention_heads)
    if hasattr(c, "num_key_value_heads"):
        writer.add_head_count_kv(c.num_key_value_heads)


def _gpt2(writer, c):
    _sizes(writer, c)
    writer.add_layer_norm_eps(c.layer_norm_epsilon)


def _gpt_neox(writer, c):
    _sizes(writer, c)
    writer.add_rope_dimension_count(int(c.rope_parameters["partial_rotary_factor"] * c.hidden_size // 4))
    writer.add_parallel_residual(c.use_parallel_residual)
    writer.add_layer_norm_eps(c.layer_norm_eps)


def _phi3(writer, c):
    _sizes(writer, c)
    rope = c.rope_parameters
    original = rope.get("original_max_position_embeddings", c.max_position_embeddings)
    writer.add_rope_scaling_orig_ctx_len(original)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_rope_dimension_count(int(rope["partial_rotary_factor"] * c.hidden_size) // c.num_attention_heads)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_sliding_window(c.sliding_window or 0)
    if rope["rope_type"] == "longrope":
        scale = c.max_position_embeddings / original
        writer.add_rope_scaling_attn_factors((1 + np.log(scale) / np.log(original)) ** 0.5)
        for length in ("long", "short"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.float32(rope[f"{length}_factor"]))


def _gemma2(writer, c):
    _sizes(writer, c)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_key_length(c.head_dim)
    writer.add_value_length(c.head_dim)
    writer.add_attn_logit_softcapping(c.attn_logit_softcapping)
    writer.add_final_logit_softcapping(c.final_logit_softcapping)
    writer.add_sliding_window(c.sliding_window)


def _gemma3(writer, c):
    writer.add_sliding_window(c.sliding_window)
    writer.add_sliding_window_pattern([kind == "sliding_attention" for kind in c.layer_types])


def _granite(writer, c):
    writer.add_vocab_size(c.vocab_size)
    writer.add_rope_dimension_count(c.hidden_size // c.num_attention_heads)
    writer.add_attention_scale(c.attention_multiplier)
    writer.add_embedding_scale(c.embedding_multiplier)
    writer.add_residual_scale(c.residual_multiplier)
    writer.add_logit_scale(c.logits_scaling)


def _tensors(family, c, weights):
    """The tensors under names that the package's own map knows, reordered and changed as the converters do."""
    for name, value in _experts(weights):
        heads = {"q_proj": c.num_attention_heads, "k_proj": getattr(c, "num_key_value_heads", None)}
        if family in ("llama", "mistral", "mixtral", "granite", "smollm3") and (h := heads.get(name.split(".")[-2])):
            value = value.reshape(h, 2, value.shape[0] // h // 2, *value.shape[1:]).swapaxes(1, 2).reshape(value.shape)
        if family.startswith("gemma") and name.endswith("norm.weight"):
            value = value + 1
        if family == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            value = value.T
        if "query_key_value" in name:
            by_head = value.reshape(c.num_attention_heads, 3, -1, *value.shape[1:])
            value = by_head.swapaxes(0, 1).reshape(value.shape)
        yield name, value


def _experts(weights):
    """The experts of a layer as one tensor, whose name lacks the number."""
    stacks = {}
    for name, value in weights.items():
        stacks.setdefault(re.sub(r"experts\.\d+\.", "experts.", name), {})[name] = value
    for name, parts in stacks.items():
        yield name, np.stack([parts[key] for key in sorted(parts)]) if "experts." in name else parts[name]


def _tokenizer(writer):
    from common import GOLDEN

    core = json.loads((GOLDEN / "tiny_llama" / "tokenizer.json").read_text())
    vocabulary = core["model"]["vocab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.get))
    writer.add_token_types([3] + [1] * (len(vocabulary) - 1))
    writer.add_token_merges([" ".join(m) for m in core["model"]["merges"]])
    writer.add_eos_token_id(0)

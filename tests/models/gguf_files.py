"""Tiny GGUF files."""

import json
import re

import gguf
import numpy as np
from safetensors.numpy import load_file

from spexjax.models import LLAMA_TENSORS
from spexjax.models._gguf import _MODULES


def write_gguf(
    path,
    folder,
    *,
    rope=None,
    change=lambda name, value: (name, value),
    quantise=None,
    parts=0,
    metadata=None,
    **fields,
):
    """Writes a tiny Hugging Face folder the way llama.cpp's converter does, in one file or with so many tensors a part.

    `metadata` are entries of the architecture that replace those of the config, None for none; `fields` any others.
    """
    config = json.loads((folder / "config.json").read_text())
    architecture = {"llama": "llama", "qwen2": "qwen2"}.get(config["model_type"], "llama")
    architecture = fields.pop("architecture", architecture)
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=parts)
    even = config["hidden_size"] // config["num_attention_heads"]
    head = config.get("head_dim") or even
    entries = {
        "block_count": config["num_hidden_layers"],
        "embedding_length": config["hidden_size"],
        "context_length": config["max_position_embeddings"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "attention.key_length": head if head != even else None,
        "attention.value_length": head if head != even else None,
        "rope.freq_base": config["rope_parameters"]["rope_theta"],
    }
    for key, value in {**entries, **(metadata or {})}.items():
        fields[f"{architecture}.{key}"] = value
    for key, value in fields.items():
        if value is not None:
            kind = gguf.GGUFValueType.get_type(value)
            sub = gguf.GGUFValueType.get_type(value[0]) if isinstance(value, list) else None
            writer.add_key_value(key, value, kind, sub)
    core = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = core["model"]["vocab"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2" if architecture == "qwen2" else "gpt-2")
    writer.add_token_list(sorted(vocabulary, key=vocabulary.get))
    writer.add_token_types([3] + [1] * (len(vocabulary) - 1))
    writer.add_token_merges([" ".join(m) for m in core["model"]["merges"]])
    writer.add_eos_token_id(0)
    names = {LLAMA_TENSORS[module]: name for name, module in _MODULES.items() if module in LLAMA_TENSORS}
    for file in sorted(folder.glob("*.safetensors")):
        for name, value in load_file(file).items():
            module, leaf = name.rsplit(".", 1)
            layer = re.search(r"\.(\d+)\.", module)
            short = names[re.sub(r"\.\d+\.", ".{layer}.", module)]
            if architecture == "llama" and short in ("attn_q", "attn_k"):
                value = value.reshape(-1, 2, head // 2, value[0].size).swapaxes(1, 2).reshape(value.shape)
            short = f"blk.{layer[1]}.{short}.{leaf}" if layer else f"{short}.{leaf}"
            short, value = change(short, np.ascontiguousarray(value))
            kind = gguf.GGMLQuantizationType.Q8_0
            if quantise and value.ndim == 2 and value.shape[1] % 32 == 0:
                writer.add_tensor(short, gguf.quants.quantize(value, kind), raw_dtype=kind)
            elif short:
                writer.add_tensor(short, value)
    if rope is not None:
        name, divisors = rope if isinstance(rope, tuple) else ("rope_freqs.weight", rope)
        writer.add_tensor(name, divisors.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

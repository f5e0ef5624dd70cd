"""Random Hugging Face folders of tiny models: config keys dropped, changed and null, weights split, stale, tied."""

import json
import random
from pathlib import Path

import ml_dtypes
import numpy as np
import transformers
from safetensors.numpy import save_file

FAMILIES = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config"}
_WORDS = ["<eos>", *(chr(c) for c in range(ord("a"), ord("z")))]
_LINEAR = {"type": "linear", "factor": 2.0}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
_PLAUSIBLE = {
    "vocab_size": [32, 48],
    "hidden_size": [16, 32],
    "intermediate_size": [20, 24],
    "num_hidden_layers": [1, 2],
    "num_attention_heads": [2, 8],
    "num_key_value_heads": [1, 2, 8, None],
    "head_dim": [2, 4, 8, None],
    "max_position_embeddings": [48, 512],
    "rms_norm_eps": [1e-5, 1e-3, 0.1],
    "hidden_act": ["silu", "swish", "gelu"],
    "tie_word_embeddings": [True, False],
    "attention_bias": [True, False],
    "mlp_bias": [True, False],
    "rope_theta": [100.0, 500, 1e6],
    "rope_scaling": [None, {}, _LINEAR, _LLAMA3, {"factor": 4.0}, {"rope_type": "yarn", "factor": 2.0}],
    "rope_parameters": [{"rope_theta": 50.0}, {"rope_type": "linear", "factor": 3.0}, {**_LLAMA3, "rope_theta": 300.0}],
    "original_max_position_embeddings": [8, 32],
    "partial_rotary_factor": [1.0, 0.5],
    "sliding_window": [None, 4, 8, 40, 4096],
    "use_sliding_window": [True, False],
    "max_window_layers": [0, 1, 8],
    "layer_types": [["full_attention"] * 2, ["full_attention", "sliding_attention"], ["sliding_attention"] * 2, None],
    "pretraining_tp": [1, 2],
    "attention_dropout": [0.0, 0.5],
    "initializer_range": [0.02, 0.5],
    "dtype": ["float32", "bfloat16", None],
    "torch_dtype": ["float16"],
    "use_cache": [True, False],
    "output_hidden_states": [True],
    "num_labels": [3],
    "architectures": [None, ["LlamaModel"], ["LlamaForSequenceClassification"]],
    "attn_implementation": ["eager"],
    "is_causal": [True, False],
    "quantization_config": [None, {"quant_method": "fp8"}],
    "auto_map": [{"AutoModelForCausalLM": "modeling.Other"}],
    "pad_token_id": [None, 0, -1],
    "eos_token_id": [[1, 2], None],
    "rescale_every": [2],
}
_ABSURD = [None, -1, 0, 1, 2.5, True, "x", "16", [], {}, 10**12, -(10**30), 1e300, float("nan"), [1, 2], {"a": 1}]


def random_folder(path: Path, family: str, seed: int) -> list[str]:
    """Writes a folder and says what was done to it; the same seed gives the same folder."""
    chance = random.Random(f"{family} {seed}")
    config, changes = _config(chance, family)
    tensors, told = _tensors(chance, family, config, np.random.default_rng(seed))
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps(config))
    told += _layout(chance, path, tensors)
    core = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(_WORDS)}, "unk_token": "<eos>"},
    }
    (path / "tokenizer.json").write_text(json.dumps(core))
    (path / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>"}')
    return changes + told


def _config(chance: random.Random, family: str) -> tuple[dict, list[str]]:
    heads = chance.choice([4, 8])
    config = {
        "model_type": family,
        "architectures": [f"{family.capitalize()}ForCausalLM"],
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": heads,
        "num_key_value_heads": chance.choice([1, 2, 4, heads]),
        "hidden_act": "silu",
        "max_position_embeddings": 64,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "tie_word_embeddings": chance.random() < 0.5,
    }
    if family == "mistral":
        config["sliding_window"] = chance.choice([None, 64])
    changes = []
    for _ in range(chance.choice([0, 1, 1, 2, 2, 3])):
        key, what = chance.choice([*config, *_PLAUSIBLE]), chance.random()
        if key == "model_type":
            continue
        if what < 0.35:
            if config.pop(key, None) is not None:
                changes.append(f"without {key}")
        else:
            config[key] = chance.choice(_ABSURD if what > 0.85 or key not in _PLAUSIBLE else _PLAUSIBLE[key])
            changes.append(f"{key}={config[key]}")
    return config, changes


def _resolved(family: str, config: dict):
    """The config with transformers' defaults, if it takes it and the model is small; else what it was made from."""
    sizes = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
    plain = {"model_type", *sizes}
    usable = {k: v for k, v in config.items() if k not in plain or (isinstance(v, int) and 0 < v < 1 << 20)}
    for attempt in (usable, {}):
        try:
            whole = getattr(transformers, FAMILIES[family])(**json.loads(json.dumps(attempt)))
            head = getattr(whole, "head_dim", None) or whole.hidden_size // whole.num_attention_heads
            numbers = whole.hidden_size * (2 * whole.vocab_size + 3 * whole.intermediate_size * whole.num_hidden_layers)
            numbers += 4 * whole.num_hidden_layers * whole.hidden_size * whole.num_attention_heads * head
            if numbers < 6_000_000 and whole.num_key_value_heads > 0 and whole.num_hidden_layers < 64:
                return whole, head
        except Exception:  # transformers refuses it, for whatever reason: so must spexjax, whatever the weights are
            continue
    base = {"vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    return getattr(transformers, FAMILIES[family])(**base, num_attention_heads=4, num_key_value_heads=4), 4


def _tensors(chance: random.Random, family: str, config: dict, rng: np.random.Generator) -> tuple[dict, list[str]]:
    whole, head = _resolved(family, config)
    queries, keys = whole.num_attention_heads * head, whole.num_key_value_heads * head
    d, wide = whole.hidden_size, whole.intermediate_size
    shapes = {"model.embed_tokens.weight": (whole.vocab_size, d), "model.norm.weight": (d,)}
    biased = family == "qwen2" or getattr(whole, "attention_bias", False) is True
    for i in range(whole.num_hidden_layers):
        at = f"model.layers.{i}"
        for name, out in (("q", queries), ("k", keys), ("v", keys)):
            shapes[f"{at}.self_attn.{name}_proj.weight"] = (out, d)
            if biased:
                shapes[f"{at}.self_attn.{name}_proj.bias"] = (out,)
        shapes[f"{at}.self_attn.o_proj.weight"] = (d, queries)
        if biased and family != "qwen2":
            shapes[f"{at}.self_attn.o_proj.bias"] = (d,)
        for name, size in (("gate", (wide, d)), ("up", (wide, d)), ("down", (d, wide))):
            shapes[f"{at}.mlp.{name}_proj.weight"] = size
            if getattr(whole, "mlp_bias", False) is True:
                shapes[f"{at}.mlp.{name}_proj.bias"] = size[:1]
        shapes[f"{at}.input_layernorm.weight"] = shapes[f"{at}.post_attention_layernorm.weight"] = (d,)
    dtype = chance.choice([np.float32, np.float32, np.float16, ml_dtypes.bfloat16])
    tensors = {
        name: ((0.5 + rng.normal(size=s)) if len(s) == 1 else 0.3 * rng.normal(size=s)).astype(dtype)
        for name, s in shapes.items()
    }
    told, embedding = [np.dtype(dtype).name], tensors["model.embed_tokens.weight"]
    tied = whole.tie_word_embeddings is True
    head_is = chance.choice(
        ["absent", "absent", "equal", "different", "alone"] if tied else ["different"] * 8 + ["absent"]
    )
    if head_is != "absent":
        other = (0.3 * rng.normal(size=embedding.shape)).astype(dtype)
        tensors["lm_head.weight"] = embedding.copy() if head_is == "equal" else other
    if head_is == "alone":
        del tensors["model.embed_tokens.weight"]
    if (unusual := chance.random()) < 0.2:
        name = chance.choice(list(tensors))
        if unusual < 0.06:
            tensors = {n.removeprefix("model."): v for n, v in tensors.items()}
            told.append("saved without 'model.'")
        elif unusual < 0.09:
            tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(head // 2, np.float32)
            told.append("inv_freq")
        elif unusual < 0.12:
            tensors["score.weight"] = np.ones((2, d), np.float32)
            told.append("score")
        elif unusual < 0.15:
            tensors[name] = tensors[name].astype(chance.choice([np.int32, np.float64]))
            told.append(f"{name} is {tensors[name].dtype}")
        else:
            del tensors[name]
            told.append(f"without {name}")
    return tensors, [*told, f"{'tied' if tied else 'untied'}, head {head_is}"]


def _layout(chance: random.Random, path: Path, tensors: dict) -> list[str]:
    layout = chance.choice(["single", "single", "split", "split", "both", "stale"])
    stale = {name: (value + 1).astype(value.dtype) for name, value in tensors.items()}
    if layout in ("single", "both"):
        save_file(tensors, path / "model.safetensors")
    if layout == "single":
        return [layout]
    parts = stale if layout == "both" else tensors  # model.safetensors comes first, whatever an index says
    names = [f"model-{i:05}-of-00003.safetensors" for i in (1, 2, 3)]
    home = {name: names[chance.randrange(3)] for name in parts}
    for file in sorted(set(home.values())):
        save_file({n: v for n, v in parts.items() if home[n] == file}, path / file)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": home}))
    if layout == "stale":
        save_file(stale, path / "model-00001-of-00002.safetensors")
        save_file(stale, path / "consolidated.safetensors")
        save_file({"base_model.lora_A.weight": np.ones((2, 2), np.float32)}, path / "adapter_model.safetensors")
    return [layout]

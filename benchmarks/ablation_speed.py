"""How many ablations a second: spexjax against transformers + torch, the same masks of the same text, in one run.

torch gets its best: float32 on all cores, sdpa attention, key-value cache off, only the last position's logits,
sequences sorted by length so that dynamic padding is small, and the best of several batch sizes.

    python benchmarks/ablation_speed.py --budget 512
"""

import argparse
import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np

import spexjax as sx
from spexjax.demo import ANSWER_PREFIX, ANSWERS, QUESTION, REVIEW
from spexjax.evaluation import run
from spexjax.models.gguf import GGUF
from spexjax.models.language_model import smollm2_path

BATCH_SIZES = (4, 8, 16, 32, 64)


def torch_model(path):
    """The same weights in transformers' own LlamaForCausalLM."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(os.cpu_count())
    checkpoint = GGUF(path)
    c = checkpoint.config()
    config = LlamaConfig(
        vocab_size=c.vocab_size,
        hidden_size=c.hidden_size,
        intermediate_size=c.intermediate_size,
        num_hidden_layers=c.num_layers,
        num_attention_heads=c.num_heads,
        num_key_value_heads=c.num_kv_heads,
        rms_norm_eps=c.norm_epsilon,
        max_position_embeddings=c.max_length,
        rope_parameters={"rope_type": "default", "rope_theta": checkpoint.field("llama.rope.freq_base")},
        tie_word_embeddings=c.tie_embeddings,
        attn_implementation="sdpa",
    )
    network = LlamaForCausalLM(config).eval()
    weights = {name: torch.tensor(checkpoint.read(name)) for name in checkpoint.names}
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert missing == ["lm_head.weight"]  # tied
    assert not unexpected
    return network


def torch_values(network, tokenizer, prompts, targets, batch_size):
    """The logit difference of every prompt."""
    import torch

    ids = tokenizer(prompts, add_special_tokens=False)["input_ids"]
    order = np.argsort([len(i) for i in ids], kind="stable")
    values = np.zeros(len(ids), np.float32)
    with torch.inference_mode():
        for start in range(0, len(ids), batch_size):
            part = order[start : start + batch_size]
            width = max(len(ids[i]) for i in part)
            tokens, mask = torch.zeros(len(part), width, dtype=torch.long), torch.zeros(len(part), width)
            for row, i in enumerate(part):  # left-padded: the last position is the answer's
                tokens[row, width - len(ids[i]) :] = torch.tensor(ids[i])
                mask[row, width - len(ids[i]) :] = 1
            places = (mask.cumsum(1) - 1).clamp(min=0).long()
            out = network(
                input_ids=tokens, attention_mask=mask, position_ids=places, use_cache=False, logits_to_keep=1
            ).logits[:, -1, list(targets)]
            values[part] = (out[:, 0] - out[:, 1]).numpy()
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--question", default=QUESTION, help="the template's question; the demo's by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ablation_speed.json")
    args = parser.parse_args()

    options = {"question": args.question, "answers": ANSWERS, "answer_prefix": ANSWER_PREFIX}
    models = {dtype: sx.load_model("smollm2", dtype=dtype) for dtype in ("float32", "bfloat16")}
    ablations = {dtype: sx.ablations.text(model, REVIEW, **options) for dtype, model in models.items()}
    ablation, tokenizer = ablations["float32"], models["float32"].tokenizer
    masks = np.asarray(sx.designs.uniform(jax.random.key(0), args.budget, ablation.num_features))
    prompts = ablation.removal.prompts(masks)
    network = torch_model(smollm2_path())

    def theirs(rows, batch_size):
        start = time.perf_counter()
        values = torch_values(network, tokenizer, prompts[:rows], ablation.targets, batch_size)
        return time.perf_counter() - start, values

    trials = {size: min(theirs(args.budget // 8, size)[0] for _ in range(2)) for size in BATCH_SIZES}
    batch_size = min(trials, key=trials.get)
    cold = {dtype: run(a, masks, progress=False) for dtype, a in ablations.items()}
    seconds = {"spexjax float32": [], "spexjax bfloat16": [], "torch float32": []}
    for _ in range(args.repeats):  # in turn, so that a drift of the machine meets all
        for dtype, a in ablations.items():
            warm = run(a, masks, progress=False)
            seconds[f"spexjax {dtype}"].append(warm.seconds)
        taken, reference = theirs(args.budget, batch_size)
        seconds["torch float32"].append(taken)

    median = {name: float(np.median(times)) for name, times in seconds.items()}
    result = {
        "command": "python benchmarks/ablation_speed.py " + " ".join(sys.argv[1:]),
        "features": ablation.num_features,
        "ablations": args.budget,
        "template_tokens": len(models["float32"].encode([ablation.before + ablation.after])[0]),
        "masks_per_second": {name: args.budget / s for name, s in median.items()},
        "ratio_to_torch_float32": {n: median["torch float32"] / s for n, s in median.items() if n != "torch float32"},
        "seconds": seconds,
        "torch_batch_size": batch_size,
        "first_run": {
            dtype: {"compile_seconds": c.compile_seconds, "programs": c.num_programs, "padding": c.padding}
            for dtype, c in cold.items()
        },
        "largest_difference_from_torch": {
            dtype: float(np.abs(c.values - reference).max()) for dtype, c in cold.items()
        },
        "standard_deviation_of_values": float(reference.std()),
        "cores": os.cpu_count(),
        "versions": {p: version(p) for p in ("jax", "torch", "transformers")},
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

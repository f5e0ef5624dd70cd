"""How many ablations a second: spexjax against transformers + torch, the same masks of the same text, in one run.

torch gets its best: float32 on all cores, sdpa attention, key-value cache off, only the last position's logits,
sequences sorted by length so that dynamic padding is small, and the best of several batch sizes.

    python benchmarks/ablation_speed.py --budget 512
"""

import argparse
import json
import os
import platform
import time
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
    assert missing == ["lm_head.weight"] and not unexpected, (missing, unexpected)  # tied
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
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ablation_speed.json")
    args = parser.parse_args()

    model = sx.load_model("smollm2")
    ablation = sx.ablations.text(model, REVIEW, question=QUESTION, answers=ANSWERS, answer_prefix=ANSWER_PREFIX)
    masks = np.asarray(sx.designs.uniform(jax.random.key(0), args.budget, ablation.num_features))
    cold = run(ablation, masks, progress=False)
    prompts = ablation.removal.prompts(masks)

    network = torch_model(smollm2_path())
    trial = masks.shape[0] // 4
    timings = {}
    for size in BATCH_SIZES:
        start = time.perf_counter()
        torch_values(network, model.tokenizer, prompts[:trial], ablation.targets, size)
        timings[size] = time.perf_counter() - start
    best = min(timings, key=timings.get)

    ours, theirs = [], []
    for _ in range(args.repeats):  # in turn, so that a drift of the machine meets both
        ours.append(run(ablation, masks, progress=False))
        start = time.perf_counter()
        peer = torch_values(network, model.tokenizer, prompts, ablation.targets, best)
        theirs.append(time.perf_counter() - start)
    seconds, torch_seconds = np.median([e.seconds for e in ours]), np.median(theirs)
    result = {
        "text": REVIEW,
        "features": ablation.num_features,
        "ablations": args.budget,
        "prompt_tokens": len(model.encode([ablation.before + ablation.text + ablation.after])[0]),
        "spexjax": {
            "masks_per_second": args.budget / seconds,
            "seconds": [e.seconds for e in ours],
            "cold_seconds": cold.seconds,
            "compile_seconds": cold.compile_seconds,
            "programs": cold.num_programs,
            "padding": cold.padding,
        },
        "torch": {"masks_per_second": args.budget / torch_seconds, "seconds": theirs, "batch_size": best},
        "ratio": torch_seconds / seconds,
        "largest_difference_of_values": float(np.abs(ours[0].values - peer).max()),
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
        "versions": {"jax": jax.__version__, **_torch_versions()},
        "command": f"python benchmarks/ablation_speed.py --budget {args.budget}",
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def _torch_versions():
    import torch
    import transformers

    return {"torch": torch.__version__, "transformers": transformers.__version__}


if __name__ == "__main__":
    main()

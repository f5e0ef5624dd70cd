"""How many ablations a second of other families: GPT-2 and Gemma 3 in their real sizes, with random weights.

The review and the template are those of throughput.py, the tokens SmolLM2's. torch gets all cores, sdpa attention, only
the last position's logits, and the best of several batch sizes, sorted by length. Values must agree.

    python benchmarks/family_speed.py
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import torch
import transformers
from common import RESULTS_FOLDER, machine, versions
from throughput import BATCH_SIZES, ours, torch_values

import spexjax as sx
from spexjax.models._folder import Folder
from spexjax.models._weights import load_weights

CONFIGS = {
    "gpt2, 124M": lambda: transformers.GPT2Config(),
    "gemma3_text, 270M with the vocabulary of SmolLM2": lambda: transformers.Gemma3TextConfig(
        vocab_size=49_152,
        hidden_size=640,
        intermediate_size=2_048,
        num_hidden_layers=18,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        sliding_window=512,
    ),
}


def both(config, tokenizer) -> tuple:
    """The same random weights in transformers and in spexjax."""
    torch.manual_seed(0)
    network = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval()
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        checkpoint = Folder(Path(folder))
        found = load_weights(checkpoint.config(), *checkpoint.stored(), jnp.float32, checkpoint.tensors)
    return network, sx.models.LanguageModel("random", *found, tokenizer, fingerprint="random", load_seconds=0.0)


def measure(config, tokenizer, args) -> dict:
    network, model = both(config, tokenizer)
    mine = ours(model, args)
    ablation, masks = mine["ablation"], mine["masks"]
    prompts = ablation.inputs.prompts(masks)

    def theirs(rows: int, size: int) -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        values = torch_values(network, tokenizer, prompts[:rows], ablation.targets, size)
        return time.perf_counter() - start, values

    best = min(BATCH_SIZES, key=lambda size: theirs(args.budget // 4, size)[0])
    seconds = {"spexjax": [], "torch": []}
    for _ in range(args.repeats):  # in turn, so that a drift of the machine meets both
        start = time.perf_counter()
        mine["run"]()
        seconds["spexjax"].append(time.perf_counter() - start)
        spent, values = theirs(args.budget, best)
        seconds["torch"].append(spent)
    rates = {name: args.budget / float(np.median(some)) for name, some in seconds.items()}
    return {
        "masks_per_second": {name: round(rate, 2) for name, rate in rates.items()},
        "ratio": round(rates["spexjax"] / rates["torch"], 2),
        "torch_batch_size": best,
        "largest_difference": float(np.abs(values - mine["values"]).max()),
        "spread_of_values": float(np.std(mine["values"])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count())
    tokenizer = sx.load_model("smollm2").tokenizer
    record = {"versions": versions(), "torch": torch.__version__, "machine": machine(), "ablations": args.budget}
    for name, config in CONFIGS.items():
        record[name] = measure(config(), tokenizer, args)
        print(name, record[name], flush=True)
    (RESULTS_FOLDER / "family_speed.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

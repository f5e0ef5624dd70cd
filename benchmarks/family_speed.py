"""How many ablations a second of other families: GPT-2 and Gemma 3 in their real sizes, with random weights.

The review and the template are those of throughput.py, the tokens SmolLM2's. torch gets all cores, sdpa attention, only
the last position's logits, and the best of several batch sizes, sorted by length. Values must agree. With more masks
more of their beginnings are shared; torch's speed does not depend on that, so it runs the first 512 of them.
Rows in results/family_speed.json are measured again if they are asked for, and kept if not.

    python benchmarks/family_speed.py --budgets 512 2048
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import torch
import transformers
from common import RESULTS_FOLDER, machine, versions
from throughput import BATCH_SIZES, ours, torch_values

import spexjax as sx
from spexjax.models._folder import Folder
from spexjax.models._weights import load_weights

MOST_OF_TORCH = 512
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


def measure(network, model, tokenizer, budget: int, repeats: int) -> dict:
    mine = ours(model, SimpleNamespace(budget=budget))
    ablation, some = mine["ablation"], min(budget, MOST_OF_TORCH)
    prompts = ablation.inputs.prompts(mine["masks"][:some])

    def theirs(rows: int, size: int) -> tuple[float, np.ndarray]:
        start = time.perf_counter()
        values = torch_values(network, tokenizer, prompts[:rows], ablation.targets, size)
        return time.perf_counter() - start, values

    best = min(BATCH_SIZES, key=lambda size: theirs(some // 4, size)[0])
    rates = {"spexjax": [], "torch": []}
    for _ in range(repeats):  # in turn, so that a drift of the machine meets both
        start = time.perf_counter()
        mine["run"]()
        rates["spexjax"].append(budget / (time.perf_counter() - start))
        spent, values = theirs(some, best)
        rates["torch"].append(some / spent)
    medians = {name: float(np.median(found)) for name, found in rates.items()}
    return {
        "masks_per_second": {name: round(rate, 2) for name, rate in medians.items()},
        "ratio": round(medians["spexjax"] / medians["torch"], 2),
        "tokens_run_per_mask": round(mine["about"]["tokens_run_per_mask"], 1),
        "torch_batch_size": best,
        "torch_masks": some,
        "largest_difference": float(np.abs(values - mine["values"][:some]).max()),
        "spread_of_values": float(np.std(mine["values"])),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budgets", type=int, nargs="+", default=[512])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count())
    tokenizer = sx.load_model("smollm2").tokenizer
    path = RESULTS_FOLDER / "family_speed.json"
    rows = (
        {(row["model"], row["ablations"]): row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}
    )
    for name, config in CONFIGS.items():
        network, model = both(config(), tokenizer)
        for budget in args.budgets:
            row = {"model": name, "ablations": budget, **measure(network, model, tokenizer, budget, args.repeats)}
            rows[name, budget] = row
            print(row, flush=True)
    about = {"versions": versions(), "torch": torch.__version__, "machine": machine()}
    kept = [rows[key] for key in sorted(rows, key=lambda key: ([*CONFIGS].index(key[0]), key[1]))]
    path.write_text(json.dumps({**about, "rows": kept}, indent=1) + "\n")


if __name__ == "__main__":
    main()

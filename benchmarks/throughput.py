"""How many ablations a second: spexjax against transformers + torch, the same masks of the same text, in one run.

torch gets its best: all cores, sdpa attention, key-value cache off, only the last position's logits; in batches, sorted
by length so that dynamic padding is small, the best of several batch sizes. "One at a time" is how captum and shapiq's
language game call a model: no padding, no batch. A review of 66 words is ablated in a template of 58 tokens. On a GPU
the share of its measured matmul speed that the model's products reach (MFU) is in the result too.

    python benchmarks/throughput.py
"""

import argparse
import json
import os
import sys
import time
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS_FOLDER, machine

import spexjax as sx
from spexjax.cli._demo import ANSWER_PREFIX, ANSWERS
from spexjax.evaluation import run
from spexjax.models._gguf import GGUF
from spexjax.models._language_model import smollm2_path

REVIEW = (
    "I expected to hate this film, and the first hour is not exactly gripping. But the acting is never less than "
    "superb, the ending is far from predictable, and by the time the credits rolled I could not have been happier that "
    "nobody had talked me out of it. My friends, who love slow and quiet dramas, were bored to tears almost all the "
    "way through."
)
QUESTION = (
    "Reviewers often praise and criticise in the same breath, so weigh everything that is said, and watch for every "
    "negation. Is the sentiment of this movie review Positive or Negative? Answer with one word.\nReview: {text}"
)
BATCH_SIZES = (4, 8, 16, 32, 64)
DTYPES = ("float32", "bfloat16")


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
    weights = {}
    for module, name in sx.models.LLAMA_TENSORS.items():
        own = f"{checkpoint.tensors[module]}.weight"
        for layer in range(c.num_layers if "{layer}" in own else 1):
            if (stored := own.format(layer=layer)) in checkpoint.shapes:
                weights[f"{name.format(layer=layer)}.weight"] = torch.tensor(checkpoint.read(stored))
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
                input_ids=tokens,
                attention_mask=mask if batch_size > 1 else None,
                position_ids=places,
                use_cache=False,
                logits_to_keep=1,
            ).logits[:, -1, list(targets)]
            values[part] = (out[:, 0] - out[:, 1]).float().numpy()
    return values


def matmul_speed(dtype: str) -> float:
    """Products a second, in 10^9 operations, of large matrices on this device: the ceiling."""
    k = 8192 if jax.default_backend() != "cpu" else 2048
    a, product = jnp.ones((k, k), dtype), jax.jit(lambda a: jnp.matmul(a, a, preferred_element_type=jnp.float32))
    seconds = []
    for _ in range(6):
        start = time.perf_counter()
        product(a).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * k**3 / min(seconds[1:]) / 1e9


def ours(model, args) -> dict:
    """Values and speed of one precision."""
    ablation = sx.ablations.text(model, REVIEW, question=QUESTION, answers=ANSWERS, answer_prefix=ANSWER_PREFIX)
    masks = np.asarray(sx.designs.uniform(jax.random.key(0), args.budget, ablation.num_features))
    cold = run(ablation, masks, progress=False)
    nodes = sum(b.work for b in ablation.plan(masks).batches)
    config, weights = model.config, sum(leaf.size for leaf in jax.tree.leaves(model.parameters))
    weights -= config.vocab_size * config.hidden_size
    last = config.hidden_size * (config.num_heads * config.head_dim + 3 * config.intermediate_size)  # of tokens read
    products = weights * nodes - last * (nodes - len(masks))
    return {
        "ablation": ablation,
        "masks": masks,
        "run": lambda: run(ablation, masks, progress=False).seconds,
        "values": cold.values,
        "about": {
            "compile_seconds": cold.compile_seconds,
            "programs": cold.num_programs,
            "padding": cold.padding,
            "tokens_run_per_mask": nodes / len(masks),
            "gigaflop_per_mask": 2 * products / len(masks) / 1e9,
        },
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--torch-masks", type=int, default=512, help="of these, how many torch evaluates in batches")
    parser.add_argument("--singles", type=int, default=48, help="masks that torch evaluates one at a time")
    parser.add_argument("--out", type=Path, default=RESULTS_FOLDER / "throughput.json")
    args = parser.parse_args()

    models = {dtype: sx.load_model("smollm2", dtype=dtype) for dtype in DTYPES}
    measured = {dtype: ours(model, args) for dtype, model in models.items()}
    ablation, masks, tokenizer = (
        measured["float32"]["ablation"],
        measured["float32"]["masks"],
        models["float32"].tokenizer,
    )
    sequences = [len(i) for i in tokenizer(ablation.inputs.prompts(masks), add_special_tokens=False)["input_ids"]]
    contenders = {f"spexjax {dtype}": (args.budget, measured[dtype]["run"]) for dtype in DTYPES}
    batch_sizes, values = {}, {}
    if find_spec("torch") is not None:
        import torch

        prompts = ablation.inputs.prompts(masks)
        for dtype in DTYPES:
            network = torch_model(smollm2_path()).to(getattr(torch, dtype))

            def theirs(rows, batch_size, network=network, dtype=dtype):
                start = time.perf_counter()
                values[dtype] = torch_values(network, tokenizer, prompts[:rows], ablation.targets, batch_size)
                return time.perf_counter() - start

            trials = {size: theirs(args.torch_masks // 4, size) for size in BATCH_SIZES}
            best = batch_sizes[dtype] = min(trials, key=trials.get)
            contenders[f"torch {dtype}, one at a time"] = (args.singles, partial(theirs, args.singles, 1))
            contenders[f"torch {dtype}, batched"] = (
                args.torch_masks,
                partial(theirs, args.torch_masks, best),
            )
    seconds = {name: [] for name in contenders}
    for _ in range(args.repeats):  # in turn, so that a drift of the machine meets all
        for name, (_, call) in contenders.items():
            seconds[name].append(call())

    rates = {name: count / float(np.median(seconds[name])) for name, (count, _) in contenders.items()}
    ceiling = {dtype: matmul_speed(dtype) for dtype in DTYPES}
    result = {
        "command": " ".join(["python benchmarks/throughput.py", *sys.argv[1:]]),
        "device": jax.devices()[0].device_kind,
        "machine": machine(),
        "features": ablation.num_features,
        "ablations": args.budget,
        "ablations_of_torch": {"batched": args.torch_masks, "one at a time": args.singles},
        "template_tokens": len(models["float32"].encode([ablation.frame.prompt("")])[0]),
        "tokens_per_prompt": float(np.mean(sequences)),
        "masks_per_second": rates,
        "ratio": {
            name: {other: rates[name] / rate for other, rate in rates.items() if other.startswith("torch")}
            for name in rates
            if name.startswith("spexjax")
        },
        "seconds": seconds,
        "torch_batch_size": batch_sizes,
        "ours": {dtype: measured[dtype]["about"] for dtype in DTYPES},
        "matmul_gigaflops": ceiling,
        "model_flop_utilisation": {
            dtype: rates[f"spexjax {dtype}"] * measured[dtype]["about"]["gigaflop_per_mask"] / ceiling[dtype]
            for dtype in DTYPES
        },
        "largest_difference_from_torch_float32": {
            dtype: float(np.abs(measured[dtype]["values"][: len(values["float32"])] - values["float32"]).max())
            for dtype in DTYPES
            if values
        },
        "standard_deviation_of_values": float(measured["float32"]["values"].std()),
        "cores": os.cpu_count(),
        "versions": {p: version(p) for p in ("jax", "torch", "transformers") if find_spec(p)},
    }
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

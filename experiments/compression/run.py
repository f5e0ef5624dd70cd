"""What does it cost to remove the attention heads that no strong interaction uses?

python experiments/compression/run.py            # SmolLM2, minutes on a CPU
python experiments/compression/run.py full       # Llama-3.1-8B and WikiText-2; needs `pip install datasets`
"""

import functools
import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import yaml
from flax import nnx
from pruned import forward, parameters_in, prune

import spexjax as sx
from experiments.common import load_model, save, setup, top

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
TOKENS = 256  # length of the passage on which latency is measured
STYLE = {
    "interactions: usage": ("o-", "tab:blue"),
    "interactions: best set": ("D--", "tab:blue"),
    "first order: lasso": ("s--", "tab:orange"),
    "first order: lasso, size of effect": ("s-", "tab:orange"),
    "magnitude of weights": ("^-", "tab:green"),
    "random": (":", "black"),
}


def passages(config):
    """Calibration and held-out passages, split after the first three words into prompt and answer."""
    if config["data"].endswith(".yaml"):
        data = yaml.safe_load((HERE / config["data"]).read_text())
        parts = [data["calibration"], data["held_out"]]
    else:
        from datasets import load_dataset

        sets = (load_dataset(config["data"], config["subset"], split=s)["text"] for s in ("validation", "test"))
        long = ([t.strip() for t in texts if len(t.split()) >= config["words"]] for texts in sets)
        words = config["words"]
        parts = [
            [" ".join(t.split()[:words]) for t in texts[:count]]
            for texts, count in zip(long, config["passages"], strict=True)
        ]
    cut = [[(" ".join(text.split()[:3]), " " + " ".join(text.split()[3:])) for text in part] for part in parts]
    return [([begin for begin, _ in part], [(rest,) for _, rest in part]) for part in cut]


def perplexity(ablation, masks):
    """`exp(-mean log p)` over all predicted tokens."""
    tokens = np.mean([len(answers[0]) for answers in ablation.prompts.answers])
    return np.exp(-sx.evaluate(ablation, masks, progress=False) / tokens)


def usage(explanation):
    """For every head, the energy of all terms that contain it."""
    scores = np.zeros(len(explanation.feature_names))
    for s, c in explanation.spectrum.to_dict().items():
        scores[list(s)] += c**2
    return scores


def magnitude(model, layers):
    """For every head, the product of the Frobenius norms of its value and output projections."""
    c, attention = model.config, model.parameters["layers"]["attention"]
    out, values = (np.asarray(attention[name]["kernel"][...], np.float32)[layers] for name in ("output", "value"))
    out = np.linalg.norm(out.reshape(len(layers), c.num_heads, -1), axis=-1)
    values = values.reshape(len(layers), c.hidden_size, c.num_kv_heads, c.head_dim)
    values = np.repeat(np.linalg.norm(values, axis=(1, 3)), c.num_heads // c.num_kv_heads, 1)
    return (out * values).ravel()


def hidden(model, kept, tokens):
    """The last hidden states of a passage when heads are gated instead of cut out."""
    network, row = nnx.merge(model.graph, model.parameters), np.arange(len(tokens), dtype=np.int32)[None]
    gates = sx.models.Gates(jnp.asarray(kept, jnp.float32), jnp.ones(len(kept)))
    empty = sx.models.Prefix.empty(model.config, model.dtype)
    return network(tokens[None], row, np.full_like(row, len(tokens)), empty, gates)[0][0]


def latency(model, masks, layers, repeats=20):
    """For each mask: milliseconds per passage, share of the layers' parameters, and largest error against gating."""
    c = model.config
    tokens = np.random.default_rng(0).integers(0, c.vocab_size, TOKENS)
    outside = [model.parameters[name][leaf][...] for name, leaf in (("embedding", "embedding"), ("norm", "scale"))]
    calls, found = {}, {}
    for name, mask in masks.items():
        kept = np.ones((c.num_layers, c.num_heads), bool)
        kept[layers] = mask.reshape(len(layers), -1)
        pruned, readers = prune(model, kept)
        calls[name] = functools.partial(forward(c, readers), pruned, *outside, tokens)
        gated = hidden(model, kept, tokens)
        error = jnp.abs(calls[name]() - gated).max() / jnp.abs(gated).max()
        found[name] = {"parameters": parameters_in(pruned), "error": float(error), "milliseconds": []}
    whole = found["whole"]["parameters"]
    for _ in range(repeats):  # interleaved, so that drift of the machine affects all alike
        for name, call in calls.items():
            start = time.perf_counter()
            call().block_until_ready()
            found[name]["milliseconds"].append(1000 * (time.perf_counter() - start))
    for row in found.values():
        row |= {"parameters": row["parameters"] / whole, "milliseconds": float(np.median(row["milliseconds"]))}
    return found


def draw(result, folder):
    """Plots perplexity over the number of heads kept, by method."""
    figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
    shares = [100 * r / result["heads"] for r in result["kept"]]
    for method, (style, color) in STYLE.items():
        ax.plot(shares, result["held_out"][method], style, c=color, label=method, ms=5)
    ax.axhline(result["whole"]["held_out"], color="0.7", lw=1)
    ax.text(shares[0], result["whole"]["held_out"], "all heads", fontsize=8, va="bottom", color="0.4")
    ax.set_yscale("log")
    ticks = [20, 30, 50, 100, 200, 500, 1000]
    ticks = [t for t in ticks if 0.8 * result["whole"]["held_out"] < t < max(map(max, result["held_out"].values()))]
    ax.set_yticks(ticks, map(str, ticks))
    ax.minorticks_off()
    ax.set_xticks(shares, [f"{s:.0f} %" for s in shares])
    ax.set_xlabel(f"heads kept, of {result['heads']}")
    ax.set_ylabel("perplexity of held-out text")
    ax.legend(frameon=False, fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "compression.png", dpi=110)


def main(setting="small"):
    """Scores heads on the calibration text, and measures on the held-out text."""
    (config, folder), start = setup(HERE, setting), time.perf_counter()
    model, layers = load_model(config), config["layers"]
    calibration, held_out = passages(config)
    seen, unseen = (sx.ablations.components(model, *part, layers=layers) for part in (calibration, held_out))
    n = seen.num_features
    key = jax.random.key(0)
    explanation = sx.explain(seen, budget=config["budget"], key=key, method="proxyspex-gp", progress=False)
    linear = sx.fit(explanation.masks, explanation.values, method="lasso", key=key)
    first = linear.interactions("BV", 1).to_dict()
    scores = {
        "interactions: usage": usage(explanation),
        "first order: lasso": [first.get((i,), 0.0) for i in range(n)],
        "first order: lasso, size of effect": [abs(first.get((i,), 0.0)) for i in range(n)],
        "magnitude of weights": magnitude(model, layers),
    }
    sizes = [round(share * n) for share in config["keep"]]
    masks = {name: np.array([top(s, r) for r in sizes]) for name, s in scores.items()}
    best = [explanation.keep(r, goal="largest", time_limit=60) for r in sizes]
    masks["interactions: best set"] = np.array([subset.mask for subset in best])
    rng = np.random.default_rng(0)
    random = np.array([[top(rng.random(n), r) for r in sizes] for _ in range(10)])
    whole = np.ones((1, n), bool)
    result = {
        "setting": setting,
        "config": config,
        "heads": n,
        "kept": sizes,
        "r2": {"interactions": float(explanation.faithfulness), "lasso": float(linear.faithfulness)},
        "whole": {"calibration": float(perplexity(seen, whole)[0]), "held_out": float(perplexity(unseen, whole)[0])},
    }
    for part, ablation in (("calibration", seen), ("held_out", unseen)):
        result[part] = {name: perplexity(ablation, group).tolist() for name, group in masks.items()}
        drawn = perplexity(ablation, random.reshape(-1, n)).reshape(random.shape[:2])
        result[part]["random"] = np.exp(np.log(drawn).mean(0)).tolist()  # the geometric mean of ten draws
    print(json.dumps(result, indent=1), flush=True)
    if config["dtype"] == "float32":
        timed = {"whole": whole[0]}
        timed |= {f"{r} kept": mask for r, mask in zip(sizes, masks["interactions: usage"], strict=True)}
        timed["none kept in these layers"] = ~whole[0]
        result["latency"] = latency(model, timed, layers)
    result["seconds"] = round(time.perf_counter() - start)
    save(result, folder)
    draw(result, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Which attention heads should be kept: those chosen by interactions, by first-order scores, or at random?

python experiments/heads/run.py            # SmolLM2 and 16 questions, minutes on a CPU
python experiments/heads/run.py full       # Llama-3.1-8B-Instruct and MMLU; needs `pip install datasets`
"""

import json
import sys
import time
from math import comb
from pathlib import Path

import jax
import matplotlib as mpl
import numpy as np
import yaml

import spexjax as sx
from experiments.common import load_model, save, setup, top

mpl.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
STYLE = {
    "interactions": ("o-", "tab:blue"),
    "interactions, uniform masks": ("o--", "tab:blue"),
    "first order: Banzhaf values": ("s-", "tab:green"),
    "first order: lasso": ("s-", "tab:orange"),
    "first order: lasso, uniform masks": ("s--", "tab:orange"),
    "first order: one head out": ("s-", "tab:red"),
    "best of random": ("^-", "black"),
    "random": (":", "black"),
}


def questions(config):
    """Training and test questions: prompts, and answers with the right one first."""
    if config["data"].endswith(".yaml"):
        data = yaml.safe_load((HERE / config["data"]).read_text())
        return [([row[0] for row in data[part]], [tuple(row[1:]) for row in data[part]]) for part in ("train", "test")]
    from datasets import load_dataset

    train, test = config["questions"]
    rows = load_dataset(config["data"], config["subject"])
    shots = "".join(_multiple_choice(row) + f" {'ABCD'[row['answer']]}\n\n" for row in rows["dev"])
    rows = list(rows["test"].shuffle(seed=0))[: train + test]
    prompts = [shots + _multiple_choice(row) for row in rows]
    answers = [tuple(f" {'ABCD'[(row['answer'] + i) % 4]}" for i in range(4)) for row in rows]
    return [(prompts[:train], answers[:train]), (prompts[train:], answers[train:])]


def _multiple_choice(row):
    options = "\n".join(f"{letter}. {choice}" for letter, choice in zip("ABCD", row["choices"], strict=True))
    return f"{row['question']}\n{options}\nAnswer:"


def first_order(explanation, index):
    """The first-order index of every feature."""
    table = explanation.interactions(index, 1).to_dict()
    return [table.get((i,), 0.0) for i in range(len(explanation.feature_names))]


def selections(ablation, config, key):
    """For every method, a mask for each number of heads to keep.

    `budget` random masks of these sizes are evaluated. Best-of-random takes the best of them; lasso, Banzhaf values and
    interactions are fitted to them. The spectrum, and the rows named "uniform masks", use another `budget` uniform
    masks, which keep about half of the heads. Removing one head at a time takes n ablations.
    """
    n, budget = ablation.num_features, config["budget"]
    sizes = [round(share * n) for share in config["keep"]]
    rng = np.random.default_rng(0)
    drawn = [np.stack([top(rng.random(n), r) for _ in range(budget // len(sizes))]) for r in sizes]
    values = [sx.evaluate(ablation, group, progress=False) for group in drawn]
    sized = {
        method: sx.fit(np.concatenate(drawn), np.concatenate(values), method=method, key=key)
        for method in ("proxyspex-gp", "lasso")
    }
    uniform = sx.explain(ablation, budget=budget, key=key, method="proxyspex-gp", progress=False)
    linear = sx.fit(uniform.masks, uniform.values, method="lasso", key=key)
    drop = -sx.evaluate(ablation, ~np.eye(n, dtype=bool), progress=False)
    kept = {
        name: [explanation.keep(r, goal="largest", time_limit=60) for r in sizes]
        for name, explanation in (("interactions", sized["proxyspex-gp"]), ("interactions, uniform masks", uniform))
    }
    masks = {name: [subset.mask for subset in found] for name, found in kept.items()}
    scores = {
        "first order: Banzhaf values": first_order(sized["proxyspex-gp"], "BV"),
        "first order: lasso": first_order(sized["lasso"], "BV"),
        "first order: lasso, uniform masks": first_order(linear, "BV"),
        "first order: one head out": drop,
    }
    masks |= {name: [top(score, r) for r in sizes] for name, score in scores.items()}
    masks["best of random"] = [d[v.argmax()] for d, v in zip(drawn, values, strict=True)]
    masks["random"] = [d[:10] for d in drawn]  # their mean is reported
    facts = {
        "r2": {
            "interactions": float(sized["proxyspex-gp"].faithfulness),
            "lasso": float(sized["lasso"].faithfulness),
            "interactions, uniform masks": float(uniform.faithfulness),
            "lasso, uniform masks": float(linear.faithfulness),
        },
        "strongest_pairs": [
            [[uniform.feature_names[i] for i in pair], float(value)]
            for pair, value in uniform.interactions("BII", 2).order(2).top(5)
        ],
        "most_useless_alone": useless(ablation, -drop),
        "status": {name: [subset.status for subset in found] for name, found in kept.items()},
    }
    return sizes, masks, uniform, facts


def useless(ablation, without):
    """The two heads that seem most useless when removed alone, and the value without both."""
    pair = np.argsort(-without)[:2]
    mask = np.ones((2, len(without)), bool)
    mask[1, pair] = False
    whole, both = sx.evaluate(ablation, mask, progress=False).tolist()
    names = [ablation.feature_names[i] for i in pair]
    return {"heads": names, "whole": whole, "without_each": without[pair].tolist(), "without_both": both}


def energy(explanation, layer_of):
    """Shares of the spectrum's energy by order, split into terms within one layer and across layers."""
    rows, total = {}, 0.0
    for s, c in explanation.spectrum.to_dict().items():
        if s:
            row = rows.setdefault(len(s), {"within": 0.0, "across": 0.0})
            row["within" if len({layer_of[i] for i in s}) == 1 else "across"] += c**2
            total += c**2
    # The share of all sets of order k that lie within one layer.
    heads = [layer_of.count(layer) for layer in sorted(set(layer_of))]
    chance = {k: sum(comb(h, k) for h in heads) / comb(len(layer_of), k) for k in rows}
    return {
        str(k): {name: value / total for name, value in row.items()} | {"within_by_chance": chance[k]}
        for k, row in sorted(rows.items())
    }


def draw(result, folder):
    """Plots accuracy and logit difference on the test questions by method, and the energy by order."""
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.8), layout="constrained")
    for row, (name, one) in zip(axes, result["runs"].items(), strict=True):
        shares = [100 * k / result["heads"] for k in one["kept"]]
        for ax, value in zip(row, ("accuracy", "logit-difference"), strict=False):
            for method in STYLE:
                style, color = STYLE[method]
                ax.plot(shares, one["test"][method][value], style, c=color, label=method, ms=5)
            ax.axhline(result["whole"]["test"][value], color="0.7", lw=1)
            ax.set_title(f"{value} on {result['test_questions']} test questions, {name}", fontsize=9)
            ax.set_xticks(shares, [f"{s:.0f} %" for s in shares])
        orders = list(one["energy"])
        within, across = ([100 * one["energy"][k][part] for k in orders] for part in ("within", "across"))
        row[2].bar(orders, within, label="within one layer")
        row[2].bar(orders, across, bottom=within, label="across layers")
        row[2].set_title(f"energy of the spectrum by order (%), {name}", fontsize=9)
        row[2].legend(frameon=False, fontsize=8)
    for ax in axes[1, :2]:
        ax.set_xlabel(f"heads kept, of {result['heads']}")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=8
    )
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(folder / "heads.png", dpi=110)


def main(setting="small"):
    """Selects heads on the training questions, and measures them on the test questions."""
    (config, folder), start = setup(HERE, setting), time.perf_counter()
    model = load_model(config)
    train, test = questions(config)

    def lens(data, value, rescale):
        return sx.ablations.components(model, *data, layers=config["layers"], rescale=rescale, value=value)

    def measured(data, masks, rescale):
        return {v: sx.evaluate(lens(data, v, rescale), masks, progress=False) for v in ("accuracy", "logit-difference")}

    result = {"setting": setting, "config": config, "runs": {}}
    for name, rescale in (("zero", False), ("zero, rescaled", True)):
        ablation = lens(train, "logit-difference", rescale)
        sizes, masks, explanation, facts = selections(ablation, config, jax.random.key(0))
        n, every = ablation.num_features, np.concatenate([np.atleast_2d(m) for group in masks.values() for m in group])
        result |= {"heads": n, "train_questions": len(train[0]), "test_questions": len(test[0])}
        parts = {}
        for part, data in (("train", train), ("test", test)):
            values = measured(data, np.concatenate([every, np.ones((1, n), bool)]), rescale)
            result.setdefault("whole", {})[part] = {v: float(x[-1]) for v, x in values.items()}
            at, parts[part] = 0, {}
            for method, group in masks.items():
                found = {v: [] for v in values}
                for mask in map(np.atleast_2d, group):
                    for v, x in values.items():
                        found[v].append(float(x[at : at + len(mask)].mean()))
                    at += len(mask)
                parts[part][method] = found
        layer_of = [feature.split(".")[0] for feature in explanation.feature_names]
        result["runs"][name] = {"kept": sizes, **parts, **facts, "energy": energy(explanation, layer_of)}
        print(name, json.dumps(result["runs"][name], indent=1), flush=True)
    result["seconds"] = round(time.perf_counter() - start)
    save(result, folder)
    draw(result, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Puzzles that a model gets wrong: which words together mislead it, and does it answer rightly without them?

python experiments/reasoning/run.py          # SmolLM2 and four puzzles, minutes on a CPU
python experiments/reasoning/run.py full     # Qwen2.5-7B-Instruct and WinoGrande; needs `pip install datasets`
"""

import json
import sys
from itertools import combinations
from pathlib import Path

import jax
import numpy as np
import yaml

import spexjax as sx
from spexjax.report import draw_curves

HERE = Path(__file__).parent
WAYS = ("interactions", "first order", "one word out", "best of all")


def puzzles(config):
    """Those of the config, or WinoGrande's."""
    if "data" not in config:
        return config["puzzles"]
    from datasets import load_dataset

    rows = load_dataset(config["data"], config["subset"], split="validation")
    found = []
    for i, row in enumerate(rows.select(range(config["count"]))):
        options = [f" {row['option1']}", f" {row['option2']}"]
        wrong = options[2 - int(row["answer"])]
        right = options[int(row["answer"]) - 1]
        question = f"{{text}}\nWhat does _ stand for: {row['option1']} or {row['option2']}?"
        common = {"question": question, "answer_prefix": "It stands for"}
        found.append({"name": f"winogrande {i}", "text": row["sentence"], "answers": [wrong, right], **common})
    return found


def ablation_of(model, puzzle):
    """The logit of the wrong answer less that of the right one."""
    return sx.ablations.text(model, **{k: v for k, v in puzzle.items() if k != "name"})


def study(ablation, puzzle, config):
    """What misleads the model, and the true values when r words go, chosen in four ways."""
    n = ablation.num_features
    explanation = sx.explain(ablation, budget=min(config["budget"], 2**n), key=jax.random.key(0), progress=False)
    interactions = explanation.interactions("BII", 2)
    banzhaf = sorted(explanation.interactions("BV"), key=lambda item: -item[1])
    order = [s[0] for s, _ in banzhaf if s]
    one_out = np.argsort(sx.evaluate(ablation, ~np.eye(n, dtype=bool), progress=False)).tolist()
    found = []
    for r in config["removed"]:
        subset = explanation.remove(r, goal="smallest")
        first, one = (sx.metrics.nested_masks(ranking[:r], n)[-1] for ranking in (order, one_out))
        choices = list(combinations(range(n), r)) if r <= config["exhaustive"] else []
        every = np.ones((len(choices), n), bool)
        every[np.arange(len(choices))[:, None], np.array(choices, int).reshape(-1, r)] = False
        masks = np.concatenate([np.stack([np.ones(n, bool), subset.mask, first, one]), every])
        full, *values = sx.evaluate(ablation, masks, progress=False).tolist()
        removed = [subset.removed_names, *([ablation.feature_names[i] for i in o[:r]] for o in (order, one_out))]
        row = {way: {"words": w, "value": v} for way, w, v in zip(WAYS, removed, values, strict=False)}
        row["interactions"] |= {"predicted": subset.value, "status": subset.status, "left": " ".join(subset.kept_names)}
        if choices:
            row["best of all"] = {"value": min(values[3:])}
        found.append({"removed": r, **row})
    return {
        "name": puzzle["name"],
        "text": puzzle["text"],
        "answers": puzzle["answers"],
        "value": full,
        "ablations": len(explanation.values),
        "r2": explanation.faithfulness.r2,
        "r2 of first order": sx.fit(
            explanation.masks, explanation.values, method="lasso", key=jax.random.key(0)
        ).faithfulness.r2,
        "interactions": [[interactions.names(s), value] for s, value in interactions.top(8)],
        "subsets": found,
        "words to flip": {way: next((r["removed"] for r in found if r[way]["value"] < 0), None) for way in WAYS[:3]},
    }


def main(size="small"):
    """Writes result.json and flips.png beside this file; the full size into `out/`."""
    config = yaml.safe_load((HERE / "config.yaml").read_text())[size]
    model = sx.load_model(config["model"], dtype=config["dtype"])
    asked = [(p, ablation_of(model, p)) for p in puzzles(config)]
    whole = [sx.evaluate(a, np.ones((1, a.num_features), bool), progress=False)[0] for _, a in asked]
    wrong = [pair for pair, value in zip(asked, whole, strict=True) if value > 0]
    print(f"{len(wrong)} of {len(asked)} puzzles are answered wrongly.")
    result = {"asked": len(asked), "wrong": len(wrong), "puzzles": [study(a, p, config) for p, a in wrong]}
    folder = HERE if size == "small" else HERE / "out"
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    panels = {}
    for p in result["puzzles"]:
        rows = {
            way: [(0, p["value"]), *((r["removed"], r[way]["value"]) for r in p["subsets"] if way in r)] for way in WAYS
        }
        panels[p["name"]] = {way: tuple(zip(*points, strict=True)) for way, points in rows.items()}
        print(f"\n{p['text']}  {p['answers']}: {p['value']:.2f}, R2 {p['r2']:.3f}, lasso {p['r2 of first order']:.3f}")
        for names, value in p["interactions"]:
            print(f"  {value:7.2f}  {' × '.join(names)}")
        for r in p["subsets"]:
            print(f"  {r['removed']}", {w: (r[w].get("words"), round(r[w]["value"], 2)) for w in WAYS if w in r})
        print(f"  words to flip: {p['words to flip']}")
    draw_curves(
        dict(list(panels.items())[:6]),
        folder / "flips.png",
        x_label="words removed",
        y_label="logit: wrong less right",
        columns=2,
        zero=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Which words together mislead a model that gets a puzzle wrong, and does it answer correctly without them?

python experiments/reasoning/run.py          # SmolLM2 and four puzzles, minutes on a CPU
python experiments/reasoning/run.py full     # Qwen2.5-7B-Instruct and WinoGrande; needs `pip install datasets`
"""

import sys
from pathlib import Path

import jax
import numpy as np

import spexjax as sx
from experiments.common import WAYS, load_model, removals, save, setup
from spexjax.report import draw_curves

HERE = Path(__file__).parent


def puzzles(config):
    """The puzzles of the config, or of WinoGrande."""
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
    """The ablation whose value is the logit of the wrong answer minus that of the right one."""
    return sx.ablations.text(model, **{k: v for k, v in puzzle.items() if k != "name"})


def study(ablation, puzzle, config):
    """Explains what misleads the model, and measures the value after r words are removed, chosen in four ways."""
    n = ablation.num_features
    explanation = sx.explain(ablation, budget=min(config["budget"], 2**n), key=jax.random.key(0), progress=False)
    interactions = explanation.interactions("BII", 2)
    full, removed = removals(ablation, explanation, config, "value")
    found = []
    for r, subset, row in removed:
        row["interactions"] |= {"predicted": subset.value, "status": subset.status, "left": " ".join(subset.kept_names)}
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
    config, folder = setup(HERE, size)
    model = load_model(config)
    asked = [(p, ablation_of(model, p)) for p in puzzles(config)]
    whole = [sx.evaluate(a, np.ones((1, a.num_features), bool), progress=False)[0] for _, a in asked]
    wrong = [pair for pair, value in zip(asked, whole, strict=True) if value > 0]
    print(f"The model gets {len(wrong)} of {len(asked)} puzzles wrong.")
    result = {"asked": len(asked), "wrong": len(wrong), "puzzles": [study(a, p, config) for p, a in wrong]}
    save(result, folder)
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
        y_label="logit: wrong minus right",
        columns=2,
        zero=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

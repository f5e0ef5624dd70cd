"""Which words together make a model refuse, and which few must be removed for it to answer?

python experiments/jailbreak/run.py          # SmolLM2, minutes on a CPU
python experiments/jailbreak/run.py full     # Qwen2.5-7B-Instruct and XSTest; needs `pip install datasets`
"""

import json
import sys
from pathlib import Path
from textwrap import shorten

import jax
import numpy as np

import spexjax as sx
from experiments.common import WAYS, load_model, removals, save, setup
from spexjax.report import draw_curves

HERE = Path(__file__).parent


def prompts(config):
    """The prompts of the config, or the harmless half of XSTest."""
    if "data" not in config:
        return config["prompts"]
    from datasets import load_dataset

    rows = load_dataset(config["data"], split=config["split"])
    return [row["prompt"] for row in rows if not row["type"].startswith("contrast")][: config["count"]]


def study(model, prompt, config):
    """Explains the log-odds of the refusal, and measures them after a few words are removed."""
    ablation = sx.ablations.text(model, prompt, answers=config["refusal"], value="log-odds")
    n = ablation.num_features
    explanation = sx.explain(ablation, budget=min(config["budget"], 2**n), key=jax.random.key(0), progress=False)
    interactions = explanation.interactions("BII", 2)
    full, removed = removals(ablation, explanation, config, "log-odds")
    found = []
    for r, subset, rows in removed:
        rows["interactions"]["status"] = subset.status
        answer = sx.ablations.text(model, " ".join(subset.kept_names)).answers[0]
        found.append({"removed": r, **rows, "answer": answer})
    return {
        "prompt": prompt,
        "answer": sx.ablations.text(model, prompt).answers[0],
        "log-odds": full,
        "ablations": len(explanation.values),
        "faithfulness": str(explanation.faithfulness),
        "r2": explanation.faithfulness.r2,
        "interactions": [[interactions.names(s), value] for s, value in interactions.top(8)],
        "subsets": found,
    }


def rule(model, rule):
    """Evaluates all four masks of two trigger words: do they switch the answer only together?"""
    spans = [(rule["text"].index(word), rule["text"].index(word) + len(word)) for word in rule["triggers"]]
    options = {"system": rule["system"], "answers": rule["answers"], "answer_prefix": rule["answer_prefix"]}
    ablation = sx.ablations.text(model, rule["text"], features=spans, **options)
    explanation = sx.explain(ablation, budget=4, key=jax.random.key(0), progress=False)
    masks = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], bool)
    names = ["both", *(f"{word} alone" for word in rule["triggers"]), "neither"]
    return {
        "rule": rule["system"],
        "text": rule["text"],
        "logit difference": dict(zip(names, explanation.predict(masks).tolist(), strict=True)),
        "interaction": explanation.interactions("Moebius")[0, 1],
    }


def main(size="small"):
    """Writes result.json and refusals.png beside this file; the full size into `out/`."""
    config, folder = setup(HERE, size)
    model = load_model(config)
    result = {"prompts": [study(model, prompt, config) for prompt in prompts(config)]}
    if "rule" in config:
        result["rule"] = rule(model, config["rule"])
    save(result, folder)
    print(json.dumps(result, indent=1, ensure_ascii=False))
    draw(result, folder)


def draw(result, folder):
    """Plots the log-odds of the refusal over the number of removed words."""
    panels = {}
    for found in result["prompts"][:6]:
        panels[shorten(found["prompt"], 46)] = {
            way: (
                [0, *(r["removed"] for r in found["subsets"] if way in r)],
                [found["log-odds"], *(r[way]["log-odds"] for r in found["subsets"] if way in r)],
            )
            for way in WAYS
        }
    draw_curves(panels, folder / "refusals.png", x_label="words removed", y_label="log-odds of the refusal")


if __name__ == "__main__":
    main(*sys.argv[1:])

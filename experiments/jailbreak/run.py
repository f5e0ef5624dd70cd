"""Which words together make a model refuse, and which few must go for it to answer.

python experiments/jailbreak/run.py          # SmolLM2, minutes on a CPU
python experiments/jailbreak/run.py full     # Qwen2.5-7B-Instruct and XSTest; needs `pip install datasets`
"""

import json
import sys
from itertools import combinations
from pathlib import Path
from textwrap import shorten

import jax
import numpy as np
import yaml

import spexjax as sx
from spexjax.report import draw_curves

HERE = Path(__file__).parent
WAYS = ("interactions", "first order", "one word out", "best of all")


def prompts(config):
    """Those of the config, or the harmless half of XSTest."""
    if "data" not in config:
        return config["prompts"]
    from datasets import load_dataset

    rows = load_dataset(config["data"], split=config["split"])
    return [row["prompt"] for row in rows if not row["type"].startswith("contrast")][: config["count"]]


def study(model, prompt, config):
    """The log-odds of the refusal, what it hangs on, and what is left of it when few words go."""
    ablation = sx.ablations.text(model, prompt, answers=config["refusal"], value="log-odds")
    n = ablation.num_features
    explanation = sx.explain(ablation, budget=min(config["budget"], 2**n), key=jax.random.key(0), progress=False)
    interactions = explanation.interactions("BII", 2)
    order = [s[0] for s, _ in sorted(explanation.interactions("BV"), key=lambda item: -item[1]) if s]
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
        rest = " ".join(subset.kept_names)
        found.append(
            {
                "removed": r,
                "interactions": {"words": subset.removed_names, "log-odds": values[0], "status": subset.status},
                "first order": {"words": [ablation.feature_names[i] for i in order[:r]], "log-odds": values[1]},
                "one word out": {"words": [ablation.feature_names[i] for i in one_out[:r]], "log-odds": values[2]},
                **({"best of all": {"log-odds": min(values[3:])}} if choices else {}),
                "answer": sx.ablations.text(model, rest).answers[0],
            }
        )
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
    """Whether the two trigger words switch the answer together: all four masks of the two."""
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
    config = yaml.safe_load((HERE / "config.yaml").read_text())[size]
    model = sx.load_model(config["model"], dtype=config["dtype"])
    result = {"prompts": [study(model, prompt, config) for prompt in prompts(config)]}
    if "rule" in config:
        result["rule"] = rule(model, config["rule"])
    folder = HERE if size == "small" else HERE / "out"
    folder.mkdir(exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(result, indent=1, ensure_ascii=False))
    draw(result, folder)


def draw(result, folder):
    """The log-odds of the refusal over the number of removed words."""
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

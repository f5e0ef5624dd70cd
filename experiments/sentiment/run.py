"""How well is the sentiment of a review explained, by length, number of ablations and method?

python experiments/sentiment/run.py          # SmolLM2 and nine reviews written for this study
python experiments/sentiment/run.py full     # Qwen2.5-7B-Instruct and IMDB; needs `pip install datasets`
"""

import json
import sys
import time
from pathlib import Path

import jax
import numpy as np

import spexjax as sx
from experiments.common import SENTIMENT, load_model, save, setup
from spexjax.report import draw_curves

HERE = Path(__file__).parent


def reviews(config):
    """`(bin, name, text)` of every review whose number of words is in a bin."""
    bins = [tuple(b) for b in config["bins"]]
    if config["data"].endswith(".json"):
        rows = [(r["name"], r["text"]) for r in json.loads((HERE / config["data"]).read_text())["reviews"]]
    else:
        from datasets import load_dataset

        found = load_dataset(config["data"], split="test").shuffle(seed=0)
        rows = [(f"{config['data']} {i}", text.replace("<br />", " ")) for i, text in enumerate(found["text"])]
    taken = dict.fromkeys(bins, 0)
    for name, text in rows:
        words = len(text.split())
        for low, high in bins:
            if low <= words <= high and taken[low, high] < config.get("reviews", len(rows)):
                taken[low, high] += 1
                yield (low, high), name, text


def study(model, name, text, budgets, spex_budgets, config):
    """Measures R2 on new uniform masks for every method and number of ablations."""
    ablation = sx.ablations.text(model, text, **SENTIMENT)
    n, train_key, test_key = ablation.num_features, *jax.random.split(jax.random.key(0))
    masks = np.asarray(sx.designs.uniform(train_key, budgets[-1], n))
    tests = np.asarray(sx.designs.uniform(test_key, config["tests"], n))
    start = time.perf_counter()
    store = sx.Store(HERE / "out" / "values")  # an interrupted run resumes from here
    everything = np.concatenate([masks, tests, np.ones((1, n), bool)])
    values = sx.evaluate(ablation, everything, store=store, progress=False)
    rate = len(values) / (time.perf_counter() - start)
    values, truth, whole = values[: len(masks)], values[len(masks) : -1], float(values[-1])
    scores, tops = {}, []
    for m in budgets:
        for method in config["methods"]:
            explanation = sx.fit(masks[:m], values[:m], method=method, key=jax.random.key(1))
            said = explanation.faithfulness.r2
            score = sx.metrics.r2(truth, explanation.predict(tests))
            scores.setdefault(method, []).append({"ablations": m, "r2": score, "it says": said})
            if method == "auto":
                tops.append(explanation.interactions("BII", 2).to_dict())
                orders = sx.metrics.r2_by_order(explanation.spectrum, tests, truth)
                pairs = [v for s, v in explanation.interactions("BII", 2) if len(s) == 2]
    for m in spex_budgets:
        try:
            explanation = sx.explain(ablation, budget=m, key=jax.random.key(1), method="spex", progress=False)
        except ValueError as error:  # the budget is below the smallest design
            print(f"  spex: {error}")
            continue
        score = sx.metrics.r2(truth, explanation.predict(tests))
        found = {"ablations": len(explanation.values), "r2": score, "it says": explanation.faithfulness.r2}
        scores.setdefault("spex", []).append(found)
    return {
        "name": name,
        "words": n,
        "value": whole,
        "deviation": float(truth.std()),
        "ablations a second": round(rate, 1),
        "r2": scores,
        "r2 by order (auto, largest budget)": orders.round(4).tolist(),
        "pairs found": len(pairs),
        "agreement of the 10 strongest interactions, last two budgets": sx.metrics.agreement(tops[-2:], 10)._asdict(),
    }


def main(size="small"):
    """Writes result.json and faithfulness.png beside this file; the full size into `out/`."""
    config, folder = setup(HERE, size)
    model = load_model(config)
    result = []
    for (low, high), name, text in reviews(config):
        first = low == config["bins"][0][0]
        budgets = config["budgets"] + config["long_budgets"] * first
        found = study(model, name, text, budgets, config["long_budgets"] if first else [], config)
        result.append({"bin": [low, high], **found})
        jax.clear_caches()  # the next review has other shapes
        save(result, folder)
        curves = {k: [(r["ablations"], round(r["r2"], 3)) for r in rows] for k, rows in found["r2"].items()}
        orders = found["r2 by order (auto, largest budget)"]
        print(f"{name}: {found['words']} words, {curves}, orders {orders}, {found['ablations a second']}/s")
    draw(result, config, folder)


def draw(result, config, folder):
    """Plots R2 over the number of ablations, averaged over the reviews of a bin."""
    panels = {}
    for low, high in config["bins"]:
        inside = [r["r2"] for r in result if r["bin"] == [low, high]]
        methods = dict.fromkeys(m for r in inside for m in r)
        if inside:
            panels[f"{low} to {high} words"] = {
                m: (
                    [row["ablations"] for row in next(r for r in inside if m in r)[m]],
                    np.mean([[row["r2"] for row in r[m]] for r in inside if m in r], axis=0).tolist(),
                )
                for m in methods
            }
    draw_curves(
        panels, folder / "faithfulness.png", x_label="ablations", y_label="R2", log_x=True, y_range=(-0.05, 1.02)
    )


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Which training examples act together on a test point, and does retraining without them confirm it?

python experiments/training_data/run.py          # digits, minutes on a CPU; needs scikit-learn
python experiments/training_data/run.py full     # CIFAR-10, on an accelerator; needs `pip install datasets`
"""

import json
import sys
from itertools import combinations, pairwise
from pathlib import Path

import jax
import matplotlib
import numpy as np
import optax
from flax import nnx

import spexjax as sx
from experiments.common import save, setup

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
WAYS = ("interactions", "first order", "random")  # of choosing examples to remove


class Mlp(nnx.Module):
    """Layers of ReLUs on flattened images."""

    def __init__(self, sizes, rngs):
        self.layers = nnx.List(nnx.Linear(a, b, rngs=rngs) for a, b in pairwise(sizes))

    def __call__(self, x):
        x = x.reshape(len(x), -1)
        for layer in self.layers[:-1]:
            x = jax.nn.relu(layer(x))
        return self.layers[-1](x)


def images(config):
    """Training and test images and labels, in a random order."""
    rng = np.random.default_rng(0)
    if config["data"] == "digits":
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise SystemExit("The digits come with scikit-learn: pip install -e '.[studies]'.") from error
        x, y = load_digits(return_X_y=True)
        x = (x / 16).reshape(-1, 8, 8).astype(np.float32)
        order = rng.permutation(len(x))
        train, test = order[: config["examples"]], order[config["examples"] :][: config["candidates"]]
        return (x[train], y[train]), (x[test], y[test])
    from datasets import load_dataset

    parts = []
    for split, count in (("train", config["examples"]), ("test", config["candidates"])):
        rows = load_dataset(config["data"], split=split).shuffle(seed=0).select(range(count))
        parts.append((np.stack([np.asarray(i, np.float32) / 255 for i in rows["img"]]), np.array(rows["label"])))
    return tuple(parts)


def made(config, train, test):
    """The ablation: an MLP trained from scratch on groups of similar images."""
    n, (x, y) = config["groups"], train
    groups = None
    if n < len(x):  # neighbours along the first principal component within a class
        flat = x.reshape(len(x), -1)
        axis = np.linalg.svd(flat[:2000] - flat.mean(0), full_matrices=False)[2][0]
        groups = np.empty(len(x), int)
        groups[np.lexsort((flat @ axis, y))] = np.arange(len(x)) * n // len(x)
    sizes = (x[0].size, *config["hidden"], config["classes"])
    return sx.ablations.training_data(
        train,
        test,
        *sx.ablations.nnx_functions(lambda rngs: Mlp(sizes, rngs)),
        optimizer=optax.sgd(config["learning_rate"], momentum=0.9),
        steps=config["steps"],
        batch_size=config["batch_size"],
        keys=jax.random.split(jax.random.key(0), config["seeds"]),
        groups=groups,
    )


def measured(ablation, pairs, contexts):
    """Measures `f(ij) - f(i) - f(j) + f()` of each pair by retraining; its mean and standard error at all test points.

    The other features are new random halves.
    """
    means, errors = [], []
    for i, j in pairs:
        masks = np.repeat(contexts[:, None], 4, 1)
        masks[:, :, i], masks[:, :, j] = [True, True, False, False], [True, False, True, False]
        f = sx.evaluate(ablation, masks.reshape(-1, masks.shape[-1])).reshape(len(contexts), 4, -1)
        differences = np.einsum("cst,s->ct", f, [1.0, -1, -1, 1])
        means.append(differences.mean(0))
        errors.append(differences.std(0) / np.sqrt(len(contexts)))
    return np.array(means), np.array(errors)


def removals(ablation, explanation, first_order, config, rng):
    """The masks left by each way of removing examples, for every number of examples."""
    n, found = len(explanation.feature_names), {}
    weights = [-first_order.spectrum.to_dict().get((i,), 0.0) for i in range(n)]
    for r in config["remove"]:
        first = np.ones(n, bool)
        first[np.argsort(weights)[::-1][:r]] = False
        several = np.ones((config["random"], n), bool)
        for row in several:
            row[rng.choice(n, r, replace=False)] = False
        best = explanation.remove(r, goal="smallest", method="local")
        found[r] = {"interactions": best.mask[None], "first order": first[None], "random": several}
    return found


def explained(ablation, point, masks, values, config, rng):
    """Explains one test point, and compares the explanation with retraining."""
    key = jax.random.key(0)
    both = (sx.fit(masks, values[:, point], method=method, key=key) for method in ("proxyspex-gp", "lasso"))
    explanation, first = both
    pairs = sorted(explanation.interactions("BII", 2).order(2), key=lambda item: item[1])
    chosen = [s for s, _ in pairs[: config["pairs"]] + pairs[::-1][: config["pairs"]]]
    others = list(combinations(range(masks.shape[1]), 2))
    control = [others[i] for i in rng.choice(len(others), config["pairs"], replace=False)]
    said = dict(pairs)
    contexts = rng.random((config["contexts"], masks.shape[1])) < 0.5
    means, errors = measured(ablation, chosen + control, contexts)
    rows = [
        {"pair": list(s), "kind": kind, "said": said.get(s, 0.0), "measured": float(m[point]), "error": float(e[point])}
        for s, kind, m, e in zip(
            chosen + control, ["found"] * len(chosen) + ["random"] * len(control), means, errors, strict=True
        )
    ]
    sets = removals(ablation, explanation, first, config, rng)
    curves = {
        way: [float(sx.evaluate(ablation, sets[r][way])[:, point].mean()) for r in config["remove"]] for way in WAYS
    }
    return {
        "point": point,
        "margin": float(values[0, point]),
        "r2": {"proxyspex-gp": explanation.faithfulness.r2, "lasso": first.faithfulness.r2},
        "pairs": rows,
        "removed": {way: [np.flatnonzero(~sets[r][way][0]).tolist() for r in config["remove"]] for way in WAYS[:2]},
        "margins": curves,
    }


def draw(result, train, test, config, path):
    """Plots pairs of examples beside their test point, predicted against measured interactions, and removal curves."""
    shown = result["points"][:3]
    figure = plt.figure(figsize=(11, 8.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.25, 1])
    axes = top.subplots(3, 5)
    single = config["groups"] == len(train[0])
    for row, point in zip(axes, shown, strict=False):
        best = [r for r in point["pairs"] if r["kind"] == "found"]
        best = [min(best, key=lambda r: r["measured"]), max(best, key=lambda r: r["measured"])]
        panels = [(test, point["point"], f"test point, a {test[1][point['point']]}\nmargin {point['margin']:.2f}")]
        for r, word in zip(best, ("negative", "positive"), strict=True):
            for i in r["pair"]:
                panels.append((train, i, f"{word}, {r['measured']:+.2f} ± {r['error']:.2f}\n#{i}, a {train[1][i]}"))
        for ax, (data, i, title) in zip(row, panels, strict=True):
            ax.set_title(title, fontsize=9)
            ax.axis("off")
            if single or data is test:
                ax.imshow(data[0][i], cmap="gray_r")
    left, right = bottom.subplots(1, 2)
    for kind, color in (("random", "0.6"), ("found", "tab:blue")):
        rows = [r for p in result["points"] for r in p["pairs"] if r["kind"] == kind]
        left.errorbar(
            *([r[k] for r in rows] for k in ("said", "measured", "error")), fmt="o", ms=4, lw=1, color=color, label=kind
        )
    left.axline((0, 0), slope=1, color="0.8", zorder=0)
    left.set(xlabel="interaction said by the explanation", ylabel="measured by retraining")
    left.legend(title="pairs", frameon=False)
    x = [0, *config["remove"]]
    for way, color in zip(WAYS, ("tab:blue", "tab:orange", "0.6"), strict=True):
        drop = np.mean([np.array([p["margin"], *p["margins"][way]]) - p["margin"] for p in result["points"]], axis=0)
        right.plot(x, drop, "o-", color=color, label=way)
    right.set(xlabel="training groups removed", ylabel="mean change of the margin after retraining")
    right.legend(frameon=False)
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)


def main(size="small"):
    """Writes result.json and pairs.png beside this file; the full size into `out/`."""
    (config, folder), rng = setup(HERE, size), np.random.default_rng(1)
    train, test = images(config)
    everything = made(config, train, test)
    margins = sx.evaluate(everything, np.ones((1, everything.num_features), bool))[0]
    least = np.sort(np.argsort(np.abs(margins))[: config["points"]])
    test = test[0][least], test[1][least]
    ablation = made(config, train, test)
    masks = np.asarray(sx.designs.uniform(jax.random.key(1), config["budget"], ablation.num_features))
    evaluation = sx.evaluation.run(ablation, masks)
    print(evaluation)
    points = []
    for point in range(config["points"]):
        points.append(explained(ablation, point, masks, evaluation.values, config, rng))
        print(json.dumps(points[-1]), flush=True)
    found = [r for p in points for r in p["pairs"] if r["kind"] == "found"]
    result = {
        "accuracy": float((margins > 0).mean()),
        "retrainings a second": round(config["seeds"] * len(masks) / evaluation.seconds),
        "points": points,
        "pairs found": len(found),
        "of the measured sign by two standard errors": sum(
            r["said"] * r["measured"] > 0 and abs(r["measured"]) > 2 * r["error"] for r in found
        ),
        "mean size": {
            kind: float(np.mean([abs(r["measured"]) for p in points for r in p["pairs"] if r["kind"] == kind]))
            for kind in ("found", "random")
        },
        "mean change of the margin": {
            way: np.mean([np.array(p["margins"][way]) - p["margin"] for p in points], axis=0).tolist() for way in WAYS
        },
    }
    save(result, folder)
    draw(result, train, test, config, folder / "pairs.png")
    print({k: v for k, v in result.items() if k != "points"})


if __name__ == "__main__":
    main(*sys.argv[1:])

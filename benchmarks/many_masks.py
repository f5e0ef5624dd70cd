"""Far more masks than a kernel matrix holds: sums of products, Gaussian processes in the space of their terms, trees.

Synthetic games of 100 features with noise of a tenth of their variance, so that no R2 is above .91. The development of
the sums of products has looked at these games. LightGBM stops early on a tenth of the masks and is read without loss.

    OMP_NUM_THREADS=1 python benchmarks/many_masks.py
"""

import argparse
import json

import jax
import lightgbm
import numpy as np
from common import RESULTS_FOLDER, Stopwatch

import spexjax as sx

NUM_FEATURES, NUM_TEST, NOISE = 100, 4096, 0.1


def hierarchical(z, rng):
    """Sixty features, 150 pairs and 150 triples among the strong of them."""
    active = rng.permutation(NUM_FEATURES)[:60]
    strength = np.arange(1, 61) ** -0.7
    f = z[:, active] @ (strength * rng.choice([-1, 1], 60))
    for order, scale in ((2, 0.8), (3, 0.6)):
        for size in scale * np.arange(1, 151) ** -0.6:
            sets = active[rng.choice(60, order, replace=False, p=strength / strength.sum())]
            f += size * rng.choice([-1, 1]) * z[:, sets].prod(1)
    return f


def logic(z, rng):
    """Thirty disjunctions of up to three conjunctions of 2 to 4 literals."""
    f = np.zeros(len(z))
    for _ in range(30):
        hit = np.zeros(len(z), bool)
        for _ in range(rng.integers(1, 4)):
            literals = rng.choice(80, rng.integers(2, 5), replace=False)
            hit |= ((z[:, literals] < 0) ^ (rng.random(len(literals)) < 0.3)).all(1)
        f += rng.normal() * (hit - hit.mean()) / hit.std()
    return f


def network(z, rng):
    """Two hidden layers of 48 units."""
    weights = rng.permutation(np.arange(1, NUM_FEATURES + 1) ** -0.5)[:, None] * rng.normal(size=(NUM_FEATURES, 48))
    hidden = z @ weights
    hidden = np.maximum(hidden / hidden.std(0) + 0.7 * rng.normal(size=48), 0) @ rng.normal(size=(48, 48))
    return np.tanh((hidden - hidden.mean(0)) / hidden.std(0)) @ rng.normal(size=48)


def attention(z, rng):
    """Six heads that attend to what is kept."""
    kept, f = (1 - z) / 2, np.zeros(len(z))
    for _ in range(6):
        weights = kept * np.exp(1.5 * rng.normal(size=NUM_FEATURES))
        out = (weights @ rng.normal(size=NUM_FEATURES)) / (weights.sum(1) + 0.5)
        f += rng.normal() * np.tanh(2 * (out - out.mean()) / out.std())
    return f


def draw(game, m: int):
    """Masks and noisy values, to train and to test."""
    masks = np.random.default_rng(1).random((m + NUM_TEST, NUM_FEATURES)) < 0.5
    f = game(1 - 2 * masks.astype(np.float32), np.random.default_rng(0))
    f = (f - f.mean()) / f.std() + np.sqrt(NOISE) * np.random.default_rng(2).normal(size=len(f))
    return masks, f.astype(np.float32), np.split(np.arange(len(f)), [m])


def trees(masks, values):
    x, rest = masks.astype(np.float32), len(values) // 10
    held_out = lightgbm.Dataset(x[:rest], values[:rest])
    options = {"objective": "l2", "learning_rate": 0.05, "num_leaves": 31, "num_threads": 1, "verbosity": -1}
    stop = lightgbm.early_stopping(50, verbose=False)
    model = lightgbm.train(options, lightgbm.Dataset(x[rest:], values[rest:]), 5000, [held_out], callbacks=[stop])
    return lambda masks: model.predict(masks.astype(np.float32))


def proxy(make):
    def fitted(masks, values):
        fit = make()(masks, values, jax.random.key(0))
        return fit.surrogate or fit.spectrum

    return fitted


METHODS = {"products": proxy(sx.proxies.sum_of_products), "kernels": proxy(sx.proxies.kernels), "lightgbm": trees}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=30_000)
    args, rows = parser.parse_args(), []
    for game in (hierarchical, logic, network, attention):
        masks, values, (train, test) = draw(game, args.masks)
        for name, fitted in METHODS.items():
            watch = Stopwatch()
            predict = fitted(masks[train], values[train])
            times = watch.read()
            r2 = round(sx.metrics.r2(values[test], np.asarray(predict(masks[test]))), 4)
            rows.append({"game": game.__name__, "method": name, "r2": r2, **times})
            print(rows[-1], flush=True)
    command = f"OMP_NUM_THREADS=1 python benchmarks/many_masks.py --masks {args.masks}"
    record = {"command": command, "masks": args.masks, "num_features": NUM_FEATURES, "rows": rows}
    (RESULTS_FOLDER / "many_masks.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

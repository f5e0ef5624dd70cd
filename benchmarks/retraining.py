"""Retrainings a second on random halves of 100 digits: side by side in one program, against loops.

Four models: logistic regression, an MLP, a CNN, and a ridge classifier in closed form. The torch loop trains the same
model from the same start on the same batches with the kept examples only, and its margins are compared; the
scikit-learn loops fit their own way (`LogisticRegression` by L-BFGS until it has converged, `MLPClassifier` by as many
epochs of SGD, `RidgeClassifier` exactly). Every loop has the fastest of 1 thread and all; the program uses all cores.

    python benchmarks/retraining.py
"""

import itertools
import json
import os
import time
import warnings

os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={os.cpu_count()}"  # a batch of masks for each core

import jax
import jax.numpy as jnp
import numpy as np
import optax
import sklearn
import torch
from common import RESULTS_FOLDER
from flax import nnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

import spexjax as sx

TRAIN, TEST, STEPS, RATE, MOMENTUM, L2 = 100, 50, 100, 0.1, 0.9, 1.0
SECONDS, CHECKED = 2.5, 8  # of each measurement at least; masks compared with torch


class Regression(nnx.Module):
    def __init__(self, rngs):
        self.out = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(x)


class Mlp(nnx.Module):
    def __init__(self, rngs):
        self.hidden, self.out = nnx.Linear(64, 32, rngs=rngs), nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(jax.nn.relu(self.hidden(x)))


class Cnn(nnx.Module):
    """Eight 3 x 3 filters, then 2 x 2 means. The convolution is a product with patches: with filters of their own for
    every mask it would be a grouped convolution, which is slow on CPUs. Channels come first and examples last, so that
    the axis of masks can lead everywhere and nothing is transposed."""

    def __init__(self, rngs):
        self.filters, self.out = nnx.Linear(9, 8, rngs=rngs), nnx.Linear(72, 10, rngs=rngs)

    def __call__(self, x):
        x = x.reshape(-1, 8, 8)
        patches = jnp.stack([x[:, i : i + 6, j : j + 6] for i in range(3) for j in range(3)])
        corners = patches.reshape(9, -1, 3, 2, 3, 2).transpose(3, 5, 0, 2, 4, 1).reshape(4, 9, -1)
        kernel, bias = self.filters.kernel[...].T, self.filters.bias[...][:, None]
        maps = sum(jax.nn.relu(kernel @ corner + bias) for corner in corners) / 4
        return self.out(maps.reshape(72, -1).T)


class TorchRegression(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.out = torch.nn.Linear(64, 10)

    def forward(self, x):
        return self.out(x)


class TorchMlp(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = torch.nn.Linear(64, 32), torch.nn.Linear(32, 10)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))


class TorchCnn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.filters, self.out = torch.nn.Conv2d(1, 8, 3), torch.nn.Linear(72, 10)

    def forward(self, x):
        maps = torch.nn.functional.avg_pool2d(torch.relu(self.filters(x.reshape(-1, 1, 8, 8))), 2)
        return self.out(maps.reshape(len(x), -1))


def torch_margins(make, ablation, weights, train, test):
    """One retraining by torch, from a mask to the margins."""
    x, y, x_test = (torch.tensor(a) for a in (*train, test[0]))
    given, batches = ablation.parameters.batches, np.tile(np.arange(TRAIN), (STEPS, 1))
    batches = batches if given is None else np.asarray(given[0])
    start = {}
    for name, like in make().state_dict().items():
        layer, kind = name.split(".")
        ours = np.asarray(weights[layer]["kernel" if kind == "weight" else "bias"])
        start[name] = torch.tensor(ours.T).reshape(like.shape)

    def one(kept):
        model = make()
        model.load_state_dict(start)
        optimizer = torch.optim.SGD(model.parameters(), RATE, MOMENTUM)
        for rows in batches:
            rows = rows[kept[rows]]
            optimizer.zero_grad()
            if len(rows):
                torch.nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            return margins(model(x_test).numpy(), test[1])

    return one


def margins(z, y):
    right = np.eye(z.shape[1], dtype=bool)[y]
    return z[right] - np.where(right, -np.inf, z).max(1)


def per_second(run, masks):
    """How many masks a second a loop answers."""
    run(masks[0])
    start = time.perf_counter()
    for count in itertools.count(1):
        run(masks[count % len(masks)])
        if time.perf_counter() - start > SECONDS:
            return count / (time.perf_counter() - start)


def best_of_threads(run, masks):
    found = {}
    for threads in (1, os.cpu_count()):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            found[threads] = per_second(run, masks)
    return max(found.values())


def ours(ablation, masks):
    sx.evaluate(ablation, masks[: len(masks) // 4])  # compiles
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        sx.evaluate(ablation, masks)
        done += len(masks)
    return done / (time.perf_counter() - start)


def main():
    warnings.filterwarnings("ignore")  # MLPClassifier's, that so many epochs do not converge
    x, y = load_digits(return_X_y=True)
    x, rng = (x / 16).astype(np.float32), np.random.default_rng(0)
    order, rows = rng.permutation(len(x)), []
    train, test = ((x[part], y[part]) for part in (order[:TRAIN], order[TRAIN : TRAIN + TEST]))
    masks = rng.random((2048, TRAIN)) < 0.5
    sgd = {"solver": "sgd", "learning_rate_init": RATE, "momentum": MOMENTUM, "nesterovs_momentum": False, "alpha": 0.0}
    epochs = {"max_iter": STEPS * 20 // TRAIN, "n_iter_no_change": STEPS, "batch_size": 20}
    models = {
        "logistic regression": (Regression, TorchRegression, lambda: LogisticRegression(max_iter=1000)),
        "MLP": (Mlp, TorchMlp, lambda: MLPClassifier((32,), **sgd, **epochs)),
        "CNN": (Cnn, TorchCnn, None),
    }
    for (name, (make, make_torch, peer)), size in itertools.product(models.items(), (20, None)):
        functions = sx.ablations.nnx_functions(make)
        key, optimizer = jax.random.key(0), optax.sgd(RATE, MOMENTUM)
        ablation = sx.ablations.training_data(
            train, test, *functions, optimizer=optimizer, steps=STEPS, keys=key, batch_size=size
        )
        loop = torch_margins(make_torch, ablation, nnx.to_pure_dict(functions[0](key)), train, test)
        difference = np.abs(
            np.stack([loop(mask) for mask in masks[:CHECKED]]) - sx.evaluate(ablation, masks[:CHECKED])
        ).max()
        row = {"model": name, "batch": size or TRAIN, "ours": ours(ablation, masks)}
        row |= {"torch": best_of_threads(loop, masks), "largest_difference_from_torch": float(difference)}
        if peer and size:
            row["scikit-learn"] = best_of_threads(lambda m, make=peer: make().fit(train[0][m], train[1][m]), masks)
        rows.append(row | {f"times_{k}": row["ours"] / row[k] for k in ("torch", "scikit-learn") if k in row})
        print(rows[-1], flush=True)

    part = order[:1500]
    groups, train = np.arange(1500) // 10, (x[part], y[part])
    ablation = sx.ablations.ridge(train, test, l2=L2, groups=groups)
    masks = rng.random((2048, 150)) < 0.5

    def refit(mask):
        kept = mask[groups]
        return margins(
            RidgeClassifier(alpha=L2).fit(train[0][kept], train[1][kept]).decision_function(test[0]), test[1]
        )

    difference = np.abs(np.stack([refit(mask) for mask in masks[:CHECKED]]) - sx.evaluate(ablation, masks[:CHECKED]))
    row = {"model": "ridge, 1,500 examples in 150 groups", "ours": ours(ablation, masks)}
    row |= {"scikit-learn": best_of_threads(refit, masks), "largest_difference": float(difference.max())}
    rows.append(row | {"times_scikit-learn": row["ours"] / row["scikit-learn"]})
    print(rows[-1], flush=True)
    record = {
        "command": "python benchmarks/retraining.py",
        "cores": os.cpu_count(),
        "examples": TRAIN,
        "steps": STEPS,
        "versions": {"jax": jax.__version__, "torch": torch.__version__, "scikit-learn": sklearn.__version__},
        "unit": "retrainings a second",
        "rows": rows,
    }
    (RESULTS_FOLDER / "retraining.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Measures real games, masks and values, on which methods are judged; README.md says which, and what was looked at.

A game whose file is there already is left alone. The `exact_` games need scikit-learn.

    python benchmarks/games/make.py
"""

import functools
import json
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import spexjax as sx
from spexjax.cli._demo import ANSWER_PREFIX, ANSWERS, QUESTION
from spexjax.models import Gates, Prefix

HERE = Path(__file__).parent
REVIEW48 = (
    "I was warned that this would be the worst film of the year, and it is not. The jokes never fail, nobody in the "
    "cast is dull, but the plot is hardly original. Oh sure, by all means avoid it, if you cannot stand having a good "
    "time."
)
REVIEW16 = "Not a bad idea, but the film never finds its heart, and nobody seems to care."
FACTS = (
    "Nora Vance keeps bees near Holt. Her sister is called Irene. Irene Vance blows glass. Irene moved to Prague ten "
    "years ago. Her neighbour Paul bakes bread. Paul grew up in Lisbon. Nora has a brother too. The brother is called "
    "Felix. Felix repairs clocks. He settled in Lisbon last year. The bees had a good summer. Nora sells honey at the "
    "market. Every Christmas Nora writes to her sister Irene. The letters go to Prague. Irene sends back a glass star. "
    "Felix never writes letters. He prefers the telephone. Paul once visited the farm. He liked the honey very much. "
    "The farm has a red gate."
)
FACTS_QUESTION = "Read the text and answer the question.\n{text}\nQuestion: In which city does Nora's sister live?"
HEAD_LAYERS = (2, 6, 10, 14, 18, 22, 26, 28)
CAPITAL = ("The capital of Italy is Rome. The capital of Japan is", (" Tokyo", " Rome"))
FARM = ("Cows give milk and hens lay", (" eggs", " milk"))


@functools.cache
def smollm2():
    return sx.load_model("smollm2")


def sample(ablation, meta):
    masks = sx.designs.uniform(jax.random.key(1), 2048, ablation.num_features)
    return masks, sx.evaluate(ablation, masks), {"model": "SmolLM2-135M-Instruct, float32", **meta}


def text_game(text, question, answers, answer_prefix, features):
    ablation = sx.ablations.text(
        smollm2(), text, question=question, answers=answers, answer_prefix=answer_prefix, features=features
    )
    said = ablation.describe()
    meta = {"units": ablation.feature_names, **{k: said[k] for k in ("before", "after", "answers", "value", "removal")}}
    return sample(ablation, {"kind": f"text: {features}s deleted", **meta})


def gate_game(prompt, answers, gates, names, kind):
    """Logit difference of two answers after a prompt; `gates(mask)` says which parts of the model are zeroed."""
    model = smollm2()
    tokens = jnp.asarray(model.encode([prompt]), jnp.int32)
    targets = jnp.asarray([only for (only,) in model.encode(answers)])

    def difference(parameters, mask):
        network = nnx.merge(model.graph, parameters)
        row = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
        empty = Prefix.empty(model.config, jnp.float32)
        hidden, _ = network(tokens, row, jnp.full_like(row, tokens.shape[1]), empty, gates(mask))
        right, wrong = network.logits_of(hidden[0, -1], targets)
        return right - wrong

    ablation = sx.ablations.function(
        difference, len(names), parameters=model.parameters, feature_names=names, batch_size=64
    )
    meta = {"kind": kind, "units": names, "prompt": prompt, "answers": answers, "value": "logit-difference"}
    return sample(ablation, meta)


def heads72():
    config = smollm2().config
    layers = jnp.asarray(HEAD_LAYERS)

    def gates(mask):
        some = mask.reshape(len(HEAD_LAYERS), config.num_heads).astype(jnp.float32)
        everything = Gates.open(config)
        return everything._replace(heads=everything.heads.at[layers].set(some))

    names = [f"L{layer}H{head}" for layer in HEAD_LAYERS for head in range(config.num_heads)]
    return gate_game(*CAPITAL, gates, names, "attention heads zeroed")


def mlp20():
    """The last 20 MLPs; the first 10 stay."""
    layers = range(smollm2().config.num_layers - 20, smollm2().config.num_layers)

    def gates(mask):
        everything = Gates.open(smollm2().config)
        return everything._replace(mlps=everything.mlps.at[layers.start :].set(mask.astype(jnp.float32)))

    return gate_game(*FARM, gates, [f"MLP{layer}" for layer in layers], "MLPs zeroed")


def all_masks(n):
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def exact_digits():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    images, digits = load_digits(return_X_y=True)
    train, test, train_digits, test_digits = train_test_split(images / 16, digits, random_state=0)
    network = MLPClassifier((64, 32), max_iter=500, random_state=0).fit(train, train_digits)

    def logits(x):
        for weights, bias in zip(network.coefs_, network.intercepts_, strict=True):
            x = np.maximum(x, 0) @ weights + bias  # the pixels are not negative
        return x

    def margin(x, digit):
        own = np.arange(10) == np.reshape(digit, (-1, 1))
        answers = logits(x)
        return np.where(own, answers, -np.inf).max(1) - np.where(own, -np.inf, answers).max(1)

    margins = margin(test, test_digits)
    hardest = np.where(margins > 0, margins, np.inf).argmin()
    patch = np.add.outer(np.arange(8) // 2 * 3, np.arange(8) // 3).ravel()  # 4 x 3 patches of 2 x 3 or 2 x 2 pixels
    masks = all_masks(12)
    values = margin(np.where(masks[:, patch], test[hardest], train.mean(0)), test_digits[hardest])
    meta = {
        "kind": "12 patches of an image replaced by the mean image, all masks",
        "model": f"MLP on scikit-learn's digits, test accuracy {network.score(test, test_digits):.3f}",
        "value": f"logit({test_digits[hardest]}) - the largest other logit, on the least sure test image that is right",
    }
    return masks, values, meta


def exact_training():
    from sklearn.datasets import load_breast_cancer

    x, benign = load_breast_cancer(return_X_y=True)
    x = np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))])
    sign = 2.0 * benign - 1
    order = np.random.default_rng(0).permutation(len(x))
    groups, rest = order[:104].reshape(13, 8), order[104:]
    weights = logistic_regression(x[groups.ravel()], sign[groups.ravel()])
    hard = rest[np.abs(x[rest] @ weights).argmin()]
    masks = all_masks(13)
    kept = (groups[mask].ravel() for mask in masks)
    meta = {
        "kind": "13 groups of 8 training examples left out, all masks",
        "model": "L2-regularised logistic regression on scikit-learn's breast cancer data",
        "value": "margin of the test example nearest to the boundary of the regression trained on all groups",
    }
    return masks, np.array([sign[hard] * (x[hard] @ logistic_regression(x[i], sign[i])) for i in kept]), meta


def logistic_regression(x, sign):
    """Minimises `sum(log(1 + exp(-sign * x @ w))) + |w|^2 / 2` by Newton's method."""
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        wrong = 1 / (1 + np.exp(sign * (x @ weights)))
        gradient = weights - x.T @ (sign * wrong)
        if np.abs(gradient).max() < 1e-8:
            return weights
        weights -= np.linalg.solve(np.eye(len(weights)) + (x.T * (wrong * (1 - wrong))) @ x, gradient)
    raise ValueError("Newton's method has not converged.")


GAMES = {
    "review48": lambda: text_game(REVIEW48, QUESTION, ANSWERS, ANSWER_PREFIX, "word"),
    "heads72": heads72,
    "facts20": lambda: text_game(
        FACTS, FACTS_QUESTION, (" Prague", " Lisbon"), "Nora's sister lives in the city of", "sentence"
    ),
    "mlp20": mlp20,
    "review16": lambda: text_game(REVIEW16, QUESTION, ANSWERS, ANSWER_PREFIX, "word"),
    "exact_digits": exact_digits,
    "exact_training": exact_training,
}


def measure(games, names, folder):
    """Measures the named games that have no file in the folder yet."""
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / f"{name}.npz"
        if path.exists():
            continue
        start = time.perf_counter()
        masks, values, meta = games[name]()
        masks, values = np.asarray(masks), np.asarray(values, np.float32)
        n = masks.shape[1]
        np.savez_compressed(path, masks=np.packbits(masks, axis=1), n=n, values=values, meta=json.dumps(meta))
        print(
            f"{name}: n {n}, m {len(masks)}, mean {values.mean():.3f}, std {values.std():.3f}, "
            f"all kept {values[masks.all(1)][0]:.3f}, {time.perf_counter() - start:.0f} s, {path.stat().st_size} bytes",
            flush=True,
        )


if __name__ == "__main__":
    measure(GAMES, sys.argv[1:] or GAMES, HERE)

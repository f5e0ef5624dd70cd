"""Measures several inputs of one model and task, whose features are the same: one column of values for each input.

What has been measured is left alone. Run as `python benchmarks/games/tasks.py`.
"""

import json
import sys
import time

import jax
import numpy as np
import optax
from flax import nnx
from make import FACTS, HERE, smollm2

import spexjax as sx

MASKS = 1536
HEADS = {
    "The capital of France is": (" Paris", " London"),
    "The opposite of hot is": (" cold", " warm"),
    "Two plus two equals": (" four", " five"),
    "The sun rises in the": (" east", " west"),
}
EXAMPLES = """\
A delight from the first scene to the last => positive
I have never been so bored => negative
Not bad at all => positive
The actors deserve better than this script => negative
It made me laugh and cry => positive
Two hours of my life are gone => negative
Hardly a masterpiece, but I would see it again => positive
Loud, long and empty => negative
A small film with a big heart => positive
The ending ruins everything => negative
Go and see it while you can => positive
Nobody in the theatre laughed => negative
It grows on you => positive
A waste of a good idea => negative
Every frame is a painting => positive
I wanted my money back => negative"""
REVIEWS = (
    "I did not expect to like it, but I did",
    "Beautiful pictures, no story",
    "The jokes never fail",
    "Avoid it at all costs",
)
QUESTIONS = {
    "In which city does Nora's sister live?": ("Nora's sister lives in the city of", (" Prague", " Lisbon")),
    "In which city does Nora's brother live?": ("Nora's brother lives in the city of", (" Lisbon", " Prague")),
    "What does Felix repair?": ("Felix repairs", (" clocks", " glass")),
    "Who keeps bees?": ("Bees are kept by", (" Nora", " Paul")),
}


def heads90():
    """Every third layer's heads, zeroed; prompts of four kinds."""
    layers = tuple(range(0, 30, 3))
    return [sx.ablations.components(smollm2(), [p], [a], units="head", layers=layers) for p, a in HEADS.items()]


def few_shot16():
    """Sixteen examples before a review, deleted."""
    return [
        sx.ablations.text(
            smollm2(),
            EXAMPLES,
            question="Say whether each review is positive or negative.\n{text}",
            answer_prefix=f"{review} =>",
            answers=(" positive", " negative"),
            features="line",
        )
        for review in REVIEWS
    ]


def facts20():
    """Twenty sentences before a question, deleted."""
    return [
        sx.ablations.text(
            smollm2(),
            FACTS,
            question=f"Read the text and answer the question.\n{{text}}\nQuestion: {question}",
            answer_prefix=prefix,
            answers=answers,
            features="sentence",
        )
        for question, (prefix, answers) in QUESTIONS.items()
    ]


class Regression(nnx.Module):
    """Logistic regression on an image of a digit."""

    def __init__(self, rngs: nnx.Rngs):
        self.out = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        return self.out(x)


def training64():
    """Sixty-four images of digits, left out of the training of a logistic regression; four test images."""
    from sklearn.datasets import load_digits

    images, digits = load_digits(return_X_y=True)
    order = np.random.default_rng(2).permutation(len(images))
    train, test = (((images[i] / 16).astype(np.float32), digits[i]) for i in (order[:64], order[1000:1004]))
    init, logits = sx.ablations.nnx_functions(Regression)
    optimizer, key = optax.sgd(0.1, 0.9), jax.random.key(0)
    return [sx.ablations.training_data(train, test, init, logits, optimizer=optimizer, steps=100, keys=key)]


TASKS = {"heads90": heads90, "few_shot16": few_shot16, "facts20": facts20, "training64": training64}


def main():
    for name in sys.argv[1:] or TASKS:
        path = HERE / "tasks" / f"{name}.npz"
        if path.exists():
            continue
        start, inputs = time.perf_counter(), TASKS[name]()
        masks = np.asarray(sx.designs.uniform(jax.random.key(9), MASKS, inputs[0].num_features))
        values = np.column_stack([sx.evaluate(ablation, masks) for ablation in inputs])
        meta = json.dumps({"units": inputs[0].feature_names, "kind": TASKS[name].__doc__})
        n = masks.shape[1]
        np.savez_compressed(path, masks=np.packbits(masks, axis=1), n=n, values=values, meta=meta)
        spread = ", ".join(f"{s:.2f}" for s in values.std(0))
        print(f"{name}: n {n}, m {len(masks)}, std {spread}, {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()

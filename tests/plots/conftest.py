"""Explanations to draw: of texts, heads and regions, with 1 to 300 features, and with standard errors."""

import dataclasses

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from spexjax.explanation import Explanation, Faithfulness
from spexjax.spectrum import Spectrum

mpl.use("Agg")

TEXT = (
    "The film is not good , but the last scene , in which nobody speaks , is so beautiful "
    "that I would never call it a bad evening after all"
)
SENTENCE = TEXT.split()
ERROR = 0.06


class Known(Explanation):
    """An explanation in which every value has the same standard error."""

    def standard_errors(self, table):
        return np.full(len(table), ERROR)


def words(n):
    """n words, some of them several times."""
    return [SENTENCE[i % len(SENTENCE)] for i in range(n)]


def explained(n, names=None, *, seed=0, pairs=None, kind=Known, r2=0.83, exact=False, **provenance):
    """An explanation of n features: a few strong terms, and many weak ones that look like noise."""
    rng = np.random.default_rng(seed)
    terms = {(): 0.3} | {(i,): float(v) for i, v in enumerate(rng.normal(0, 0.05, n))}
    strong = rng.choice(n, min(n, 6), replace=False).tolist()
    terms |= {(i,): float(v) for i, v in zip(strong, (-0.5, 0.4, 0.33, -0.28, 0.2, -0.15), strict=False)}
    for k in range(pairs if pairs is not None else min(n * (n - 1) // 2, 2 * n)):
        size = 3 if k % 7 == 6 and n > 2 else 2
        s = tuple(sorted(rng.choice(n, size, replace=False).tolist())) if n > 1 else (0,)
        terms.setdefault(s, float(rng.normal(0, 0.16 if k < 12 else 0.02)))
    masks = np.concatenate([np.ones((1, n), bool), np.zeros((1, n), bool), rng.random((60, n)) < 0.5])
    spectrum = Spectrum.from_dict(terms, n)
    faithfulness = Faithfulness(r2, np.arange(2, 62), "held out", 0.02, exact)
    names = tuple(names or (f"feature {i}" for i in range(n)))
    return kind(spectrum, faithfulness, names, "lasso", masks, spectrum(masks), {}, provenance)


def text_explanation(n, **changes):
    """An explanation of the words of a text."""
    pieces = [piece for i, word in enumerate(words(n)) for piece in ([word, i], [" ", -1])]
    known = {"model": "tiny", "pieces": pieces, "answers": [" Positive", " Negative"], "value": "logit-difference"}
    return explained(n, words(n), **known | changes)


def head_explanation(layers, heads, mlps=True):
    """An explanation of the heads and MLPs of a model."""
    names = [
        f"L{layer}.{unit}"
        for layer in range(layers)
        for unit in [*(f"H{h}" for h in range(heads)), "MLP"][: heads + mlps]
    ]
    return explained(len(names), names, prompts=["a", "b"], answers=[" yes", " no"], value="logit-difference")


def without_errors(explanation):
    """The same as an Explanation proper, which knows no standard errors here."""
    return Explanation(*(getattr(explanation, field.name) for field in dataclasses.fields(explanation)))


def mosaic(side, blocks):
    """A picture of a bright disc, and its regions: blocks x blocks squares."""
    y, x = np.mgrid[:side, :side]
    picture = 0.2 + 0.8 * ((x - side / 2) ** 2 + (y - side / 2) ** 2 < (0.33 * side) ** 2) + 0.1 * x / side
    return picture, (y * blocks // side) * blocks + x * blocks // side


@pytest.fixture(autouse=True)
def closed():
    """Pictures are closed after each test."""
    yield
    plt.close("all")

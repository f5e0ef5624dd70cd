"""Explanations to draw: of texts, heads and regions, with 1 to 300 features, and with standard errors."""

import matplotlib as mpl
import numpy as np

from spexjax.explanation import Explanation, Faithfulness
from spexjax.spectrum import Spectrum

mpl.use("Agg")

TEXT = (
    "The film is not good , but the last scene , in which nobody speaks , is so beautiful "
    "that I would never call it a bad evening after all"
)
ERROR = 0.06


class Known(Explanation):
    """An explanation in which every value has the same standard error."""

    def standard_errors(self, table):
        return np.full(len(table), ERROR)


def words(n):
    """n words, some of them several times."""
    sentence = TEXT.split()
    return [sentence[i % len(sentence)] for i in range(n)]


def of_terms(terms, names, *, r2=0.83, **provenance):
    """The explanation of a known function: `{S: F(S)}`."""
    n = len(names)
    masks = np.concatenate([np.ones((1, n), bool), np.zeros((1, n), bool)])
    masks = np.concatenate([masks, np.random.default_rng(0).random((60, n)) < 0.5])
    spectrum, faithfulness = Spectrum.from_dict(terms, n), Faithfulness(r2, np.arange(2, 62), "held out", 0.02)
    return Known(spectrum, faithfulness, tuple(names), "lasso", masks, spectrum(masks), {}, provenance)


def explained(n, names=None, *, seed=0, **provenance):
    """A few strong terms, and many weak ones that look like noise."""
    rng = np.random.default_rng(seed)
    terms = {(): 0.3} | {(i,): float(v) for i, v in enumerate(rng.normal(0, 0.05, n))}
    strong = rng.choice(n, min(n, 6), replace=False).tolist()
    terms |= {(i,): v for i, v in zip(strong, (-0.5, 0.4, 0.33, -0.28, 0.2, -0.15), strict=False)}
    for k in range(min(n * (n - 1) // 2, 2 * n)):
        s = rng.choice(n, 3 if k % 7 == 6 and n > 2 else 2, replace=False).tolist()
        terms.setdefault(tuple(sorted(s)), float(rng.normal(0, 0.16 if k < 12 else 0.02)))
    return of_terms(terms, names or [f"feature {i}" for i in range(n)], **provenance)


def text_explanation(n, **changes):
    """An explanation of the words of a text."""
    pieces = [piece for i, word in enumerate(words(n)) for piece in ([word, i], [" ", -1])]
    known = {"model": "tiny", "pieces": pieces, "answers": [" Positive", " Negative"], "value": "logit-difference"}
    return explained(n, words(n), **known | changes)


def head_explanation(layers, heads, mlp=True):
    """An explanation of the heads and MLPs of a model."""
    units = [f"H{head}" for head in range(heads)] + ["MLP"] * mlp
    names = [f"L{layer}.{unit}" for layer in range(layers) for unit in units]
    return explained(len(names), names, prompts=["a", "b"], answers=[" yes", " no"], value="logit-difference")


def mosaic(side, blocks):
    """A picture of a bright disc, and its regions: blocks x blocks squares."""
    y, x = np.mgrid[:side, :side]
    picture = 0.2 + 0.8 * ((x - side / 2) ** 2 + (y - side / 2) ** 2 < (0.33 * side) ** 2) + 0.1 * x / side
    return picture, (y * blocks // side) * blocks + x * blocks // side


def small():
    """Three words; the pair of the last two is strong, the value of the first is noise."""
    terms = {(): 0.0, (0,): 0.02, (1,): -0.4, (2,): 0.3, (1, 2): 0.25}
    return of_terms(terms, ["very", "not", "good"], answers=[" yes", " no"], value="logit-difference")

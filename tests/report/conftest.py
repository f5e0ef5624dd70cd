import dataclasses

import jax
import numpy as np
import pytest
from browser import WORDS, Browser, axe_source, in_text, start

import spexjax as sx
from spexjax.explanation._explanation import Explanation, Faithfulness
from spexjax.spectrum import Spectrum


@pytest.fixture
def explain():
    """Makes the explanation of a known function: `{S: F(S)}`, feature names, and whatever else is known."""

    def make(terms, names, *, r2=0.8, scheme="held out", provenance=None, diagnostics=None):
        n = len(names)
        masks = np.concatenate([np.ones((1, n), bool), np.random.default_rng(0).random((30, n)) < 0.5])
        spectrum = Spectrum.from_dict(terms, n)
        return Explanation(
            spectrum,
            Faithfulness(r2, np.arange(31), scheme),
            tuple(names),
            "lasso",
            masks,
            np.asarray(spectrum(masks)),
            diagnostics or {},
            provenance or {},
        )

    return make


@pytest.fixture
def review(explain):
    """A sentence in which "the" stands twice and "not good" works together."""
    words = ("the", "film", "is", "not", "good", "the", "end")
    pieces = [piece for i, word in enumerate(words) for piece in ([word, i], [" ", -1])][:-1]
    terms = {(): 0.5, (1,): -0.1, (3,): 0.3, (4,): 0.2, (3, 4): 0.6, (0, 5): -0.25, (2, 3, 4): 0.05}
    provenance = {
        "model": "tiny",
        "before": "<|user|>\nHow is it? ",
        "after": "\n<|answer|>",
        "pieces": pieces,
        "answers": [" good", " bad"],
        "value": "logit-difference",
        "removal": "delete",
        "budget": 31,
        "evaluations": 30,
        "seconds": {"compile": 1.0, "ablations": 3.0},
        "fingerprint": "abc123",
        "padding": 0.1,
        "programs": 1,
    }
    return explain(terms, words, provenance=provenance, diagnostics={"folds": 5, "prior": "own"})


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """One browser for all tests."""
    folder = tmp_path_factory.mktemp("chromium")
    driver = start(folder / "profile")
    yield Browser(driver, folder)
    driver.quit()


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core."""
    return axe_source()


@pytest.fixture(scope="session")
def film():
    """A text of 45 words with a surrogate: "not gripping", and "far from predictable" three lines away."""
    n = len(WORDS)
    at = {word: WORDS.index(word) for word in WORDS}

    def f(masks):
        x = masks.astype(float)
        joint = -1.2 * x[:, at["not"]] * x[:, at["gripping"]] + 1.5 * x[:, at["far"]] * x[:, at["predictable"]]
        spread = x[:, at["hate"]] * x[:, at["happier"]]
        return 0.4 + x[:, at["superb"]] - 0.6 * x[:, at["hate"]] + joint - 0.9 * spread + 0.02 * x.sum(1) ** 1.3

    ablation = sx.ablations.host_function(f, n, feature_names=tuple(WORDS), fingerprint="film")
    explanation = sx.explain(ablation, key=jax.random.key(0), budget=192, method="proxyspex-gp", progress=False)
    return dataclasses.replace(explanation, provenance=in_text(WORDS))

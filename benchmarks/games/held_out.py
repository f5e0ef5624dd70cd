"""Measures the games that the methods were not developed on, into held_out/; README.md says which.

Nothing in spexjax was chosen by a look at them. A game whose file is there already is left alone. Those of tables need
scikit-learn, and are kinds of game that shapiq's benchmark has, measured on the data that scikit-learn brings along.

    python benchmarks/games/held_out.py
"""

import sys

import jax
import numpy as np
from make import HERE, all_masks, logistic_regression, measure, smollm2

import spexjax as sx

REVIEW = (
    "Do not let the dreadful trailer put you off. I went in with no hope at all, and for twenty minutes the film gave "
    "me no reason to change my mind. Then, without any warning, it stops being a bad thriller and becomes a rather "
    "good comedy. It is neither deep nor new, and the music is awful, yet I would not have missed the last scene for "
    "anything."
)
QUESTION = "Would the writer of this review recommend the film? Answer Yes or No.\nReview: {text}"
POEM = (
    "Question: Which animal says moo? Answer: the cow. Question: Which animal says woof? Answer: the",
    (" dog", " cow"),
)


def text(words, question, answers, answer_prefix, features, num_masks):
    ablation = sx.ablations.text(
        smollm2(), words, question=question, answers=answers, answer_prefix=answer_prefix, features=features
    )
    return sampled(ablation, num_masks, f"text: {features}s deleted")


def heads(num_masks):
    """The heads of every third layer, on a prompt of its own."""
    prompt, answers = POEM
    ablation = sx.ablations.components(
        smollm2(), [prompt], answers=[answers], units="head", layers=tuple(range(1, 30, 3))
    )
    return sampled(ablation, num_masks, "attention heads zeroed")


def sampled(ablation, num_masks, kind):
    masks = sx.designs.uniform(jax.random.key(2), num_masks, ablation.num_features)
    meta = {"model": "SmolLM2-135M-Instruct, float32", "kind": kind, "units": ablation.feature_names}
    return masks, sx.evaluate(ablation, masks), meta | {k: str(v) for k, v in ablation.describe().items()}


def training500(num_masks):
    """500 training examples, left out of a regression: the margin of the test example that is hardest to tell."""
    x, sign = breast_cancer()
    order = np.random.default_rng(1).permutation(len(x))
    train, rest = order[:500], order[500:]
    hard = rest[np.abs(x[rest] @ logistic_regression(x[train], sign[train])).argmin()]
    masks = np.asarray(sx.designs.uniform(jax.random.key(2), num_masks, 500))
    values = [sign[hard] * (x[hard] @ logistic_regression(x[train[mask]], sign[train[mask]])) for mask in masks]
    meta = {"kind": "500 training examples left out", "value": "margin of the test example nearest to the boundary"}
    return masks, np.array(values), meta


def breast_cancer():
    from sklearn.datasets import load_breast_cancer

    x, benign = load_breast_cancer(return_X_y=True)
    return np.column_stack([(x - x.mean(0)) / x.std(0), np.ones(len(x))]), 2.0 * benign - 1


def wine():
    from sklearn.datasets import load_wine

    x, kind = load_wine(return_X_y=True)
    return (x - x.mean(0)) / x.std(0), kind


def forest(x, labels):
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, random_state=0).fit(x, labels)


def imputed(score, row, background, masks):
    """The mean of a score where missing columns are those of each background row."""
    return np.mean([score(np.where(masks, row, other)) for other in background], axis=0)


def exact_wine():
    """A forest's probability of the right wine; missing columns are those of other wines."""
    x, kind = wine()
    model, masks = forest(x[::2], kind[::2]), all_masks(13)
    row = x[1::2][np.abs(model.predict_proba(x[1::2]).max(1) - 0.7).argmin()]
    label = model.predict([row])[0]
    values = imputed(lambda rows: model.predict_proba(rows)[:, label], row, x[::12], masks)
    return (
        masks,
        values,
        {"kind": "13 columns of a row of wine, marginal imputation", "value": "probability of a forest"},
    )


def exact_uncertainty():
    """The entropy of a forest's answer on 14 columns of breast cancer."""
    x, sign = breast_cancer()
    x, masks = x[:, :14], all_masks(14)
    model = forest(x[::2], sign[::2])

    def entropy(rows):
        p = np.clip(model.predict_proba(rows), 1e-9, 1)
        return -(p * np.log(p)).sum(1)

    row = x[1::2][entropy(x[1::2]).argmax()]
    values = imputed(entropy, row, x[::57], masks)
    return masks, values, {"kind": "14 columns of a row of breast cancer", "value": "entropy of a forest's answer"}


def exact_selection():
    """How good a classifier is that is trained on some columns of wine."""
    from sklearn.naive_bayes import GaussianNB

    x, kind = wine()
    masks = all_masks(13)
    most = np.bincount(kind[1::2]).max() / len(kind[1::2])
    values = [
        GaussianNB().fit(x[::2][:, m], kind[::2]).predict_log_proba(x[1::2][:, m])[np.arange(89), kind[1::2]].mean()
        if m.any()
        else np.log(most)
        for m in masks
    ]
    return masks, np.array(values), {"kind": "13 columns of wine to train on", "value": "mean log-likelihood of tests"}


def exact_ensemble():
    """The accuracy of a vote of 12 classifiers of digits, each trained on 60 of them and a part of the pixels."""
    from sklearn.datasets import load_digits
    from sklearn.tree import DecisionTreeClassifier

    x, digits = load_digits(return_X_y=True)
    rng, votes = np.random.default_rng(0), []
    for seed in range(12):
        rows, pixels = rng.choice(900, 60, replace=False), rng.choice(64, 32, replace=False)
        tree = DecisionTreeClassifier(random_state=seed).fit(x[rows][:, pixels], digits[rows])
        votes.append(np.eye(10)[tree.predict(x[900:][:, pixels])])
    masks = all_masks(12)
    tally = np.tensordot(masks.astype(float), np.array(votes), 1)  # [masks, images, 10]
    values = (tally.argmax(-1) == digits[900:]).mean(1)
    return masks, values, {"kind": "12 members of an ensemble left out", "value": "accuracy of their vote"}


def exact_clusters():
    """How well k-means tells three clusters of wine apart by some of its columns."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import calinski_harabasz_score

    x, _ = wine()
    masks = all_masks(13)

    def score(mask):
        if not mask.any():
            return 0.0
        some = x[:, mask]
        return np.log(calinski_harabasz_score(some, KMeans(3, n_init=1, random_state=0).fit_predict(some)))

    return (
        masks,
        np.array([score(m) for m in masks]),
        {"kind": "13 columns to cluster by", "value": "log of the ratio of variances"},
    )


def exact_valuation():
    """The accuracy of a classifier of digits trained on some of 12 parts of the data."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import RidgeClassifier

    x, digits = load_digits(return_X_y=True)
    parts = np.random.default_rng(0).permutation(900)[:144].reshape(12, 12)
    masks = all_masks(12)

    def score(mask):
        rows = parts[mask].ravel()
        if len(set(digits[rows])) < 2:
            return 0.1
        return RidgeClassifier().fit(x[rows] / 16, digits[rows]).score(x[900:] / 16, digits[900:])

    return (
        masks,
        np.array([score(m) for m in masks]),
        {"kind": "12 parts of the training data left out", "value": "accuracy"},
    )


GAMES = {
    "recommend70": lambda: text(REVIEW, QUESTION, (" Yes", " No"), "Answer:", "word", 5120),
    "animal_heads90": lambda: heads(3072),
    "training500": lambda: training500(5120),
    "exact_wine": exact_wine,
    "exact_uncertainty": exact_uncertainty,
    "exact_selection": exact_selection,
    "exact_ensemble": exact_ensemble,
    "exact_clusters": exact_clusters,
    "exact_valuation": exact_valuation,
}


if __name__ == "__main__":
    measure(GAMES, sys.argv[1:] or GAMES, HERE / "held_out")

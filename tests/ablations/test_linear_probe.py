"""Ridge classifiers, mask by mask, against refitting in double precision."""

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.ablations import ridge
from spexjax.ablations._training import _linear_probe as linear_probe


def refitted(x, labels, x_test, y_test, l2, intercept):
    """The least-squares problem with the penalty as additional rows, by numpy."""
    classes, d = int(max(labels.max(initial=0), y_test.max())) + 1, x.shape[1] + 1
    y = 2.0 * np.eye(classes)[labels] - 1
    rows = np.concatenate([np.column_stack([x, np.full(len(x), float(intercept))]), np.sqrt(l2) * np.eye(d)[:-1]])
    weights = np.linalg.lstsq(rows, np.concatenate([y, np.zeros((d - 1, classes))]), rcond=None)[0]
    scores = x_test @ weights[:-1] + weights[-1]
    return [row[c] - np.delete(row, c).max() for row, c in zip(scores, y_test, strict=True)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("form", ["sums", "anew", "dual"])
@pytest.mark.parametrize("grouped", [True, False])
def test_is_refitting(form, intercept, grouped, monkeypatch):
    rng = np.random.default_rng(0)
    size, d = (9, 14) if form == "dual" else (40, 6)
    monkeypatch.setattr(linear_probe, "_GRAMS", 0 if form == "anew" else 1 << 20)
    x, labels = 3 + rng.normal(size=(size, d)), rng.integers(0, 3, size)
    test = 3 + rng.normal(size=(4, d)), rng.integers(0, 4, 4)
    groups = rng.permutation(np.arange(size) % 5) - 1 if grouped else None
    ablation = ridge((x, labels), test, l2=0.5, intercept=intercept, groups=groups)
    assert isinstance(ablation.parameters, linear_probe.Dual if form == "dual" else linear_probe.Primal)
    masks = rng.random((9, ablation.num_features)) < 0.5
    masks[0], masks[1] = True, False
    kept = masks if groups is None else np.where(groups < 0, True, masks[:, groups])
    expected = [refitted(x[rows], labels[rows], *test, 0.5, intercept) for rows in kept]
    np.testing.assert_allclose(sx.evaluate(ablation, masks), expected, atol=2e-4)


def test_one_test_point_and_its_identity():
    rng = np.random.default_rng(1)
    train, test = (rng.normal(size=(12, 3)), rng.integers(0, 2, 12)), (rng.normal(size=(3, 3)), np.array([0, 1, 1]))
    groups = np.arange(12) % 4
    ablation, other = (ridge(train, test, l2=l2, groups=groups) for l2 in (1.0, 2.0))
    explanation = sx.explain(ablation.only(1), budget=16, key=jax.random.key(0))
    np.testing.assert_allclose(explanation.values, sx.evaluate(ablation, explanation.masks)[:, 1], atol=1e-6)
    assert ridge(train, test, l2=1.0, groups=groups).fingerprint == ablation.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"l2": 0.0}, "penalty must be above 0"),
        ({"train": (np.zeros((4, 2)), np.zeros(4))}, "integer labels"),
        ({"train": (np.zeros((4, 3)), np.zeros(4, int))}, r"inputs \(4, 3\) and \(1, 2\)"),
    ],
)
def test_bad_input(change, message):
    given = {"train": (np.zeros((4, 2)), np.zeros(4, int)), "test": (np.zeros((1, 2)), np.zeros(1, int)), "l2": 1.0}
    with pytest.raises(ValueError, match=message):
        ridge(**given | change)

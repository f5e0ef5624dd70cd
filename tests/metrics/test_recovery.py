"""Recovery against annotations: scikit-learn's definitions, by hand."""

import numpy as np
import pytest

from spexjax.metrics import recovery


def test_random_sets_against_the_confusion_matrix():
    rng = np.random.default_rng(0)
    for _ in range(20):
        found, known = rng.permutation(12)[:6], rng.permutation(12)[: rng.integers(1, 8)]
        k = int(rng.integers(1, 9))
        said, true = (np.isin(np.arange(12), x) for x in (found[:k], known))
        tp, fp, fn = (said & true).sum(), (said & ~true).sum(), (~said & true).sum()
        score = recovery(found, known, k)
        assert score == pytest.approx((tp / (tp + fp), tp / (tp + fn), 2 * tp / (2 * tp + fp + fn)))


def test_features_interactions_and_repetitions():
    assert recovery([3, 3, (3,)], [(3,)]) == (1, 1, 1)
    assert recovery([(2, 1)], [(1, 2), (1,), (2,)]).recall == pytest.approx(1 / 3)
    assert recovery([], [1]) == (0, 0, 0)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="Nothing is known"):
        recovery([1], [])
    with pytest.raises(ValueError, match="1 or more"):
        recovery([1], [1], k=0)

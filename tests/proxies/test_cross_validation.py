import jax
import numpy as np
import pytest

from spexjax.proxies._cross_validation import complements, folds, leave_fold_selection, surely_better

MASKS = np.arange(64)[:, None] >> np.arange(7) & 1 == 1  # none keeps the last feature: no complements


@pytest.mark.parametrize(("m", "k"), [(2, 2), (7, 5), (64, 5), (5, 5)])
def test_folds_are_balanced(m, k):
    fold = folds(jax.random.key(0), MASKS[:m], k)
    sizes = np.bincount(fold, minlength=k)
    assert fold.shape == (m,)
    assert sizes.sum() == m
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("m", "k"), [(1, 2), (4, 1), (3, 5)])
def test_impossible_folds(m, k):
    with pytest.raises(ValueError, match="2 <= folds <= masks"):
        folds(jax.random.key(0), MASKS[:m], k)


@pytest.mark.parametrize("pairs", [0, 1, 11, 32])
def test_complements_share_a_fold(pairs):
    rng = np.random.default_rng(pairs)
    order = rng.permutation(64 + pairs)
    masks = np.concatenate([MASKS, ~MASKS[:pairs]])[order]
    partner = complements(masks)
    np.testing.assert_array_equal(
        np.flatnonzero(partner != np.arange(len(masks))), np.flatnonzero((order < pairs) | (order >= 64))
    )
    paired = partner != np.arange(len(masks))
    np.testing.assert_array_equal(masks[partner[paired]], ~masks[paired])
    fold = folds(jax.random.key(0), masks, 5)
    np.testing.assert_array_equal(fold[partner], fold)
    sizes = np.bincount(fold)
    assert sizes.max() - sizes.min() <= 2


def test_fewer_pairs_than_folds():
    masks = np.array([[0, 0], [1, 1], [0, 1], [1, 0]], bool)
    assert sorted(folds(jax.random.key(0), masks, 4)) == [0, 1, 2, 3]
    assert len(set(folds(jax.random.key(0), masks, 2)[:2])) == 1


def test_selection_by_definition():
    rng = np.random.default_rng(0)
    values, fold = rng.normal(size=30), np.arange(30) % 3
    p = values + rng.normal(size=(8, 30))
    chosen = leave_fold_selection(p, values, fold)
    assert chosen.best == ((p - values) ** 2).sum(1).argmin()
    for k in range(3):
        others = fold != k
        best = ((p - values)[:, others] ** 2).sum(1).argmin()
        assert chosen.without_fold[k] == best
        np.testing.assert_array_equal(chosen.held_out[fold == k], p[best, fold == k])


def test_a_mask_has_no_say_in_what_predicts_it():
    values, fold = np.zeros(4), np.array([0, 0, 1, 1])
    p = np.array([[0.0, 0, 9, 9], [5, 5, 1, 1]])  # each setting is best on one fold
    np.testing.assert_array_equal(leave_fold_selection(p, values, fold).held_out, [5, 5, 9, 9])


def test_ties_go_to_the_simplest_and_not_finite_never_wins():
    values, fold = np.arange(6.0), np.arange(6) % 2
    p = np.stack([np.full(6, np.nan), values + 1, values + 1 - 1e-5, np.full(6, np.inf)])
    assert leave_fold_selection(p, values, fold).best == 1


@pytest.mark.parametrize(("gap", "better"), [(0.0, False), (0.5, True), (-0.5, False)])
def test_surely_better(gap, better):
    """By the standard error of the mean gain, counted as often as asked."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=400)
    old, new = values + (1 + gap) * rng.normal(size=400), values + rng.normal(size=400)
    assert surely_better(new, old, values, 2.0) == better
    gain = (old - values) ** 2 - (new - values) ** 2
    exact = gain.mean() / (gain.std() / 20)
    assert surely_better(new, old, values, exact - 1e-6)
    assert not surely_better(new, old, values, exact + 1e-6)

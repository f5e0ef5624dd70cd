import itertools

import lightgbm
import numpy as np
import pytest

from spexjax.proxies.trees import _fourier as tree_fourier
from spexjax.proxies.trees._fourier import booster_leaves, tree_spectrum


def all_masks(n):
    return np.array(list(itertools.product([False, True], repeat=n)), bool).reshape(2**n, n)


def brute_force(f, n):
    """Every Fourier coefficient, from its definition."""
    masks = all_masks(n)
    return {
        s: float(np.mean(f * (-1.0) ** masks[:, list(s)].sum(1)))
        for order in range(n + 1)
        for s in itertools.combinations(range(n), order)
    }


def assert_spectrum(spectrum, f, n, atol=1e-6):
    found, expected = spectrum.to_dict(), brute_force(f, n)
    assert len(found) == len(spectrum)
    for s, value in expected.items():
        assert found.get(s, 0.0) == pytest.approx(value, abs=atol)


def train(x, y, num_trees, **parameters):
    parameters = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 1, **parameters}
    return lightgbm.train(parameters, lightgbm.Dataset(x.astype(np.float32), y, params=parameters), num_trees)


@pytest.mark.parametrize(
    ("n", "depth", "trees"), [(1, 3, 5), (2, -1, 3), (5, 2, 40), (8, 5, 60), (10, -1, 80), (10, 1, 9)]
)
def test_equals_brute_force_on_boosters(n, depth, trees):
    rng = np.random.default_rng(n)
    x = rng.random((300, n)) < 0.5
    y = rng.normal(size=300) + x[:, 0] * x[:, -1] + x.sum(1) % 2
    booster = train(x, y, trees, max_depth=depth, learning_rate=0.3, num_leaves=31)
    spectrum = tree_spectrum(*booster_leaves(booster.model_to_string(), n), n)
    assert_spectrum(spectrum, booster.predict(all_masks(n).astype(np.float32)), n, atol=1e-5)


def test_prefix_of_a_booster_is_the_model_after_fewer_trees():
    rng = np.random.default_rng(0)
    x, y = rng.random((200, 6)) < 0.5, rng.normal(size=200)
    long, short = train(x, y, 50, seed=3), train(x, y, 20, seed=3)
    np.testing.assert_array_equal(
        long.predict(x.astype(np.float32), num_iteration=20), short.predict(x.astype(np.float32))
    )


def test_booster_that_never_splits():
    x = np.random.default_rng(0).random((50, 3)) < 0.5
    booster = train(x, np.full(50, 2.5), 10)
    spectrum = tree_spectrum(*booster_leaves(booster.model_to_string(), 3), 3)
    assert spectrum.to_dict() == {(): 2.5}


def test_single_leaf():
    spectrum = tree_spectrum(np.zeros((1, 0), int), np.zeros((1, 0), bool), np.array([1.5]), 4)
    assert spectrum.to_dict() == {(): 1.5}


def test_no_leaves():
    assert tree_spectrum(np.zeros((0, 2), int), np.zeros((0, 2), bool), np.zeros(0), 4).to_dict() == {}


def test_repeated_and_contradictory_tests():
    features = np.array([[2, 0, 2], [2, 0, 2], [2, 2, 1]])
    bits = np.array([[1, 0, 1], [1, 0, 0], [0, 0, 1]], bool)
    spectrum = tree_spectrum(features, bits, np.array([4.0, 100.0, 8.0]), 3)
    x = all_masks(3)
    assert_spectrum(spectrum, 4.0 * (x[:, 2] & ~x[:, 0]) + 8.0 * (~x[:, 2] & x[:, 1]), 3)


def test_thresholds_outside_the_unit_interval_test_nothing():
    model = """num_leaves=3
split_feature=0 1
threshold=1.5 -0.5
left_child=1 -1
right_child=-3 -2
leaf_value=7 5 3"""
    assert tree_spectrum(*booster_leaves(model, 2), 2).to_dict() == {(): 5.0}


def test_many_features_take_several_words(monkeypatch):
    monkeypatch.setattr(tree_fourier, "_BLOCK", 64)  # merges often
    rng, n, depth = np.random.default_rng(0), 50_000, 7
    features = np.array([rng.choice(n, depth, replace=False) for _ in range(6)])
    features = np.concatenate([features, features[:2]])
    bits, values = rng.random(features.shape) < 0.5, rng.normal(size=8)
    spectrum = tree_spectrum(features, bits, values, n)
    masks = np.zeros((40, n), bool)
    masks[:, features.ravel()] = rng.random((40, features.size)) < 0.5
    expected = ((masks[:, features] == bits).all(2) * values).sum(1)
    np.testing.assert_allclose(spectrum(masks), expected, atol=1e-5)
    assert len(spectrum) == len(
        {s for row in features for o in range(8) for s in itertools.combinations(sorted(row), o)}
    )


def test_a_path_of_sixteen_features_is_exact():
    features, bits = np.arange(16)[None], np.ones((1, 16), bool)
    spectrum = tree_spectrum(features, bits, np.array([2.0**16]), 16)
    signs = np.where(np.asarray(spectrum.orders) % 2, -1.0, 1.0)
    np.testing.assert_array_equal(spectrum.coefficients, signs)


def test_hopeless_depth_is_refused():
    with pytest.raises(ValueError, match="limit the depth"):
        tree_spectrum(np.arange(25)[None], np.ones((1, 25), bool), np.ones(1), 30)

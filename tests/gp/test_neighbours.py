"""Sets of neighbouring features against their definition."""

from itertools import combinations

import jax.numpy as jnp
import numpy as np
import pytest

from spexjax.gp import neighbours, signs
from spexjax.gp._neighbours import characters_of_neighbours, variances_of_supports


def sets(n):
    """Pairs at distance 1 or 2, and three in a row."""
    return [s for k in (2, 3) for s in combinations(range(n), k) if s[-1] - s[0] <= 2]


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_sets(n):
    found = [tuple(i for i in row if i < n) for row in neighbours(n).tolist()]
    assert sorted(found) == sorted(sets(n))
    assert neighbours(n).shape == (len(found), 3)


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_the_characters(n):
    z = signs(np.random.default_rng(n).random((5, n)) < 0.5)
    padded = np.concatenate([z, np.ones((5, 1))], axis=1)
    np.testing.assert_array_equal(characters_of_neighbours(z), padded[:, neighbours(n)].prod(-1))


@pytest.mark.parametrize("width", [1, 2, 4])
def test_the_variance_of_each_support(width):
    n = 6
    near = jnp.arange(1.0, len(neighbours(n)) + 1)
    expected = {tuple(i for i in row if i < n): v for row, v in zip(neighbours(n).tolist(), near.tolist(), strict=True)}
    every = [s for k in range(width + 1) for s in combinations(range(n), k)]
    support = np.array([[*s, *[n] * (width - len(s))] for s in every])
    found = variances_of_supports(near, support, n)
    np.testing.assert_array_equal(found, [expected.get(s, 0.0) for s in every])

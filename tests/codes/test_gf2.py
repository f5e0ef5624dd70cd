import jax
import numpy as np
import pytest

from spexjax.codes import independent_rows, random_full_rank, rank


def span(matrix):
    """Every sum of rows, as integers."""
    sums = {0}
    for row in matrix:
        value = int("".join(map(str, row.astype(int))), 2)
        sums |= {s ^ value for s in sums}
    return sums


@pytest.mark.parametrize(("r", "c"), [(0, 3), (1, 1), (2, 2), (3, 8), (8, 3), (9, 9), (12, 10)])
@pytest.mark.parametrize("seed", range(5))
def test_against_the_whole_span(r, c, seed):
    matrix = np.random.default_rng(seed).random((r, c)) < [0.2, 0.5][seed % 2]
    rows, coefficients = independent_rows(matrix)
    assert rank(matrix) == len(rows) == np.log2(len(span(matrix)))
    np.testing.assert_array_equal(coefficients.astype(int) @ matrix[rows] % 2, matrix)
    # A row is taken if and only if those before it do not already make it.
    assert rows.tolist() == [i for i in range(r) if len(span(matrix[: i + 1])) > len(span(matrix[:i]))]


@pytest.mark.parametrize(("b", "n"), [(0, 2), (1, 1), (3, 3), (5, 70), (12, 12)])
def test_random_matrices_have_full_rank(b, n, key):
    matrix = random_full_rank(key, b, n)
    assert matrix.shape == (b, n)
    assert rank(matrix) == b
    np.testing.assert_array_equal(matrix, random_full_rank(key, b, n))


def test_random_matrices_are_uniform():
    counts = np.zeros(16, int)
    for seed in range(300):
        counts[random_full_rank(jax.random.key(seed), 2, 2).ravel() @ (1 << np.arange(4))] += 1
    assert (counts > 0).sum() == 6  # the invertible 2 x 2 matrices, 50 draws each but for a deviation of 6.5
    assert np.abs(counts[counts > 0] - 50).max() < 20


def test_more_rows_than_columns(key):
    with pytest.raises(ValueError, match="take b <= n"):
        random_full_rank(key, 3, 2)

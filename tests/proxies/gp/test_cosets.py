import jax
import numpy as np
import pytest

from spexjax.proxies.gp._cosets import Characters, Cosets, draw_cosets
from spexjax.spectrum import host_characters

SUPPORT = np.array([[7, 7, 7], [0, 7, 7], [3, 7, 7], [0, 6, 7], [1, 2, 5], [4, 5, 6]])  # of 7 features


@pytest.mark.parametrize(("sets", "d"), [(1, 0), (3, 1), (4, 5)])
def test_characters_are_a_matrix_over_the_masks(sets, d):
    cosets = draw_cosets(jax.random.key(0), np.linspace(0.2, 0.8, sets), d, 7)
    matrix, fast = host_characters(SUPPORT, cosets.masks()), Characters(SUPPORT, cosets)
    rng = np.random.default_rng(1)
    w, u = rng.normal(size=len(SUPPORT)), rng.normal(size=len(matrix))
    assert matrix.shape == (sets << d, len(SUPPORT))
    np.testing.assert_allclose(fast.times(w), matrix @ w, atol=1e-12)
    np.testing.assert_allclose(fast.projected(u), matrix.T @ u, atol=1e-12)


def test_masks_are_the_span_of_the_directions_from_the_start():
    cosets = Cosets(np.array([[True, False, False]]), np.array([[[True, True, False], [False, False, True]]]))
    assert cosets.masks().astype(int).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 1], [0, 1, 1]]


def test_every_feature_is_kept_with_its_share():
    """And two features of a mask, and one feature at two masks, are uncorrelated."""
    sets, d, n = 4000, 3, 5
    for share in (0.1, 0.5, 0.7):
        masks = draw_cosets(jax.random.key(2), np.full(sets, share), d, n).masks().reshape(sets, -1, n)
        np.testing.assert_allclose(masks.mean((0, 1)), share, atol=0.03)
        np.testing.assert_allclose((masks[..., 0] & masks[..., 1]).mean(), share**2, atol=0.02)
    uniform = draw_cosets(jax.random.key(3), np.full(sets, 0.5), d, n).masks().reshape(sets, -1, n)
    np.testing.assert_allclose((uniform[:, 0] & uniform[:, 5]).mean(), 0.25, atol=0.02)

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax.proxies import lasso
from spexjax.proxies._lasso import lasso_paths


@pytest.mark.parametrize(("m", "n"), [(120, 15), (40, 90)])
def test_optimality_conditions_along_the_path(m, n):
    rng = np.random.default_rng(0)
    signs = 1.0 - 2 * (rng.random((m, n)) < 0.3)
    y = signs[:, :3] @ [1.0, -0.5, 0.2] + rng.normal(size=m)
    train = np.stack([rng.random(m) < 0.8, np.ones(m, bool)])
    shares = np.geomspace(1, 1e-2, 20)
    intercepts, weights = lasso_paths(*map(jnp.float32, (signs, y)), jnp.asarray(train), jnp.float32(shares))
    for rows, c, path in zip(train, np.asarray(intercepts), np.asarray(weights, np.float64), strict=True):
        x, f = signs[rows], y[rows]
        deviation = x.std(0)
        largest = np.abs((x / deviation).T @ (f - f.mean())).max() / len(f)
        for share, constant, w in zip(shares, c, path, strict=True):
            slope = (x / deviation).T @ (f - constant - x @ w) / len(f)
            active = w != 0
            np.testing.assert_allclose(slope[active], share * largest * np.sign(w[active]), atol=1e-3 * largest)
            assert np.abs(slope).max() <= largest * (share + 1e-3)
            assert abs(np.mean(f - constant - x @ w)) < 1e-5


def test_the_largest_penalty_removes_every_feature():
    rng = np.random.default_rng(0)
    signs = jnp.float32(1 - 2 * (rng.random((50, 6)) < 0.5))
    _, weights = lasso_paths(signs, signs @ jnp.arange(6.0), jnp.ones((1, 50), bool), jnp.ones(1))
    assert np.abs(weights).max() < 1e-4


def test_linear_function_is_recovered():
    masks = np.random.default_rng(0).random((300, 10)) < 0.5
    values = 5 + 2.0 * masks[:, 3] - masks[:, 8]
    fit = lasso()(masks, values, jax.random.key(0))
    assert fit.spectrum.to_dict() == pytest.approx({(): 5.5, (3,): -1.0, (8,): 0.5}, abs=5e-3)
    np.testing.assert_allclose(fit.held_out, values, atol=1e-2)


def test_parity_is_beyond_it():
    masks = np.random.default_rng(0).random((300, 10)) < 0.5
    fit = lasso()(masks, masks.sum(1) % 2.0, jax.random.key(0))
    assert np.abs(np.asarray(fit.held_out) - 0.5).max() < 0.3


def test_column_that_never_varies():
    masks = np.random.default_rng(0).random((60, 4)) < 0.5
    masks[:, 2] = True
    fit = lasso()(masks, masks[:, 0] * 1.0, jax.random.key(0))
    assert (2,) not in fit.spectrum.to_dict()

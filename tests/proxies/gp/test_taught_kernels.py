"""What co-values teach: a kernel of several functions, used where it predicts no worse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spexjax as sx
from spexjax import proxies
from spexjax.gp import signs
from spexjax.metrics import r2
from spexjax.proxies.gp._covalues import functions_of
from spexjax.proxies.gp._parameters import Tied
from spexjax.proxies.gp._training import loss

N, M, UNSEEN = 12, 64, 512


@pytest.fixture(scope="module")
def game():
    """Masks, values, and co-values: other functions of the same few features and pairs, with noise of their own."""
    rng = np.random.default_rng(0)
    masks = np.unique(rng.random((M + UNSEEN + 100, N)) < 0.5, axis=0)
    x = rng.permutation(masks)[: M + UNSEEN].astype(float)
    terms = np.stack([x[:, 0], x[:, 3], x[:, 0] * x[:, 3], x[:, 5] * x[:, 7], x[:, 7] * x[:, 1]], 1)
    noise = 0.5 * rng.normal(size=(len(x), 21))
    several = (terms - terms.mean(0)) @ rng.normal(size=(5, 21)) + noise
    return x > 0.5, several[:, 0], several[:, 1:]


def test_the_likelihood_of_several_functions_by_the_formula():
    rng = np.random.default_rng(1)
    masks, y = rng.random((20, 5)) < 0.5, rng.normal(size=(1, 20, 3))
    start = Tied.init(5)
    found = jax.jit(loss)(start, signs(masks), jnp.float32(y))
    kernel = jax.tree.map(np.asarray, start.kernel())
    system = sx.gp.host_gram(kernel, masks, masks) + (kernel.noise + 1e-3 * kernel.variance) * np.eye(20)
    fits = sum(column @ np.linalg.solve(system, column) for column in y[0].T)
    assert found == pytest.approx(
        8 * (fits + np.linalg.slogdet(system)[1]) / 40 + float(start.penalty()) / 20, rel=1e-4
    )


def test_targets_are_the_values_and_orthogonal_components(game):
    _, values, covalues = game
    y, rows = (values - values[2:].mean()) / values[2:].std(), np.arange(2, len(values))
    found = functions_of(covalues, rows)(y)
    assert found.shape == (len(y), 33)
    np.testing.assert_allclose(found[:, 0], np.sqrt(0.2) * y)
    inner = found[rows, 1:]
    spreads = np.linalg.svd(covalues[rows] - covalues[rows].mean(0), compute_uv=False)
    np.testing.assert_allclose(inner.mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(inner.var(0)[:20], 0.8 * spreads / spreads.sum())
    assert not inner[:, 20:].any()
    np.testing.assert_allclose((inner.T @ inner) * (1 - np.eye(32)), 0, atol=1e-9)
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(20, 20)))[0]
    turned = functions_of(covalues @ rotation, rows)(y)
    np.testing.assert_allclose(turned @ turned.T, found @ found.T, atol=1e-9)  # in whatever basis
    for nothing in (np.ones((len(y), 4)), None):
        assert functions_of(nothing, rows)(y) is y


def test_co_values_of_the_same_causes_help(game, key):
    masks, values, covalues = game
    plain, taught = (
        sx.fit(masks[:M], values[:M], covalues=some, method="proxyspex-gp", key=key) for some in (None, covalues[:M])
    )
    scores = [r2(values[M:], e.predict(masks[M:])) for e in (plain, taught)]
    assert scores[1] > scores[0] + 0.02
    said = taught.diagnostics["kernels"]["covalues"]
    assert said["used"]
    assert said["r2_with"] > said["r2_without"]
    assert "covalues" not in str(plain.diagnostics)
    np.testing.assert_allclose(taught.surrogate.shares.sum(), 1)


def test_co_values_that_say_nothing_are_not_used(game, key):
    masks, values, _ = game
    some = slice(0, 2 * M)
    others = np.random.default_rng(3).normal(size=(2 * M, 16))
    plain, misled = (proxies.kernels()(masks[some], values[some], key, known) for known in (None, others))
    assert not misled.diagnostics["covalues"]["used"]
    scores = [r2(values[2 * M :], fit.surrogate(masks[2 * M :])) for fit in (plain, misled)]
    assert scores[1] > scores[0] - 0.02


def test_what_co_values_teach_is_remembered_for_other_values(game, key):
    masks, values, covalues = (part[:M] for part in game)
    memory = {}
    together = proxies.kernels(memory=memory)
    first = together(masks, values, key, covalues)
    learned = list(memory.values())
    second = together(masks, covalues[:, 0], key, covalues)
    assert list(memory.values()) == learned  # nothing was trained on the co-values again
    assert len(learned) == 1
    alone = [proxies.kernels(memory={})(masks, some, key, covalues) for some in (values, covalues[:, 0])]
    for fit, same in zip((first, second), alone, strict=True):  # so the order of the values does not matter
        np.testing.assert_array_equal(fit.held_out, same.held_out)
    together(masks[::-1], values[::-1], key, covalues[::-1])
    assert len(memory) == 2
    together(masks, values, key)
    assert len(memory) == 2  # without co-values there is nothing to remember


def test_half_of_both_is_used_where_that_predicts_better(game, key):
    masks, values, covalues = game
    fits = [proxies.kernels()(masks[:m], values[:m], jax.random.key(m), covalues[:m]) for m in (M, 2 * M, 3 * M)]
    halves = [fit for fit in fits if len(fit.surrogate.processes) > 2]
    assert halves  # at some of these sizes
    for fit in halves:
        shares = fit.diagnostics["shares"]
        assert sum(share for name, share in shares.items() if name.endswith("_taught")) == 0.5
        assert sum(shares.values()) == 1
        np.testing.assert_allclose(fit.surrogate.shares.sum(), 1, rtol=1e-6)


def test_of_many_games_each_has_its_own(game, key):
    masks, values, covalues = game
    first, second = sx.fit_many(
        [masks[:M]] * 2, [values[:M]] * 2, covalues=[None, covalues[:M]], method="proxyspex-gp", key=key
    )
    assert "covalues" not in str(first.diagnostics)
    assert "covalues" in str(second.diagnostics)


@pytest.mark.parametrize(
    ("covalues", "said"),
    [
        (np.ones(M), "real numbers .m, c., one row for each of the 64 masks"),
        (np.ones((M - 1, 3)), "one row for each"),
        (np.full((M, 3), "a"), "real numbers"),
        (np.full((M, 3), np.inf), "Co-values of 64 of the 64 masks are not finite, first at row 0"),
    ],
)
def test_wrong_co_values(game, key, covalues, said):
    with pytest.raises(ValueError, match=said):
        sx.fit(game[0][:M], game[1][:M], covalues=covalues, key=key)


def test_equal_masks_have_the_mean_of_their_co_values(key):
    masks = np.repeat(np.unique(np.random.default_rng(5).random((30, 6)) < 0.5, axis=0), 2, axis=0)
    values, covalues = (
        np.random.default_rng(6).normal(size=len(masks)),
        np.random.default_rng(7).normal(size=(len(masks), 2)),
    )
    with pytest.warns(UserWarning, match="occurred more than once"):
        _, found, _ = sx._inputs.checked_values(masks, values, None, covalues)
    np.testing.assert_allclose(found.covalues, covalues.reshape(-1, 2, 2).mean(1))

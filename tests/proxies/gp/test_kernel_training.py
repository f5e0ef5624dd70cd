"""The likelihood and its hand-written gradient against plain expressions, and the loop that descends it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, stacked

from spexjax.gp import coefficients, neighbours, robust_condition, signs
from spexjax.metrics import r2
from spexjax.proxies.gp._parameters import KernelForm, Parameters, Tied, Untied
from spexjax.proxies.gp._training import _STEPS, fit_kernel, loss, polish, train

N, M = 8, 40
MASKS = all_masks(N)[np.random.default_rng(0).permutation(2**N)[:M]]
FORMS = pytest.mark.parametrize("form", [Tied, Untied])

trained = jax.jit(train)


def game(masks):
    x = masks.astype(float)
    return 2 * x[:, 0] - x[:, 3] + 3 * x[:, 1] * x[:, 2]


def standardised(values):
    return jnp.asarray((values - values.mean()) / values.std(), jnp.float32)


def perturbed(form, ordered, seed=1, like=(), size=1.0):
    """Parameters away from the start."""
    rng, start = np.random.default_rng(seed), form.init(N, ordered, like)
    moved = (jnp.float32(np.asarray(leaf) + size * rng.normal(size=np.shape(leaf))) for leaf in start[:-1])
    return Parameters(*moved, start.fixed)


def naive(form, parameters, z, y):
    """The loss from its formula alone, for `jax.grad` to differentiate."""
    kernel = parameters.kernel()
    different = (z[:, None] != z).astype(z.dtype)
    products = sum(c * jnp.exp(-(different @ w)) for c, w in zip(kernel.scales, kernel.rates, strict=True))
    for variance, members in zip(kernel.near, neighbours(N), strict=len(kernel.near) > 0):
        of_set = z[:, members[members < N]].prod(1)
        products += variance * jnp.outer(of_set, of_set)
    floor = 1e-3 * (kernel.scales.sum() + kernel.linear.sum() + kernel.near.sum())
    system = products + (z * kernel.linear) @ z.T + (kernel.noise + floor) * jnp.eye(len(y))
    value = (y @ jnp.linalg.solve(system, y) + jnp.linalg.slogdet(system)[1]) / (2 * len(y))
    rows = parameters.log_rates if form is Untied else (jnp.exp(parameters.powers[0]) * parameters.relevance)[None]
    rows -= parameters.fixed.expected[: len(rows)]
    penalty = ((rows - rows.mean(1, keepdims=True)) ** 2).sum() / (2 * parameters.fixed.spread**2)
    return value + penalty / len(y)


@FORMS
@pytest.mark.parametrize("ordered", [False, True])
def test_pairs_of_complements_have_the_loss_of_all_their_masks(form, ordered):
    parameters, half = perturbed(form, ordered), MASKS[~MASKS[:, 0]]
    everything, y = np.concatenate([half, ~half]), jnp.float32(np.random.default_rng(2).normal(size=(2, len(half), 1)))
    of = jax.jit(jax.value_and_grad(loss, (0, 2)))
    value, (found, slope) = of(parameters, signs(half), y)
    expected_value, (expected, expected_slope) = of(parameters, signs(everything), y.ravel())
    assert value == pytest.approx(float(expected_value), rel=1e-5)
    for one, other in zip([*found[:-1], slope.ravel()], [*expected[:-1], expected_slope], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * max(1e-2, np.abs(other).max(initial=0)))
    more = np.concatenate([half, half[:3]])
    used = jnp.float32(np.arange(len(more)) < len(half))
    padded = of(parameters, signs(more), jnp.pad(y, ((0, 0), (0, 3), (0, 0))), used=used)
    for one, other in zip(jax.tree.leaves(padded[1][0]), jax.tree.leaves(found), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@FORMS
def test_training_on_pairs_finds_the_same(form):
    half = MASKS[~MASKS[:, 0]]
    everything = np.concatenate([half, ~half])
    y = standardised(game(everything))
    after, path = trained(form.init(N), signs(half), y.reshape(2, -1, 1))
    expected, expected_path = trained(form.init(N), signs(everything), y)
    np.testing.assert_allclose(path, expected_path, atol=1e-3)
    polished, other = (
        polish(p, signs(x), v) for p, x, v in ((after, half, y.reshape(2, -1, 1)), (after, everything, y))
    )
    for one, another in zip(jax.tree.leaves(polished), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(one, another, rtol=0.02, atol=1e-4)
    assert expected.fixed.tied == after.fixed.tied


OTHERS = {"tied": [Tied], "untied": [Untied], "both": [Tied, Untied], "two": [Untied, Untied]}


@FORMS
@pytest.mark.parametrize(("ordered", "others"), [(False, []), (True, []), (False, [Tied]), (True, [Tied, Untied])])
def test_loss_and_its_gradient_by_the_formula(form, ordered, others):
    like = [perturbed(other, ordered, seed=5, size=0.3).kernel() for other in others]
    parameters, y = perturbed(form, ordered, like=like), np.random.default_rng(2).normal(size=M)
    assert issubclass(form, KernelForm)
    assert parameters.fixed.spread == (1 if others else 2)
    value, (found, slope) = jax.jit(jax.value_and_grad(loss, (0, 2)))(parameters, signs(MASKS), jnp.float32(y))
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(np.float64(leaf)), parameters)
        naively = jax.jit(jax.value_and_grad(partial(naive, form), (0, 2)))
        expected_value, (expected, expected_slope) = naively(double, jnp.asarray(1.0 - 2 * MASKS), jnp.asarray(y))
    assert value == pytest.approx(float(expected_value), rel=1e-4)
    for one, other in zip([*found[:-1], slope], [*expected[:-1], expected_slope], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * max(1e-2, np.abs(other).max(initial=0)))


@FORMS
@pytest.mark.parametrize("others", OTHERS.values(), ids=OTHERS)
def test_the_start_is_like_others(form, others):
    """At their log rates, of which only the differences between features count, and free of penalty."""
    kernels = [perturbed(other, False, seed, size=0.3).kernel() for seed, other in enumerate(others)]
    start = form.init(N, False, kernels)
    kernels = [k for k, other in zip(kernels, others, strict=True) if other is form] or kernels
    rates = [np.log(k.rates)[np.asarray(k.scales) > 0] for k in kernels]
    expected = np.mean([r.mean(0, keepdims=True) if form is Tied else np.broadcast_to(r, (3, N)) for r in rates], 0)
    found = np.log(start.kernel().rates)[: len(expected)]
    np.testing.assert_allclose(np.diff(found), np.diff(expected), atol=1e-4)
    np.testing.assert_allclose(found.mean(1), np.log(form.init(N).kernel().rates).mean(1)[: len(found)], atol=1e-5)
    assert start.penalty() == pytest.approx(0, abs=1e-6)
    assert form.init(N).penalty() == pytest.approx(0, abs=1e-6)


@FORMS
def test_what_is_expected_is_not_trained(form):
    start = form.init(N, False, [perturbed(form, False).kernel()])
    after, losses = trained(start, signs(MASKS), standardised(game(MASKS)))
    assert all(np.array_equal(one, other) for one, other in zip(after.fixed, start.fixed, strict=True))
    assert losses[-1] < losses[0] - 0.5


@FORMS
def test_training_lowers_the_loss(form):
    parameters, losses = trained(form.init(N), signs(MASKS), standardised(game(MASKS)))
    assert parameters.fixed.tied == (form is Tied)
    assert losses.shape == (_STEPS,)
    assert losses[-1] < losses[0] - 0.5


def test_the_gradient_goes_through_the_training():
    """How a coefficient of the fit changes with one value, against finite differences."""
    values = jnp.float32(game(MASKS) + np.random.default_rng(3).normal(size=M))

    def coefficient(values):
        kernel, alpha, _ = fit_kernel(Tied, MASKS, values)
        return coefficients(kernel, MASKS, alpha, jnp.array([[1, 2]]))[0]

    of = jax.jit(jax.value_and_grad(coefficient))
    slope, step = of(values)[1], jnp.zeros(M).at[5].set(0.05)
    change = (of(values + step)[0] - of(values - step)[0]) / 0.1
    assert np.isfinite(slope).all()
    assert float(slope[5]) == pytest.approx(float(change), rel=0.02)


@pytest.mark.parametrize("form", [Tied, Untied])
def test_training_does_not_climb_again(form):
    losses = np.asarray(trained(form.init(N), signs(MASKS), standardised(game(MASKS)))[1])
    assert losses[-1] < losses.min() + 0.01


@FORMS
def test_a_function_of_low_order_is_learned(form):
    values = game(MASKS)
    y, z = standardised(values), signs(MASKS)
    kernel = trained(form.init(N), z, y)[0].kernel()
    alpha = np.asarray(robust_condition(kernel, z, np.asarray(y, np.float64)).alpha)
    found = covariance(kernel, all_masks(N), MASKS) @ alpha * values.std() + values.mean()
    assert r2(game(all_masks(N)), found) > 0.99
    rates = np.asarray(kernel.rates).max(0)
    assert rates[[1, 2]].min() > 2 * rates[4:].max()


def test_many_games_at_once():
    y = jnp.stack([standardised(game(np.roll(MASKS, shift, axis=1))) for shift in range(3)])
    start = stacked([Tied.init(N)] * 3)
    together, losses = jax.jit(jax.vmap(train, (0, None, 0)))(start, signs(MASKS), y)
    for i in range(3):
        alone, path = trained(Tied.init(N), signs(MASKS), y[i])
        np.testing.assert_allclose(losses[i], path, atol=1e-3)
        for one, other in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(one[i], other, atol=1e-3)


def test_a_hopeless_start_stays_finite():
    """Where the system is not positive definite to single precision, training stands still instead of failing."""
    start = Tied.init(N)._replace(log_scales=jnp.float32([60.0, 0.0, 0.0]))
    parameters, losses = trained(start, signs(MASKS), standardised(game(MASKS)))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(parameters))
    assert losses.shape == (_STEPS,)


@FORMS
def test_training_goes_on_in_double_precision(form):
    values, z = game(MASKS), signs(MASKS)
    y = (values - values.mean()) / values.std()
    parameters = trained(form.init(N), z, standardised(values))[0]
    errors = []
    for kernel in (parameters.kernel(), polish(parameters, z, y)):
        alpha = np.asarray(robust_condition(kernel, z, y).alpha)
        found = covariance(kernel, all_masks(N), MASKS) @ alpha * values.std() + values.mean()
        errors.append(np.mean((found - game(all_masks(N))) ** 2))
    assert errors[1] < errors[0] / 10
    assert kernel.noise >= 0.9e-6 * kernel.variance
    assert all(leaf.dtype == jnp.float32 for leaf in (*jax.tree.leaves(kernel), jnp.zeros(1)))  # outside as before


def test_a_hopeless_start_is_not_polished():
    start = Tied.init(N)._replace(log_scales=jnp.float32([80.0, 0.0, 0.0]), log_noise=jnp.float32(jnp.nan))
    kernel = polish(start, signs(MASKS), standardised(game(MASKS)))
    np.testing.assert_allclose(kernel.scales[0], np.exp(80.0), rtol=1e-3)


@FORMS
def test_padding_changes_nothing(form):
    """More masks and features that do not count, and neighbours that are switched off, only change the rounding."""
    values, size = game(MASKS), 11
    y = standardised(values)
    plain, losses = trained(form.init(N), signs(MASKS), y)
    padded = form.init(N, np.array(False), size=size)
    used = np.pad(np.ones(M, np.float32), (0, 9))
    found, path = trained(padded, np.pad(signs(MASKS), ((0, 9), (0, size - N))), np.pad(y, (0, 9)), used)
    np.testing.assert_allclose(path, losses, atol=2e-3)
    kernel, expected = found.kernel(), plain.kernel()
    assert not np.any(kernel.near)
    np.testing.assert_allclose(kernel.rates[:, :N], expected.rates, rtol=2e-2)
    np.testing.assert_array_equal(kernel.rates[:, N:], 0)
    np.testing.assert_allclose(kernel.linear[:N], expected.linear, rtol=2e-2)


@FORMS
def test_neighbours_are_a_switch(form):
    """Switched on by an array, they train as if compiled in."""
    y, z = standardised(game(MASKS)), signs(MASKS)
    _, losses = trained(form.init(N, True), z, y)
    _, path = trained(form.init(N, np.array(True)), z, y)
    np.testing.assert_array_equal(path, losses)
    _, without = trained(form.init(N, np.array(False)), z, y)
    assert not np.allclose(without, losses)

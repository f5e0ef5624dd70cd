"""A surrogate against Gaussian conditioning over all 2^n masks: values, coefficients, indices, and their errors."""

import dataclasses
import logging
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, covariance, functional, random_kernel, random_surrogate, stacked

from spexjax.gp import Process
from spexjax.spectrum import Spectrum

N, MASKS = 6, all_masks(6)
AT, MU = np.array([0.1, 0.5, 0.8]), np.array([0.7, -1.2, 0.9])
PAIRS = np.array(list(combinations(range(N), 2)), np.int32)
EVERYTHING = np.array([[*s, *[N] * (N - len(s))] for o in range(N + 1) for s in combinations(range(N), o)], np.int32)
CHARACTERS = np.array([(-1.0) ** MASKS[:, [i for i in s if i < N]].sum(1) for s in EVERYTHING.tolist()])


@pytest.fixture(scope="module")
def plain():
    """One member, by itself."""
    return random_surrogate()


@pytest.fixture(scope="module")
def mixed():
    """Two processes of two members each, with shares that add up to a half, and a sparse part."""
    one, rows, values = random_surrogate(rest={(): 0.3, (1,): -0.4, (0, 2, 3): 0.6})
    rng, m = np.random.default_rng(5), len(rows)
    processes = tuple(
        Process(
            stacked([random_kernel(N, r, seed=r + e) for e in range(2)]),
            jnp.float32(rng.normal(size=(2, m))),
            jnp.float32(shares),
        )
        for r, shares in ((1, [0.05, 0.15]), (3, [0.2, 0.1]))
    )
    return dataclasses.replace(one, processes=processes, deviation=jnp.float32(np.sqrt(1.7))), rows, values


def member_means(surrogate, rows):
    """The mean of every member at all masks."""
    members = [
        (jax.tree.map(lambda leaf, e=e: leaf[e], p.kernels), np.asarray(p.alphas[e], np.float64))
        for p in surrogate.processes
        for e in range(len(p.alphas))
    ]
    return np.array([covariance(kernel, MASKS, MASKS[rows]) @ alpha for kernel, alpha in members])


SHARES = np.array([0.05, 0.15, 0.2, 0.1])  # of the members of `mixed`


def posterior_covariance(kernel, rows, white):
    """Of the values at all masks given those in `rows`, the noise being a white function, or error."""
    k = covariance(kernel, MASKS, MASKS)
    prior = k + white * float(kernel.noise) * np.eye(len(k))
    given = k[np.ix_(rows, rows)] + float(kernel.noise) * np.eye(len(rows))
    return prior - prior[:, rows] @ np.linalg.solve(given, prior[rows])


def test_values(plain, mixed):
    surrogate, rows, _ = plain
    np.testing.assert_allclose(surrogate(MASKS), member_means(surrogate, rows)[0], atol=1e-5)
    surrogate, rows, _ = mixed
    expected = SHARES @ member_means(surrogate, rows) + np.asarray(surrogate.rest(MASKS))
    np.testing.assert_allclose(surrogate(MASKS), expected, atol=1e-5)


def test_scaled_and_added_to(mixed):
    more = Spectrum.from_dict({(1,): 2.0, (4, 5): -1.0}, N)
    found = mixed[0].scale(-0.3, more)
    np.testing.assert_allclose(found(MASKS), -0.3 * mixed[0](MASKS) + np.asarray(more(MASKS)), atol=1e-5)


@pytest.mark.parametrize("factor", [-0.3, 1e-20, 1e30])
def test_errors_scale_with_the_function(plain, mixed, factor):
    """Beyond what the squares of single precision can hold, too."""
    for (surrogate, *_), errors in (
        (mixed, lambda s: s.standard_error(MASKS)),
        (plain, lambda s: s.coefficient_errors(EVERYTHING)),
        (plain, lambda s: s.index_errors(PAIRS, AT, MU)),
    ):
        np.testing.assert_allclose(errors(surrogate.scale(factor)) / abs(factor), errors(surrogate), rtol=1e-4)


def test_a_call_can_be_traced(mixed, unchecked):
    surrogate = mixed[0]
    plain = surrogate(MASKS)
    np.testing.assert_allclose(jax.jit(lambda s, masks: s(masks))(surrogate, MASKS), plain, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(lambda x: surrogate(x[None])[0])(MASKS[:5]), plain[:5], atol=1e-5)
    scaled = jax.vmap(lambda c: dataclasses.replace(surrogate, rest=surrogate.rest.scale(c))(MASKS))(jnp.arange(3.0))
    np.testing.assert_allclose(scaled[1], plain, atol=1e-5)
    slope = jax.grad(lambda c: dataclasses.replace(surrogate, rest=surrogate.rest.scale(c))(MASKS)[9])(1.0)
    assert slope == pytest.approx(float(surrogate.rest(MASKS)[9]), abs=1e-5)


@pytest.mark.parametrize("m", [0, 1, 1100])
def test_values_of_any_number_of_masks(plain, m):
    surrogate, which = plain[0], np.random.default_rng(0).integers(0, 64, m)
    np.testing.assert_allclose(surrogate(MASKS[which]), surrogate(MASKS)[which], atol=1e-5)


def test_spectrum_of_all_supports_is_the_surrogate(mixed):
    spectrum = mixed[0].spectrum(EVERYTHING)
    np.testing.assert_allclose(spectrum(MASKS), mixed[0](MASKS), atol=1e-5)
    assert len(spectrum) == 64
    assert (np.diff(np.abs(np.asarray(spectrum.coefficients))[1:]) <= 0).all()


def test_spectrum_keeps_all_of_the_rest(mixed):
    whole, some = (mixed[0].spectrum(support).to_dict() for support in (EVERYTHING, EVERYTHING[[0, 1, 7]]))
    assert set(some) == {(), (0,), (0, 1), (1,), (0, 2, 3)}
    assert all(some[s] == pytest.approx(whole[s], abs=1e-6) for s in ((), (0,), (0, 1)))
    assert some[1,] == pytest.approx(-0.4)


def test_strongest_supports_are_those_of_every_process(mixed):
    found = mixed[0].strongest_supports(30)
    sets = {tuple(i for i in s if i < N) for s in found.tolist()}
    assert len(sets) == len(found)
    assert () not in sets
    assert {s for s in sets if len(s) == 1} == {(i,) for i in range(N)}
    assert 15 <= len(sets) <= 36


@pytest.mark.parametrize("noise", [0.1, 1e-3])
def test_standard_error_of_a_value(noise):
    surrogate, rows, _ = random_surrogate(noise=noise)
    kernel = surrogate.processes[0].first
    expected = np.diag(posterior_covariance(kernel, rows, white=False)) + float(kernel.noise)
    np.testing.assert_allclose(surrogate.standard_error(MASKS), np.sqrt(expected), rtol=2e-3)


def test_standard_error_of_a_coefficient(plain):
    surrogate, rows, _ = plain
    kernel = surrogate.processes[0].first
    expected = np.sqrt(np.diag(CHARACTERS @ posterior_covariance(kernel, rows, white=True) @ CHARACTERS.T) / 4**N)
    np.testing.assert_allclose(surrogate.coefficient_errors(EVERYTHING), expected, rtol=2e-3)


@pytest.mark.parametrize(
    ("order", "noise"),
    [
        (1, 1e-4),
        (2, 0.1),
    ],
)
def test_standard_error_of_an_index(order, noise):
    surrogate, rows, _ = random_surrogate(noise=noise)
    sets = np.array(list(combinations(range(N), order)), np.int32)
    weights = np.array([functional(N, s, AT, MU) for s in sets.tolist()])
    given = posterior_covariance(surrogate.processes[0].first, rows, white=True)
    found = surrogate.index_errors(sets, AT, MU)
    np.testing.assert_allclose(found, np.sqrt(np.diag(weights @ given @ weights.T)), rtol=5e-3)


def test_standard_errors_where_single_precision_is_not_enough():
    """Of a smooth function the variances are differences of almost equal numbers."""
    surrogate, rows, _ = random_surrogate(m=60, noise=1e-3)
    (process,) = surrogate.processes
    smooth = dataclasses.replace(process.kernels, rates=process.kernels.rates * 0.1)
    surrogate = dataclasses.replace(surrogate, processes=(dataclasses.replace(process, kernels=smooth),))
    kernel = surrogate.processes[0].first
    expected = np.diag(posterior_covariance(kernel, rows, white=False)) + float(kernel.noise)
    np.testing.assert_allclose(surrogate.standard_error(MASKS), np.sqrt(expected), rtol=0.02)


def test_errors_of_a_mixture(mixed):
    """The mean variance of the first members in units of the held-out error, and the disagreement of all means.

    The processes share the half they have as two to three.
    """
    surrogate, rows, _ = mixed
    first = [
        np.diag(posterior_covariance(p.first, rows, white=False)) + float(p.first.noise) for p in surrogate.processes
    ]
    means = member_means(surrogate, rows)
    among = SHARES / 0.5 @ (means - SHARES / 0.5 @ means) ** 2
    expected = 1.7 * (0.4 * first[0] + 0.6 * first[1]) + 0.5**2 * among
    np.testing.assert_allclose(surrogate.standard_error(MASKS), np.sqrt(expected), rtol=2e-3)


def test_index_of_the_corrected_function(mixed):
    surrogate, rows, values = mixed
    corrected = SHARES @ member_means(surrogate, rows)
    residuals = values - surrogate(MASKS[rows])
    corrected[rows] += residuals
    expected = np.array([functional(N, s, AT, MU) @ corrected for s in PAIRS.tolist()])
    np.testing.assert_allclose(surrogate.index(PAIRS, AT, MU, residuals), expected, atol=2e-5)


def compiled(call, caplog):
    """How many programs XLA compiles for a call."""
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        call()
    return sum("Finished XLA compilation" in record.getMessage() for record in caplog.records)


CALLS = {
    "values": lambda surrogate: surrogate(MASKS),
    "spectrum": lambda surrogate: surrogate.spectrum(EVERYTHING),
    "errors": lambda surrogate: surrogate.standard_error(MASKS),
    "coefficient_errors": lambda surrogate: surrogate.coefficient_errors(EVERYTHING),
    "index": lambda surrogate: surrogate.index(PAIRS, AT, MU, np.zeros(20)),
}


def test_few_programs_for_any_number_of_masks(mixed, caplog):
    mixed[0](np.tile(MASKS, (18, 1))[:1100])
    assert compiled(lambda: [mixed[0](np.tile(MASKS, (m, 1))[:-1]) for m in (17, 30, 50)], caplog) == 0


@pytest.mark.parametrize("call", CALLS)
def test_nothing_is_compiled_twice(plain, call, caplog):
    CALLS[call](plain[0])
    assert compiled(lambda: CALLS[call](plain[0]), caplog) == 0

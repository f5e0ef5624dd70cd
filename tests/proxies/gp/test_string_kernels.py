"""Kernels with a part for the string that is left: the likelihood, the choice, and exact indices."""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax import proxies
from spexjax.gp import host_gram, signs, strings
from spexjax.metrics import r2
from spexjax.proxies.gp._parameters import Tied, Untied
from spexjax.proxies.gp._training import loss
from spexjax.transforms import exact_spectrum

N = 9
MASKS = all_masks(N)


def bigrams(masks):
    """A reader of neighbours: each pair that meets counts, whatever stood between; and some single words."""
    rng, n = np.random.default_rng(3), masks.shape[1]
    pairs, singles = rng.normal(size=(n, n)), 0.3 * rng.normal(size=n)
    kept = [np.flatnonzero(mask) for mask in masks]
    return np.array([singles[k].sum() + sum(pairs[i, j] for i, j in pairwise(k)) for k in kept])


@pytest.fixture(scope="module")
def game():
    rng = np.random.default_rng(0)
    masks = np.unique(rng.random((900, 14)) < 0.5, axis=0)
    masks = rng.permutation(masks)
    return masks[:200], bigrams(masks[:200]), masks[200:600], bigrams(masks[200:600])


@pytest.mark.parametrize("form", [Tied, Untied])
def test_the_loss_and_its_gradient_by_the_formula(form):
    rng, found, masks = np.random.default_rng(1), strings(N), MASKS[::9]
    parameters = form.init(N).with_strings(found)
    parameters = parameters._replace(
        log_strings=jnp.float32(rng.uniform(-3, -1, 7)), relevance=jnp.float32(rng.normal(size=N))
    )
    basis = jnp.pad(found.at(masks), ((0, 0), (0, len(parameters.strings()) - len(found.group))))
    y = jnp.float32(rng.normal(size=len(masks)))
    value, gradient = jax.jit(jax.value_and_grad(loss))(parameters, signs(masks), y, basis=basis)

    def plain(log_strings):
        with_these = parameters._replace(log_strings=log_strings)
        kernel = jax.tree.map(np.asarray, with_these.kernel())
        added = (basis * np.asarray(with_these.strings())) @ basis.T
        noise = kernel.noise + 1e-3 * (kernel.variance + np.trace(added) / len(y))
        system = host_gram(kernel, masks, masks) + added + noise * np.eye(len(masks))
        fit = y @ np.linalg.solve(system, y) + np.linalg.slogdet(np.asarray(system, np.float64))[1]
        return fit / (2 * len(y)) + float(with_these.penalty()) / len(y)

    assert value == pytest.approx(float(plain(parameters.log_strings)), rel=1e-4)
    for i in range(7):
        step = 1e-2 * jnp.eye(7)[i]
        slope = (plain(parameters.log_strings + step) - plain(parameters.log_strings - step)) / 2e-2
        assert gradient.log_strings[i] == pytest.approx(float(slope), abs=1e-4)


def test_the_shares_follow_the_rates_and_have_a_mean_of_1():
    found = strings(N)
    parameters = Tied.init(N, size=12).with_strings(found)
    assert len(parameters.strings()) == 5 * 12 + 12
    even = np.asarray(parameters.strings())[: len(found.group)]
    np.testing.assert_allclose(even, np.exp(parameters.log_strings)[found.group], rtol=1e-5)
    tilted = parameters._replace(relevance=jnp.arange(12.0) / 4).strings()
    for group in range(7):
        mean = np.mean(np.asarray(tilted)[np.flatnonzero(found.group == group)])
        assert mean == pytest.approx(float(np.exp(parameters.log_strings[group])), rel=1e-4)
    assert tilted[7] > tilted[0]
    assert not np.any(tilted[len(found.group) :])


def test_strings_are_learned_where_removed_parts_are_deleted(game):
    masks, values, new, truth = game
    scores = {}
    for structure in (None, "auto", "sequence"):
        fit = sx.fit(masks, values, key=jax.random.key(0), method="proxyspex-gp", structure=structure)
        scores[structure] = r2(truth, fit.predict(new))
        assert fit.diagnostics["kernels"]["strings"] == (structure is not None)
    assert 1 - scores["sequence"] < 0.5 * (1 - scores[None])
    assert scores["auto"] == scores["sequence"]
    assert fit.faithfulness.r2 == pytest.approx(scores["sequence"], abs=0.15)


def test_features_without_an_order_have_no_strings(game):
    masks, _, _, _ = game
    values = masks @ np.arange(14.0) + 3 * masks[:, 0] * masks[:, 9]
    found = proxies.kernels()(masks, values, jax.random.key(0), structure="sequence")
    assert not found.diagnostics["strings"]


@pytest.mark.parametrize(("index", "order"), [("SV", 1), ("FSII", 2), ("BII", 3), ("Moebius", 2), ("Fourier", None)])
def test_indices_are_exact(index, order):
    rows = np.random.default_rng(4).permutation(len(MASKS))[:150]
    fit = sx.fit(
        MASKS[rows], bigrams(MASKS[rows]), key=jax.random.key(1), method=proxies.kernels(), structure="sequence"
    )
    assert fit.diagnostics["strings"]
    residuals = np.zeros(len(MASKS))
    residuals[rows] = fit.values - fit.surrogate(fit.masks) if np.array_equal(fit.masks, MASKS[rows]) else np.nan
    everything = fit.surrogate(MASKS) + (0 if index == "Fourier" else residuals)
    expected = sx.indices.interactions(exact_spectrum(MASKS, everything), index, order)
    found = fit.interactions(index, order)
    if index == "Fourier":  # the truncated spectrum, each term exact
        assert all(abs(value - expected[s]) < 1e-4 for s, value in found if s)
    else:
        scale = np.abs(expected.values).max()
        assert all(abs(value - expected[s]) < 1e-4 * scale for s, value in found)


def test_an_unknown_structure_is_refused(game):
    with pytest.raises(ValueError, match="structure must be 'sequence', 'auto' or None; got 'tree'"):
        sx.fit(*game[:2], key=jax.random.key(0), structure="tree")

"""Gradients with respect to gates, against finite differences, and as prior means of explanations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax import Ablation, Store, ablations, evaluation, explain, explain_many
from spexjax.ablations import _gradient as module
from spexjax.designs import biased

N = 24
PROMPTS, ANSWERS = ["The quick brown fox", "I'd say we'll see"], (" the", " a")
SLOPES = np.linspace(-1, 2, N)
EVERYTHING = np.ones((1, N), bool)


def product(gates):
    return gates @ jnp.asarray(SLOPES) + 3 * gates[0] * gates[1]


def gated():
    return ablations.function(product, N, takes_gates=True, fingerprint="gated-product")


@pytest.mark.parametrize("options", [{"rescale": True}, {"units": "mlp", "fill": "mean", "layers": [1, 2]}])
def test_components_agree_with_finite_differences(tiny, options):
    ablation = ablations.components(tiny, PROMPTS, ANSWERS, **options)
    n, step = ablation.num_features, 1e-2
    plan = ablation.plan(np.ones((1, n), bool))
    around = 0.9 + step * np.concatenate([np.eye(n), -np.eye(n)])
    values = np.asarray(jax.jit(plan.apply)(plan.parameters, around.astype(np.float32))[0])
    gradient = evaluation.evaluate(ablation.gradient(0.9), np.ones((1, n), bool))[0]
    np.testing.assert_allclose(gradient, (values[:n] - values[n:]) / (2 * step), atol=2e-3 * np.abs(gradient).max())


def test_masks_close_gates_and_the_point_matters():
    half = np.arange(N) % 2 == 0
    both = evaluation.evaluate(gated().gradient(0.5), np.stack([EVERYTHING[0], half]))
    np.testing.assert_allclose(both[0, :3] - SLOPES[:3], [1.5, 1.5, 0], atol=1e-6)
    np.testing.assert_allclose(both[1, :3] - SLOPES[:3], [0, 1.5, 0], atol=1e-6)


def test_kept_in_a_store_and_compiled_once(tmp_path):
    store = Store(tmp_path)
    first = evaluation.run(gated().gradient(0.9), EVERYTHING, store=store)
    again = evaluation.run(gated().gradient(0.9), EVERYTHING, store=store)
    assert (first.num_evaluations, again.num_evaluations, again.num_reused) == (1, 0, 1)
    assert gated().gradient(0.9).plan(EVERYTHING).apply is gated().gradient(0.5).plan(EVERYTHING).apply
    other = evaluation.evaluate(gated().gradient(0.5), EVERYTHING, store=store)
    assert not np.allclose(other, first.values)


def test_without_a_gradient(tiny):
    assert ablations.components(tiny, PROMPTS, ANSWERS, value="accuracy").gradient(0.9) is None
    assert ablations.function(product, N).gradient(0.9) is None
    assert ablations.host_function(lambda masks: masks.sum(1), N).gradient(0.9) is None


def test_what_has_no_derivative_hints_at_nothing():
    root = ablations.function(lambda gates: jnp.sqrt(gates[0] - gates[1]) + gates[2], 3, takes_gates=True)
    assert evaluation.evaluate(root.gradient(0.9), np.ones((1, 3), bool)).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"keep": 0.9}, True),
        ({"keep": 0.9, "gradient": False}, False),
        ({}, False),
        ({"gradient": True}, True),
        ({"keep": 0.6}, False),
        ({"keep": 0.9, "method": "least-squares"}, True),
    ],
)
def test_a_gradient_is_the_prior_near_the_full_model(options, taken):
    explanation = explain(gated(), budget=48, key=jax.random.key(0), progress=False, **{"method": "lasso"} | options)
    prior = explanation.diagnostics.get("prior", {"used": False})
    assert prior["used"] == taken
    if taken:
        assert prior["r2_of_prior"] > 0.9
    assert explanation.provenance["ablations"] == 48
    assert (len(explanation.provenance.get("gradient", ())) == N) == taken


def test_fewer_ablations_are_needed():
    """Of 24 slopes 26 masks say little, and the gradient everything but one interaction."""
    fresh = np.asarray(biased(jax.random.key(5), 500, N, 0.9))
    truth = evaluation.evaluate(gated(), fresh)
    r2 = {}
    for gradient in (False, "auto"):
        found = explain(
            gated(), budget=26, keep=0.9, gradient=gradient, method="lasso", key=jax.random.key(1), progress=False
        )
        r2[gradient] = 1 - np.mean((found.predict(fresh) - truth) ** 2) / truth.var()
    assert r2["auto"] > max(0.93, r2[False] + 0.2)


def test_many_and_all_masks():
    several = explain_many([gated(), gated()], budget=40, keep=0.9, method="lasso", key=jax.random.key(0))
    assert [e.diagnostics["prior"]["used"] for e in several] == [True, True]
    small = ablations.function(lambda gates: gates[0] * gates[1], 3, takes_gates=True)
    assert "prior" not in explain(small, budget=8, keep=0.9, key=jax.random.key(0)).diagnostics  # exact


class Heavy(Ablation):
    """Its values are cheap, its gradient does not fit."""

    feature_names, fingerprint = tuple(map(str, range(N))), "heavy"

    def plan(self, masks, *, devices=1, shrink=1):
        return gated().plan(masks, devices=devices, shrink=shrink)

    def gradient(self, keep):
        def apply(parameters, gates):
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

        return module.Gradient(apply, None, self.feature_names, self.fingerprint, keep)


def test_a_backward_pass_that_does_not_fit():
    options = {"budget": 40, "keep": 0.9, "method": "lasso", "key": jax.random.key(0), "progress": False}
    with pytest.warns(UserWarning, match="cannot hold a backward pass"):
        assert "prior" not in explain(Heavy(), **options).diagnostics
    with pytest.raises(MemoryError):
        explain(Heavy(), gradient=True, **options)


@pytest.mark.parametrize(
    "fn", [lambda x: 1.0 * (x[0] & x[1]), lambda x: x.argmax(), lambda x: (~x).sum(), lambda x: x[0] if x[1] else 0.0]
)
def test_what_has_no_derivative_takes_no_gates(fn):
    with pytest.raises(ValueError, match="JAX cannot differentiate it; leave takes_gates out"):
        ablations.function(fn, N, takes_gates=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient": "yes"}, "gradient is True, False or 'auto'; got 'yes'"),
        ({"gradient": True}, "This ablation has no gradient; leave gradient out"),
        ({"gradient": True, "method": "spex", "budget": 4096}, "The method spex cannot use a gradient"),
    ],
)
def test_bad_requests_are_refused_before_anything_is_spent(options, message):
    def never(masks):
        raise AssertionError("evaluated")

    with pytest.raises(ValueError, match=message):
        explain(ablations.host_function(never, N), **({"budget": 64, "key": jax.random.key(0)} | options))


class Wrong(Heavy):
    """Its gradient is something else."""

    def __init__(self, told):
        self.told = told

    def plan(self, masks, *, devices=1, shrink=1):
        pytest.fail("spent")

    def gradient(self, keep):
        return self.told


NARROW = ablations.function(lambda gates: gates[0] * gates[1], 5, takes_gates=True)


@pytest.mark.parametrize("told", ["x", gated(), NARROW.gradient(0.9)])
def test_a_wrong_gradient_is_refused_before_an_ablation(told):
    with pytest.raises(ValueError, match="gradient\\(\\) of Wrong must give an ablation of the same 24 features"):
        explain(Wrong(told), budget=40, gradient=True, method="lasso", key=jax.random.key(0), progress=False)

"""What is compiled: little for the first game, and nothing for a second one of about the same size."""

import contextlib

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax import _host_program

COMPILED = "/jax/core/compile/backend_compile_duration"
INDICES = ("SV", "SII", "FSII", "STII", "BII", "Moebius", "Fourier")
METHODS = ("lasso", "least-squares", "proxyspex-gp", "proxyspex-fast", "auto")
KINDS = ("noisy", "smooth", "ordered", "saturated", "unlearnable")
_programs: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _listen():
    def heard(event, seconds, **of):
        if event == COMPILED:
            _programs.append(str(of.get("fun_name", event)))

    jax.monitoring.register_event_duration_secs_listener(heard)


@pytest.fixture(autouse=True)
def _nothing_saved(monkeypatch):
    """A program that was loaded from a file would not be counted."""
    monkeypatch.setattr(_host_program, "_folder", lambda: None)


@contextlib.contextmanager
def compiling():
    """The programs that the block compiles or reads from JAX's cache on disk."""
    count: list[str] = []
    start = len(_programs)
    yield count
    count += _programs[start:]


def game(kind, n, m, seed):
    """Data that decide differently: on neighbours, on training in double precision, on a link, on learning nothing."""
    rng = np.random.default_rng(seed)
    masks = np.unique(rng.random((m, n)) < 0.5, axis=0)
    x, noise = masks.astype(float), rng.normal(size=len(masks))
    sets = [rng.choice(n, 2, replace=False) for _ in range(4)]
    smooth = x @ rng.normal(size=n) + sum(rng.normal() * x[:, s].prod(1) for s in sets)
    values = {
        "noisy": smooth + 0.7 * noise,
        "smooth": smooth,
        "ordered": 3 * (x[:, :-1] * x[:, 1:]).sum(1) + 0.3 * noise,
        "saturated": 1 / (1 + np.exp(-4 * (smooth - smooth.mean()))),
        "unlearnable": noise,
    }
    return masks, values[kind]


def explain(kind, n, m, seed, method, folder):
    """Everything that a person asks of an explanation."""
    explanation = sx.fit(*game(kind, n, m, seed), method=method, key=jax.random.key(seed))
    for index in INDICES:
        table = explanation.interactions(index)
        explanation.standard_errors(table.top(3 + seed))
    masks = np.random.default_rng(seed).random((7 + seed, n)) < 0.5
    explanation.predict(masks)
    explanation.prediction_errors(masks)
    explanation.remove(2)
    explanation.keep(3)
    sx.report.write_html(explanation, folder / "page.html")
    return explanation


@pytest.mark.parametrize("method", METHODS)
def test_a_second_game_compiles_nothing(method, tmp_path):
    """Whatever its data decide, with other numbers of masks and features of the same buckets."""
    for seed, kind in enumerate(KINDS):
        explain(kind, 12, 96, seed, method, tmp_path)
    with compiling() as programs:
        for seed, kind in enumerate(KINDS, start=20):
            explain(kind, 11, 85 + seed - 20, seed, method, tmp_path)
    assert programs == []


def test_few_programs_for_a_first_game(tmp_path):
    """At most eight for a fit, and two for any interactions and their standard errors."""
    jax.clear_caches()
    _host_program.forget_programs()
    (masks, values), key = game("noisy", 20, 60, 0), jax.random.key(1)
    with compiling() as programs:
        explanation = sx.fit(masks, values, method="proxyspex-gp", key=key)
    assert not explanation.diagnostics["kernels"]["link"]
    assert len(programs) <= 8
    with compiling() as programs:
        table = explanation.interactions("FSII")
        explanation.standard_errors(table)
        explanation.standard_errors(explanation.interactions("SV"))
    assert len(programs) <= 2


def test_another_budget_of_explain_compiles_nothing():
    """The design and the engine included, for a function on the host."""

    def explained(n, budget, seed):
        ablation = sx.ablations.host_function(lambda m: m[:, 0] + 2.0 * m[:, 1] * m[:, 2] + np.sin(m.sum(1)), n)
        return sx.explain(ablation, budget=budget, method="proxyspex-gp", index="FSII", key=jax.random.key(seed))

    explained(16, 80, 0)
    with compiling() as programs:
        explained(15, 70, 1)
    assert programs == []


def test_co_values_compile_nothing_for_a_second_game():
    """Whether they are used or not, however many there are; and no more than other first games."""

    def explained(kind, n, m, seed, num_covalues):
        masks, values = game(kind, n, m, seed)
        rng = np.random.default_rng(seed)
        same = np.stack([game(kind, n, m, seed)[1] * rng.normal() for _ in range(num_covalues)], 1)
        covalues = same + rng.normal(size=same.shape) if kind != "noisy" else rng.normal(size=same.shape)
        return sx.fit(masks, values, covalues=covalues, method="proxyspex-gp", key=key)

    key = jax.random.key(0)
    jax.clear_caches()
    _host_program.forget_programs()
    with compiling() as programs:
        explained("noisy", 20, 60, 0, 5)
    assert len(programs) <= 8
    for seed, kind in enumerate(KINDS):
        explained(kind, 12, 96, seed, 40)
    with compiling() as programs:
        used = [
            explained(kind, 11, 85 + seed - 20, seed, seed).diagnostics for seed, kind in enumerate(KINDS, start=20)
        ]
    assert programs == []
    assert {said["kernels"]["covalues"]["used"] for said in used if "kernels" in said} == {True, False}


def test_strings_compile_nothing_for_a_second_game():
    """Whether they are used or not; nor does another value of the same ablations."""

    def explained(kind, n, m, seed):
        options = {"structure": "sequence", "method": "proxyspex-gp", "key": jax.random.key(seed)}
        found = sx.fit(*game(kind, n, m, seed), **options)
        found.standard_errors(found.interactions("FSII", 2).top(5))
        return found.diagnostics.get("kernels", {}).get("strings")

    for seed, kind in enumerate(KINDS):
        explained(kind, 16, 96, seed)
    with compiling() as programs:
        used = {explained(kind, 15, 90 + seed, seed + 10) for seed, kind in enumerate(KINDS)}
    assert programs == []
    assert {True, False} <= used

    class Two(sx.Ablation):
        feature_names, fingerprint, num_values = tuple("abcdefghijkl"), "two-values", 2

        def plan(self, masks, *, devices=1, shrink=1):
            values = np.stack([game_values(masks), masks.sum(1) ** 2.0], 1)
            return sx.ablation.plan_rows(lambda _, rows: rows, values, compiled=False)

    def game_values(masks):
        return masks @ np.arange(12.0) + 5 * masks[:, 0] * masks[:, 1]

    each = sx.explain_each(Two(), key=jax.random.key(0), budget=80, method="proxyspex-gp")
    assert each[0].faithfulness.r2 > 0.5
    with compiling() as programs:
        assert each.of([0, 1]).faithfulness.r2 > 0.5
    assert programs == []


def test_a_prior_compiles_nothing_for_a_second_game():
    """Nor does a second fit around it; nor does the gradient of another function's parameters."""

    def explained(seed):
        masks, values = game(KINDS[0], 15, 90 + seed, seed)
        prior = sx.Spectrum.from_dict({(i,): 1.0 + i % (2 + seed) for i in range(15)}, 15)
        return sx.fit(masks, values, prior=prior, method="proxyspex-gp", key=jax.random.key(seed))

    def gradient(weights):
        ablation = sx.ablations.function(linear, 15, parameters=weights, takes_gates=True)
        return sx.evaluation.evaluate(ablation.gradient(0.9), np.ones((1, 15), bool))[0]

    def linear(weights, gates):
        return weights @ gates

    explained(0)
    np.testing.assert_allclose(gradient(np.arange(15.0)), np.arange(15.0))
    with compiling() as programs:
        assert "prior" in explained(1).diagnostics
        np.testing.assert_allclose(gradient(np.ones(15)), np.ones(15))
    assert programs == []


def test_another_text_with_as_many_labels_compiles_nothing(tiny):
    def values(text):
        ablation = sx.ablations.text(tiny, text, question="Which?", answers=("e", "a red fox", "xyz"))
        return sx.evaluation.evaluate(ablation, np.random.default_rng(0).random((30, ablation.num_features)) < 0.5)

    assert values("The quick brown fox jumps over the dog").shape == (30, 3)
    with compiling() as programs:
        values("The quick brown dog jumps over a fox")
    assert programs == []

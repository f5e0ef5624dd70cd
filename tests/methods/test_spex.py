"""explain(method="spex"): masks, decoding, refit, and what it says where the budget is too small."""

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.methods import _auto
from spexjax.spectrum import unique_rows

N = 40
PARITIES = {(): 1.0, (3,): -0.7, (1, 8): 0.9, (2, 11, 30): 1.5, (4, 9, 17, 21, 33): -2.0}


def sparse(terms=PARITIES, n=N, noise=0.0):
    """A function with few coefficients, none of whose subsets matter, and its distinct masks as they are asked for."""
    spectrum, seen = sx.Spectrum.from_dict(terms, n), []

    def f(masks):
        seen.append(masks)
        values = np.asarray(spectrum(masks))
        return values + noise * np.random.default_rng(0).normal(size=len(values))

    return sx.ablations.host_function(f, n, fingerprint="sparse"), seen


@pytest.fixture(scope="module")
def explained():
    ablation, seen = sparse()
    return sx.explain(ablation, budget=4000, key=jax.random.key(1), method="spex", progress=False), seen


def test_finds_what_no_subset_hints_at(explained):
    explanation, _ = explained
    assert explanation.method == "spex"
    found = explanation.spectrum.to_dict()
    assert found.keys() == PARITIES.keys()
    assert all(abs(found[s] / PARITIES[s] - 1) < 1e-4 for s in PARITIES)
    assert explanation.faithfulness.r2 > 1 - 1e-6
    proxy = sx.explain(sparse()[0], budget=400, key=jax.random.key(1), method="proxyspex-gp", progress=False)
    assert proxy.faithfulness.r2 < 0.5


def test_spends_distinct_masks_within_the_budget(explained):
    explanation, seen = explained
    masks = np.concatenate(seen)
    assert len(unique_rows(masks)[0]) == len(masks) == len(explanation.masks) <= 4000
    plan = explanation.provenance["subsampled"]
    assert explanation.provenance["ablations"] == plan["design_masks"] + plan["uniform_masks"] == len(masks)
    assert explanation.provenance["budget"] == 4000
    assert explanation.masks[0].all(), "the uniform masks are the first, and of them the one that keeps all"


def test_faithfulness_is_measured_where_the_decoder_saw_nothing(explained):
    explanation, _ = explained
    plan = explanation.provenance["subsampled"]
    ends = explanation.masks.all(1) | ~explanation.masks.any(1)
    rows = np.flatnonzero(~ends[: plan["uniform_masks"]])
    assert explanation.faithfulness.rows.tolist() == rows.tolist()


def test_faithfulness_is_honest_under_noise():
    gaps = []
    for seed in range(3):
        ablation, _ = sparse(noise=2.0)
        explanation = sx.explain(ablation, budget=4000, key=jax.random.key(seed), method="spex", progress=False)
        truth = sx.Spectrum.from_dict(PARITIES, N)
        new = np.asarray(sx.designs.uniform(jax.random.key(100 + seed), 2000, N))
        noisy = truth(new) + 2.0 * np.random.default_rng(seed).normal(size=2000)
        gaps.append(explanation.faithfulness.r2 - sx.metrics.r2(noisy, explanation.predict(new)))
        assert {(2, 11, 30), (4, 9, 17, 21, 33)} <= explanation.spectrum.to_dict().keys()
    assert abs(np.mean(gaps)) < 0.06


def test_never_worse_than_the_linear_fit():
    """A linear function of more features than there are bins: what the decoder makes of it is not reported."""
    weights = np.random.default_rng(0).normal(size=200)
    ablation = sx.ablations.host_function(lambda masks: masks @ weights, 200)
    explanation = sx.explain(ablation, budget=2500, key=jax.random.key(0), method="spex", progress=False)
    assert explanation.diagnostics["held_out_r2"]["lasso"] > 0.9
    assert explanation.faithfulness.r2 >= explanation.diagnostics["held_out_r2"]["lasso"] - 1e-3


def test_same_key_same_explanation(explained):
    explanation, _ = explained
    again = sx.explain(sparse()[0], budget=4000, key=jax.random.key(1), method="spex", progress=False)
    np.testing.assert_array_equal(again.masks, explanation.masks)
    assert again.spectrum.to_dict() == explanation.spectrum.to_dict()


def test_settings(explained):
    ablation, _ = sparse({(1, 2): 1.0, (5, 7, 9): 2.0})
    method = sx.methods.spex(max_order=3, mode="hard")
    assert method.size(N, 4) < sx.methods.spex().size(N, 4) < 2000
    explanation = sx.explain(ablation, budget=method.size(N, 4), key=jax.random.key(0), method=method, progress=False)
    assert explanation.provenance["subsampled"]["max_order"] == 3
    assert explanation.provenance["subsampled"]["bins_log2"] == 4
    assert explanation.spectrum.to_dict().keys() - {()} == {(1, 2), (5, 7, 9)}


@pytest.mark.parametrize("n", [5, 12])
def test_small_n_repeat_masks_and_evaluate_them_once(n):
    """Of few features a design repeats many masks; at a budget of 2^n nothing is left to decode."""
    truth = {(0,): 1.0, (1, n - 1): 2.0}
    ablation, seen = sparse(truth, n)
    budget = 2**n if n == 5 else 3 * 2**n // 4
    explanation = sx.explain(ablation, budget=budget, key=jax.random.key(0), method="spex", progress=False)
    assert explanation.method == ("exact" if n == 5 else "spex")
    assert sum(map(len, seen)) == len(explanation.masks) <= budget
    strong = {s for s, c in explanation.spectrum.to_dict().items() if abs(c) > 1e-4}
    assert strong == set(truth)


def test_what_cannot_be_done_is_said_before_anything_is_spent(key):
    ablation = sx.ablations.host_function(lambda masks: pytest.fail("an ablation was spent"), 60)
    least = sx.methods.spex().size(60, 4)
    with pytest.raises(ValueError, match=f"SPEX needs {least:,} ablations for 60 features.*budget is {least - 1:,}"):
        sx.explain(ablation, budget=least - 1, key=key, method="spex")
    with pytest.raises(ValueError, match="give a budget, and no target_faithfulness"):
        sx.explain(ablation, target_faithfulness=0.5, max_budget=10_000, key=key, method="spex")
    with pytest.raises(ValueError, match="masks of its own"):
        sx.fit(np.eye(30, dtype=bool), np.ones(30), method="spex", key=key)
    with pytest.raises(ValueError, match="'hard' or 'soft'"):
        sx.methods.spex(mode="medium")
    with pytest.raises(ValueError, match="at least 1; got 0 and 3"):
        sx.methods.spex(max_order=0)


def test_constant_function(key):
    ablation = sx.ablations.host_function(lambda masks: np.full(len(masks), 3.0), 30)
    explanation = sx.explain(ablation, budget=2000, key=key, method="spex", progress=False)
    assert np.isnan(explanation.faithfulness.r2)
    assert explanation.spectrum.to_dict() == {(): 3.0}


def test_saved_and_loaded(explained, tmp_path):
    explanation, _ = explained
    explanation.save(tmp_path)
    back = sx.load(tmp_path)
    assert back.spectrum.to_dict() == explanation.spectrum.to_dict()
    assert back.provenance["subsampled"] == explanation.provenance["subsampled"]


@pytest.fixture
def only_lasso(monkeypatch):
    """What "auto" compares, but for lasso, takes long."""
    monkeypatch.setattr(_auto, "differentiable", lambda m, n, like, memory: {"lasso": sx.proxies.lasso()})


@pytest.mark.usefixtures("only_lasso")
def test_auto_turns_to_spex_where_it_learns_nothing(key):
    ablation, seen = sparse({s: c for s, c in PARITIES.items() if len(s) > 3})
    explanation = sx.explain(ablation, budget=4000, key=key, progress=False)
    assert len(unique_rows(np.concatenate(seen))[0]) == sum(map(len, seen)) == len(explanation.masks) == 4000
    np.testing.assert_array_equal(explanation.masks[:512], sx.designs.uniform(jax.random.split(key)[0], 4000, N)[:512])
    assert explanation.method == "auto"
    assert explanation.provenance["design"] == "subsampled"
    assert explanation.provenance["ablations"] == len(explanation.masks)
    assert explanation.diagnostics["chosen"] == {"spex": 1.0}
    checks = explanation.faithfulness.rows
    assert set(checks) <= set(range(2, 2 + explanation.provenance["subsampled"]["uniform_masks"]))
    assert len(checks) >= 510
    assert explanation.spectrum.to_dict().keys() - {()} == {s for s in PARITIES if len(s) > 3}


@pytest.mark.usefixtures("only_lasso")
@pytest.mark.parametrize(("budget", "weight"), [(2500, 1.0), (1500, 0.0)])
def test_auto_stays_with_uniform_masks(key, budget, weight):
    """Where it learns something, or SPEX could not be paid for."""
    ablation, _ = sparse({(0,): weight, (1, 2, 3): 1.0})
    explanation = sx.explain(ablation, budget=budget, key=key, progress=False)
    assert len(explanation.masks) == budget
    assert explanation.provenance["design"] == "uniform"
    uniform = sx.designs.uniform(jax.random.split(key)[0], budget, N)
    np.testing.assert_array_equal(explanation.masks, uniform)

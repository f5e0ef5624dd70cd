"""The contract of a method, the registry, and old names."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax.methods import _registry

N = 6
MASKS = all_masks(N)


def game(masks):
    return masks[:, 0] * 2.0 - 3.0 * masks[:, 1] * masks[:, 2]


class Known:
    """A method of one's own that draws masks with at most one feature removed, and knows the answer."""

    name = "known"

    def design(self, key, num_features, budget, index):
        masks = np.concatenate([np.ones((1, num_features), bool), ~np.eye(num_features, dtype=bool)])
        return sx.methods.Design("one at a time", masks, np.arange(0), notes={"note": index and index.design})

    def fit(self, design, evaluation, key):
        spectrum = sx.transforms.exact_spectrum(MASKS, game(MASKS)).truncate(8)
        return sx.Fit(spectrum, np.asarray(spectrum(design.masks)), {"mean": float(evaluation.values.mean())})


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(_registry, "_METHODS", dict(_registry._METHODS))
    monkeypatch.setattr(_registry, "_COMPETING", {})


def ablation(n=N):
    return sx.ablations.host_function(game, n)


def test_a_method_draws_its_own_masks(key):
    explanation = sx.explain(ablation(), budget=40, key=key, method=Known(), index="SV")
    assert len(explanation.values) == N + 1
    assert explanation.method == "known"
    assert explanation.provenance["design"] == "one at a time"
    assert explanation.provenance["note"] == "sized"
    assert explanation.diagnostics["mean"] == pytest.approx(game(explanation.masks).mean())
    assert explanation.faithfulness.r2 == pytest.approx(1)
    assert not explanation.faithfulness.exact


def test_a_registered_method_has_a_name_and_competes(key, registry):
    sx.methods.register(Known(), compete=True)
    assert "known" in sx.methods.names()
    assert sx.explain(ablation(), budget=40, key=key, method="known").method == "known"
    masks = np.asarray(sx.designs.uniform(key, 40, N))
    explanation = sx.fit(masks, game(masks) + 1e-9 * masks[:, 3], key=key)
    assert explanation.method == "auto"
    assert "known" in explanation.diagnostics["held_out_r2"]
    sx.methods.register(Known())
    again = sx.fit(masks, game(masks) + 1e-9 * masks[:, 3], key=key)
    assert "known" not in again.diagnostics["held_out_r2"]


def test_what_is_no_method_is_refused(registry):
    with pytest.raises(ValueError, match=r"Known is a class; register an object of it: Known\(\)"):
        sx.methods.register(Known)
    with pytest.raises(ValueError, match=r"There is no method 'best'; choose one of auto, exact, proxyspex, "):
        sx.methods.get("best")


def test_a_proxy_called_exact_is_not_exact(key):
    def exact(masks, values, key):
        return sx.Fit(sx.Spectrum.constant(values.mean(), N), np.full(len(values), values.mean()), {})

    masks = np.asarray(sx.designs.uniform(key, 40, N))
    explanation = sx.fit(masks, game(masks), key=key, method=exact)
    assert explanation.method == exact.__name__
    assert not explanation.faithfulness.exact
    assert np.isnan(explanation.prediction_errors(MASKS)).all()


def test_nobody_is_exact_on_a_few_masks(key):
    def boasting(masks, values, key):
        return sx.Fit(sx.Spectrum.constant(0.0, N), values, {}, exact=True)

    masks = np.asarray(sx.designs.uniform(key, 40, N))
    with pytest.raises(ValueError, match=r"boasting says that it is exact, but there are 40 masks, not all 2\^6"):
        sx.fit(masks, game(masks), key=key, method=boasting)


UNIFORM = np.asarray(sx.designs.uniform(jax.random.key(9), 60, N))


class Draws(Known):
    """Draws given masks, whatever the budget."""

    def __init__(self, masks, **options):
        self.masks, self.options = masks, options

    def design(self, key, num_features, budget, index):
        return sx.methods.Design("given", self.masks, np.arange(0), **self.options)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (UNIFORM[:40, :5], r"known draws masks that cannot be evaluated\. Masks must be \[m, 6\]"),
        (np.repeat(UNIFORM[:20], 2, axis=0), "draws 40 masks, of which 20 are different"),
        (UNIFORM[:41], "draws 41 masks, of which 41 are different; at least 2 and at most 40"),
        (UNIFORM[:1], "draws 1 masks, of which 1 are different; at least 2"),
    ],
)
def test_masks_that_cannot_be_evaluated_are_named_before_anything_is_spent(masks, message, key):
    seen = []
    lens = sx.ablations.host_function(lambda m: seen.append(m) or game(m), N)
    with pytest.raises(ValueError, match=message):
        sx.explain(lens, budget=40, key=key, method=Draws(masks))
    assert not seen


def test_a_revised_design_keeps_what_was_evaluated(key):
    later = sx.methods.Design("later", np.concatenate([UNIFORM[:20], UNIFORM[30:50]]), np.arange(0))
    look = sx.methods.Look(20, lambda r2, error: later)
    explanation = sx.explain(ablation(), budget=40, key=key, method=Draws(UNIFORM[:40], look=look))
    assert explanation.provenance["design"] == "later"
    np.testing.assert_array_equal(explanation.values, game(later.masks))
    other = sx.methods.Design("other", UNIFORM[10:50], np.arange(0))
    look = sx.methods.Look(20, lambda r2, error: other)
    with pytest.raises(ValueError, match="the new one must begin with the 20 masks that have been evaluated"):
        sx.explain(ablation(), budget=40, key=key, method=Draws(UNIFORM[:40], look=look))
    look = sx.methods.Look(50, lambda r2, error: None)
    with pytest.raises(ValueError, match="looks after 50 masks, but draws 40"):
        sx.explain(ablation(), budget=40, key=key, method=Draws(UNIFORM[:40], look=look))


@pytest.mark.parametrize("method", ["spex", "exact"])
def test_a_design_for_one_budget_has_no_rounds(method, key):
    with pytest.raises(ValueError, match=f"The method {method} draws one design for one budget"):
        sx.explain(ablation(12), target_faithfulness=0.9, max_budget=4096, key=key, method=method)


def test_the_first_masks_of_a_design():
    design = sx.methods.draw(jax.random.key(0), 10, 100, sx.indices.get("SV"))
    assert design.name == "sized"
    assert design.by_size
    assert design.num_uniform == 26
    assert len(design.first(20).masks) == 20
    assert design.first(20).uniform_rows.tolist() == [0, 1, 8, 9, 16, 17]
    assert not design.complete
    assert sx.methods.draw(jax.random.key(0), 6, 64, None).complete


@pytest.mark.parametrize(("old", "new"), [("proxyspex-trees", "proxyspex"), ("proxyspex-trees-fast", "proxyspex-fast")])
def test_old_names_of_methods_warn(old, new):
    with pytest.warns(DeprecationWarning, match=f"'{old}' is now called '{new}'"):
        assert sx.methods.get(old).name == new


def test_the_warning_points_to_the_users_script(tmp_path):
    """Python shows a DeprecationWarning by default only if it is the script's own line."""
    script = tmp_path / "script.py"
    script.write_text(
        "import jax, spexjax as sx\n"
        "game = sx.ablations.host_function(lambda m: m[:, 0] * 1.0, 6)\n"
        "e = sx.explain(game, budget=64, key=jax.random.key(0), method='lasso')\n"
        "sx.methods.get('proxyspex-trees-fast')\n"
        "try: sx.explain(game, budget=5, key=jax.random.key(0), method='proxyspex-trees')\n"
        "except ValueError: pass\n"
        "e.details\n"
        "sx.INDICES\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=True)
    lines = [int(line.split(":")[1]) for line in done.stderr.splitlines() if "DeprecationWarning" in line]
    assert lines == [4, 5, 7, 8]
    assert done.stderr.count(str(script)) == 4


@pytest.mark.parametrize(
    ("old", "new"), [("spex", sx.methods.spex), ("surrogate", sx.gp), ("INDICES", sx.indices.INDICES)]
)
def test_old_public_names_warn(old, new):
    with pytest.warns(DeprecationWarning, match=f"spexjax.{old} is now called"):
        assert getattr(sx, old) is new


def test_details_are_diagnostics(key):
    explanation = sx.explain(ablation(), budget=40, key=key, method="lasso")
    with pytest.warns(DeprecationWarning, match=r"Explanation\.details is now called 'diagnostics'"):
        assert explanation.details is explanation.diagnostics

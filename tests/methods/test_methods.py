"""The contract of a method, the registry, and old names."""

import dataclasses
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
    with pytest.raises(ValueError, match=r"Known is a class; give an object of it: Known\(\)"):
        sx.methods.register(Known)
    with pytest.raises(ValueError, match=r"There is no method 'best'; choose one of auto, exact, proxyspex, "):
        sx.methods.get("best")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "has no name"),
        ({"name": 3}, "The name of a method is a string with at least one character, not 3"),
        ({"fit": None}, "has no fit. If it is a proxy, sx.methods.from_proxy"),
        (
            {"design": lambda self, key, n: None},
            r"design of the method known must be a function of \(key, num_features, ",
        ),
        (
            {"fit": lambda self, masks, values: None},
            r"fit of the method known must be a function of \(design, evaluation",
        ),
    ],
)
def test_what_a_method_lacks_is_named_before_anything_is_spent(change, message, key, registry, unchecked):
    method, seen = type("Changed", (Known,), change)(), []
    lens = sx.ablations.host_function(lambda m: seen.append(m) or game(m), N)
    with pytest.raises(ValueError, match=message):
        sx.methods.register(method)
    if None not in change.values():
        with pytest.raises(ValueError, match=message):
            sx.explain(lens, budget=40, key=key, method=method)
    assert not seen


def test_what_is_no_proxy_makes_no_method(unchecked):
    with pytest.raises(ValueError, match="a proxy that is called with masks, values and a key; 3 is not"):
        sx.methods.from_proxy(3)
    with pytest.raises(ValueError, match=r"lasso is not; if lasso makes one, call it: lasso\(\)"):
        sx.methods.from_proxy(sx.proxies.lasso)


@pytest.mark.parametrize("name", ["auto", "spex", "kernels", "products", "trees"])
def test_no_competitor_takes_the_place_of_ours(name, registry):
    before = sx.methods.get(name) if name in sx.methods.names() else None
    with pytest.raises(ValueError, match="let yours compete by another"):
        sx.methods.register(type("Named", (Known,), {"name": name})(), compete=True)
    assert before is None or sx.methods.get(name) is before


class Spoiler(Known):
    """Changes what it is given."""

    def fit(self, design, evaluation, key):
        fit = super().fit(design, evaluation, key)
        design.masks[:] = False
        evaluation.values[:] = 0
        return fit


@pytest.mark.parametrize("method", [Spoiler(), "auto"])
def test_a_method_that_changes_what_it_is_given_changes_nothing_else(method, key, registry):
    sx.methods.register(Spoiler(), compete=True)
    masks = np.asarray(sx.designs.uniform(key, 40, N))
    explanation = sx.fit(masks, game(masks), key=key, method=method)
    np.testing.assert_array_equal(explanation.masks, sx.designs.uniform(key, 40, N))
    np.testing.assert_array_equal(explanation.values, game(masks))


def test_a_competitor_that_returns_no_fit_is_named(key, registry, unchecked):
    sx.methods.register(type("Nothing", (Known,), {"name": "nothing", "fit": lambda *_: None})(), compete=True)
    masks = np.asarray(sx.designs.uniform(key, 40, N))
    with pytest.raises(ValueError, match=r"The proxy nothing must return a proxies\.Fit"):
        sx.fit(masks, game(masks), key=key)


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


def test_nobody_is_exact_without_the_transform(key):
    def boasting(spectrum):
        fit = sx.Fit(spectrum, np.asarray(spectrum(MASKS), np.float64), {}, exact=True)
        return lambda masks, values, key: fit

    true = sx.transforms.exact_spectrum(MASKS, game(MASKS))
    assert sx.fit(MASKS, game(MASKS), key=key, method=boasting(true)).faithfulness.exact
    turned = np.asarray(true.coefficients) * (1 - 2.0 * (np.asarray(true.orders) % 2))  # of f(1 - x)
    for spectrum in (sx.Spectrum.constant(0.5, N), sx.Spectrum(true.support, turned, N)):
        with pytest.raises(ValueError, match="says that it is exact, but its spectrum is not the transform"):
            sx.fit(MASKS, game(MASKS), key=key, method=boasting(spectrum))


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"notes": ["a"]}, "notes of the design of known must be a dict of plain values, .* got list"),
        ({"notes": {"rng": object()}}, r"notes of the design of known\['rng'\] is a object"),
        ({"by_size": np.ones(2)}, "needs a string as name, and True or False as by_size and nested"),
        ({"look": (20, max)}, r"must be None or an sx\.methods\.Look\(size, revise\)"),
        ({"look": sx.methods.Look(20, None)}, r"must be None or an sx\.methods\.Look\(size, revise\)"),
        ({"uniform_rows": np.array([40])}, r"uniform_rows of the design of known must be whole numbers, rows 0\.\.39"),
        ({"uniform_rows": None}, "uniform_rows of the design of known"),
    ],
)
def test_parts_of_a_design_are_checked_before_anything_is_spent(options, message, key, unchecked):
    class Changed(Draws):
        def design(self, *arguments):
            return dataclasses.replace(sx.methods.Design("given", self.masks, np.arange(0)), **options)

    seen = []
    lens = sx.ablations.host_function(lambda m: seen.append(m) or game(m), N)
    with pytest.raises(ValueError, match=message):
        sx.explain(lens, budget=40, key=key, method=Changed(UNIFORM[:40]))
    assert not seen


def test_notes_do_not_replace_what_the_explanation_says(key):
    method = Draws(UNIFORM[:40], notes={"ablations": 3, "temperature": 2})
    provenance = sx.explain(ablation(), budget=40, key=key, method=method).provenance
    assert (provenance["ablations"], provenance["temperature"]) == (40, 2)


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
    assert design.name == "informative"
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


def test_masks_of_a_faithfulness_are_rows(key):
    faithfulness = sx.fit(UNIFORM, game(UNIFORM), key=key, method="lasso").faithfulness
    with pytest.warns(DeprecationWarning, match=r"Faithfulness\.masks is now called 'rows'"):
        assert faithfulness.masks is faithfulness.rows


def test_details_are_diagnostics(key):
    explanation = sx.explain(ablation(), budget=40, key=key, method="lasso")
    with pytest.warns(DeprecationWarning, match=r"Explanation\.details is now called 'diagnostics'"):
        assert explanation.details is explanation.diagnostics

"""Ablations near the full model: `explain(keep=...)`, its faithfulness and indices, and `keep="auto"`."""

import dataclasses
import json
from itertools import combinations

import jax
import numpy as np
import pytest
from rich.console import Console

import spexjax as sx
from spexjax.report import html, interaction_table, write_overview
from spexjax.report._data import energy_by_order

N = 24
SAID = "that keep each feature with probability 0.9"


def structure(masks):
    """Single effects, and two pairs whose members cannot both go."""
    gone = ~np.asarray(masks, bool)
    single = gone @ -np.linspace(0.1, 1, gone.shape[1])
    return single - 3.0 * (gone[:, 0] & gone[:, 1]) + 2.0 * (gone[:, 4] & gone[:, 5])


def noise(masks):
    """A number for every mask that depends on all of it."""
    words = np.packbits(np.asarray(masks, bool), axis=1).astype(np.uint64)
    hashed = (words * np.uint64(2654435761) + np.uint64(97)) ** np.uint64(2)
    mixed = np.bitwise_xor.reduce(hashed * (np.arange(words.shape[1], dtype=np.uint64) + np.uint64(3)) ** 5, axis=1)
    return 4.0 * np.sin((mixed % np.uint64(100_003)).astype(float))


def ablation(function, n=N):
    return sx.ablations.host_function(function, n, fingerprint=function.__name__)


def near_only(limit):
    """The structure where at most this share is gone, else noise."""

    def function(masks):
        return np.where((~np.asarray(masks, bool)).mean(1) <= limit, structure(masks), noise(masks))

    return function


@pytest.fixture(scope="module")
def near():
    return sx.explain(ablation(structure), budget=300, keep=0.9, key=jax.random.key(0), method="proxyspex-gp")


def test_the_masks_are_those_of_the_design(near):
    assert near.provenance["design"] == "biased"
    assert near.provenance["keep"] == near.keep_probability == 0.9
    assert near.masks[0].all()
    assert not near.masks[1].any()
    assert near.masks[2:].mean() == pytest.approx(0.88, abs=0.02)
    assert len(near.values) == near.provenance["ablations"] == 300


def test_faithfulness_is_that_of_such_masks_and_says_so(near, tmp_path):
    drawn = np.asarray(sx.designs.biased(jax.random.key(9), 2000, N, 0.9))
    weights = sx.metrics.size_weights(drawn, keep=0.9)
    r2 = sx.metrics.r2(structure(drawn), near.predict(drawn), weights)
    assert near.faithfulness.r2 == pytest.approx(r2, abs=0.05)
    assert SAID in str(near)
    assert SAID in repr(near)
    assert f"ablations that it never saw and {SAID}" in html(near)
    summary = json.loads(near.save(tmp_path).read_text())["summary"]
    assert summary["faithfulness"]["keep"] == 0.9
    assert SAID in summary["faithfulness"]["scheme"]
    assert [*summary["indices"]] == ["WBV", "WBII", "SV", "BV", "FSII"]
    assert "Extrapolated" in summary["indices"]["SV"]["note"]
    assert "note" not in summary["indices"]["WBII"]


def test_indices_of_the_neighbourhood(near, tmp_path):
    table = near.interactions()
    assert (table.index, table.max_order, table.note) == ("WBII(0.9)", 2, "")
    assert table[0, 1] == pytest.approx(-3, abs=0.6)
    assert table[4, 5] == pytest.approx(2, abs=0.3)
    assert near.interactions("WBV")[N - 1] == pytest.approx(1, abs=0.15)
    assert near.interactions("WBV", keep=0.8).index == "WBV(0.8)"
    assert near.interactions("wbv(0.8)").to_dict() == near.interactions("WBV", keep=0.8).to_dict()
    assert (table.standard_errors > 0).all()
    assert sx.load(near.save(tmp_path)).interactions().to_dict() == table.to_dict()
    with pytest.raises(ValueError, match="FSII has no probability of keeping a feature"):
        near.interactions("FSII", keep=0.9)


@pytest.mark.parametrize("index", ["SV", "FSII", "Moebius", "Fourier", "WBII(0.5)"])
def test_usual_indices_are_marked_as_extrapolated(near, index):
    table = near.interactions(index)
    said = f"Extrapolated: the ablations keep each feature with probability 0.9, but {table.index} also rests on masks"
    assert table.note.startswith(said)
    assert said in " ".join(repr(table).split())
    assert type(table).from_json(table.to_json()).note == (2 * table - table).note == table.note


def test_page_and_table_mark_them_and_begin_with_wbii(near):
    page = html(near)
    for name in ("WBII(0.9)", "WBV(0.9)", "SV"):
        assert f">{name}</option>" in page
    assert page.index(">WBII(0.9)</option>") < page.index(">WBV(0.9)</option>") < page.index(">SV</option>")
    assert "Extrapolated: the ablations keep each feature with probability 0.9, but SV also" in page
    assert "but WBII" not in page

    def shown(*index):
        console = Console(width=200)
        with console.capture() as captured:
            console.print(interaction_table(near, *index))
        return captured.get()

    assert "Extrapolated" not in shown()
    assert "WBII(0.9) up to order 2" in shown()
    assert "Extrapolated" in shown("SV")


def test_without_keep_nothing_is_marked(key):
    explanation = sx.explain(ablation(structure), budget=100, key=key, method="lasso")
    assert explanation.keep_probability is None
    assert explanation.interactions().index == "FSII"
    assert explanation.interactions("WBII").index == "WBII"
    assert explanation.interactions("WBII").to_dict() == pytest.approx(explanation.interactions("BII").to_dict())
    assert "Extrapolated" not in html(explanation)


def test_variance_by_order_is_that_of_such_masks(near):
    masks = (np.arange(1 << 8)[:, None] >> np.arange(8)) & 1 == 1
    spectrum = sx.Spectrum.from_dict({(): 1.0, (0,): -0.5, (1, 2): 0.3, (2, 3, 4): 0.2}, 8)
    f, p = np.asarray(spectrum(masks), float), 0.9
    chances = np.where(masks, p, 1 - p).prod(1)
    z = (masks - p) / np.sqrt(p * (1 - p))
    expected = [sum((chances @ (f * z[:, s].prod(1))) ** 2 for s in combinations(range(8), k)) for k in (1, 2, 3)]
    found = energy_by_order(dataclasses.replace(near, spectrum=spectrum))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("keep", [0.9, "auto"])
def test_rounds_stores_and_many(keep, tmp_path, key):
    store, options = sx.Store(tmp_path), {"keep": keep, "method": "lasso"}
    game = ablation(structure)
    target = {"target_faithfulness": 0.999, "max_budget": 300}
    first = sx.explain(game, key=key, store=store, **target, **options)
    assert first.provenance["ablations"] <= 300
    assert [row["ablations"] for row in first.provenance["rounds"]][:2] == [128, 256]
    again = sx.explain(game, key=key, store=store, **target, **options)
    assert again.provenance["evaluations"] == 0
    np.testing.assert_array_equal(again.masks, first.masks)
    one_round = sx.explain(game, key=key, budget=first.provenance["ablations"], store=store, **options)
    np.testing.assert_array_equal(one_round.masks[: len(first.masks)], first.masks)
    others = sx.explain_many([game, ablation(near_only(0.15))], key=key, budget=150, store=store, **options)
    alone = sx.explain(game, key=jax.random.split(key, 2)[0], budget=150, **options)
    np.testing.assert_array_equal(others[0].values, alone.values)
    assert {e.provenance["ablations"] for e in others} == {150}


def test_the_index_does_not_decide_then(key):
    explanation = sx.explain(ablation(structure), budget=60, keep=0.8, index="SV", key=key, method="lasso")
    assert explanation.provenance["design"] == "biased"
    assert explanation.masks[2:].mean() == pytest.approx(0.8, abs=0.02)


def test_all_masks_are_exact_and_not_extrapolated(key):
    exact = sx.explain(ablation(structure, 7), budget=128, keep=0.9, key=key)
    assert exact.faithfulness.exact
    assert exact.interactions("SV").note == ""
    assert exact.interactions().index == "WBII(0.9)"
    assert sx.explain(ablation(structure, 7), budget=128, keep="auto", key=key).keep_probability is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.9, "method": "spex"}, "method spex draws masks of its own, so it cannot be combined with keep"),
        (
            {"keep": "auto", "method": "exact"},
            "method exact draws masks of its own, so it cannot be",
        ),
        ({"keep": 1.0}, "keep is the probability of keeping a feature, between 0 and 1, say 0.9; got 1.0"),
        ({"keep": "all"}, "keep is a probability such as 0.9, or 'auto'; got 'all'"),
        ({"keep": "auto", "budget": 100}, "spends up to 62 ablations .* a budget of at least 128, not 100"),
    ],
)
def test_mistakes_are_named_before_anything_is_spent(options, message, key):
    def never(masks):
        raise AssertionError

    with pytest.raises(ValueError, match=message):
        sx.explain(ablation(never), key=key, **{"budget": 400} | options)


def test_a_method_of_ones_own_may_draw_its_own_masks(key):
    class Own:
        name = "own"

        def design(self, key, num_features, budget, index):
            return sx.methods.draw(key, num_features, budget, index)

        def fit(self, design, evaluation, key):
            raise AssertionError

    with pytest.raises(ValueError, match="The method own draws masks of its own"):
        sx.explain(ablation(structure), key=key, budget=100, keep=0.9, method=Own())


@pytest.mark.parametrize(
    ("function", "n", "expected"),
    [(structure, 60, {0.5, 0.7}), (near_only(0.15), 60, {0.9, 0.95}), (near_only(0.25), 200, {0.8, 0.9})],
    ids=["everywhere", "near", "nearer than a quarter"],
)
def test_auto_finds_how_much_may_be_removed(function, n, expected):
    """From several keys: right mostly, for it is a choice by 62 numbers."""
    found = []
    for seed in range(12):
        masks, keeps = sx.methods.probes(jax.random.key(seed), n)
        assert len(np.unique(masks, axis=0)) == len(masks) <= 62
        found.append(sx.methods.structured_keep(masks, keeps, function(masks)))
    assert sum(keep in expected for keep in found) >= 10, found


def test_auto_explains_what_uniform_masks_cannot(key):
    game = ablation(near_only(0.2), 60)
    auto, uniform = (sx.explain(game, key=key, budget=256, keep=keep, method="lasso") for keep in ("auto", None))
    assert auto.keep_probability >= 0.8
    assert 40 < auto.provenance["keep_found_with"] <= 62
    assert auto.provenance["ablations"] == 256
    assert 256 - 50 <= len(auto.values) < 256 - 30
    assert auto.faithfulness.r2 > 0.5 > 0.1 > uniform.faithfulness.r2
    assert auto.masks[2:].mean() == pytest.approx(auto.keep_probability, abs=0.02)


@pytest.mark.parametrize("values", [np.zeros, lambda m: np.arange(m) % 2.0])
def test_values_that_hardly_vary(values):
    masks, keeps = sx.methods.probes(jax.random.key(0), 30)
    assert sx.methods.structured_keep(masks, keeps, values(len(masks))) in (0.5, 0.7, 0.8, 0.9, 0.95)


def test_differences_and_overviews(near, tmp_path):
    other = sx.explain(ablation(structure), budget=100, keep=0.9, key=jax.random.key(1), method="lasso")
    assert (near - other).interactions().index == "WBII(0.9)"
    assert sx.compare(near, other).a.index == "WBII(0.9)"
    plain = sx.explain(ablation(structure), budget=100, key=jax.random.key(1), method="lasso")
    assert (near - plain).interactions().index == sx.compare(near, plain).a.index == "FSII"
    rows = sx.report.overview({"a": near})
    assert write_overview(rows, tmp_path / "index.html", index="WBII").exists()

"""Many explanations at once: as one by one, in order, by shared batches and programs."""

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax import _host_program
from spexjax.ablation import Ablation, plan_rows
from spexjax.evaluation import run, run_many

COMPILED = "/jax/core/compile/backend_compile_duration"
TEXTS = ("a quick brown fox jumps", "the lazy dog sleeps all day", "one two three four", "not bad at all, he said")
ASKED = {"question": "Why?", "answers": (" yes", " no")}


@pytest.fixture(autouse=True)
def _nothing_saved(monkeypatch):
    """A program that was loaded from a file would not be counted."""
    monkeypatch.setattr(_host_program, "_folder", lambda: None)


@pytest.fixture(scope="module")
def compiled():
    """The programs compiled so far."""
    programs: list[str] = []

    def heard(event, seconds, **of):
        if event == COMPILED:
            programs.append(str(of.get("fun_name", event)))

    jax.monitoring.register_event_duration_secs_listener(heard)
    return programs


def game(n, m, seed):
    rng = np.random.default_rng(seed)
    masks = np.unique(rng.random((m, n)) < 0.5, axis=0)
    return masks, masks @ rng.normal(size=n) + 2.0 * masks[:, 0] * masks[:, 1]


def functions(calls=None):
    """Functions of 6, 8 and 10 features, which note how many masks they are asked for."""

    def made(n):
        def f(masks):
            if calls is not None:
                calls.append((n, len(masks)))
            return masks[:, 0] * 2.0 + n * masks[:, 1] * masks[:, 2]

        return sx.ablations.host_function(f, n, fingerprint=f"many-{n}")

    return [made(n) for n in (6, 8, 10)]


def same(one, other):
    assert one.feature_names == other.feature_names
    np.testing.assert_array_equal(one.masks, other.masks)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.spectrum.coefficients, other.spectrum.coefficients)
    np.testing.assert_array_equal(one.spectrum.support, other.spectrum.support)
    assert (one.method, one.faithfulness.r2) == (other.method, other.faithfulness.r2)


@pytest.mark.parametrize("method", ["lasso", "proxyspex-gp"])
def test_games_of_any_sizes_are_fitted_as_one_by_one(method, key):
    games = [game(6, 40, 0), game(9, 50, 1), game(7, 45, 2)]
    names = [None, list("abcdefghi"), None]
    found = sx.fit_many(*zip(*games, strict=True), method=method, key=key, feature_names=names)
    for one, (masks, values), each, k in zip(found, games, names, jax.random.split(key, 3), strict=True):
        same(one, sx.fit(masks, values, method=method, key=k, feature_names=each))


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist])
def test_stacked_games(shared, kind, key):
    masks, _ = game(6, 40, 0)
    values = np.random.default_rng(0).normal(size=(3, len(masks))) + 3 * masks[:, 0]
    given = masks if shared else np.stack([masks] * 3)
    found = sx.fit_many(kind(given), kind(values), method="lasso", key=key, feature_names=list("abcdef"))
    for one, f, k in zip(found, values, jax.random.split(key, 3), strict=True):
        same(one, sx.fit(masks, f, method="lasso", key=k, feature_names=list("abcdef")))
    assert sx.fit_many([], [], key=key) == []


@pytest.mark.parametrize(
    ("masks", "values", "options", "message"),
    [
        ([all_masks(5)] * 2, [np.ones(32), np.ones(31)], {}, r"Game 1: Masks must be \[m, n\]"),
        ([all_masks(5)] * 2, [np.ones(32), np.full(32, np.nan)], {}, "Game 1: 32 of the 32 values are not finite"),
        ([all_masks(5)] * 2, [np.ones(32)], {}, "values of 1 games, but masks of 2"),
        (all_masks(5), np.ones((2, 32)), {"feature_names": [["a"], None]}, "Game 0: There are 5 features but 1"),
        (all_masks(5), np.ones((2, 32)), {"feature_names": [None]}, "feature names of 1"),
        (all_masks(5), np.ones((2, 32)), {"method": "magic"}, "Game 0: There is no method 'magic'"),
    ],
)
def test_games_at_fault_are_named_before_the_first_fit(masks, values, options, message, key):
    with pytest.raises(ValueError, match=message):
        sx.fit_many(masks, values, key=key, **options)


def test_the_fits_show_their_progress(key, capsys):
    sx.fit_many(*zip(*[game(6, 40, s) for s in range(3)], strict=True), method="lasso", key=key, progress=True)
    assert "3/3" in capsys.readouterr().err


@pytest.mark.parametrize("options", [{"budget": 40}, {"target_faithfulness": 0.99, "max_budget": 200, "budget": 25}])
def test_ablations_are_explained_as_one_by_one(options, key):
    found = sx.explain_many(functions(), key=key, method="lasso", **options)
    for one, ablation, k in zip(found, functions(), jax.random.split(key, 3), strict=True):
        alone = sx.explain(ablation, key=k, method="lasso", **options)
        same(one, alone)
        seconds, known = (dict(e.provenance) for e in (one, alone))
        assert seconds.pop("seconds").keys() == known.pop("seconds").keys()
        assert seconds == known
    assert sx.explain_many([], key=key, budget=40) == []


def test_ablations_at_fault_are_named_before_anything_is_spent(key, unchecked):
    calls = []
    ablations = functions(calls)
    with pytest.raises(ValueError, match="Ablation 0: A budget of 19 is too small"):
        sx.explain_many(ablations, key=key, budget=19)
    with pytest.raises(ValueError, match="Ablation 1: str is not an ablation"):
        sx.explain_many([ablations[0], "text"], key=key, budget=40)
    with pytest.raises(ValueError, match="takes a list of ablations"):
        sx.explain_many(ablations[0], key=key, budget=40)
    assert calls == []


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, key):
    calls, store = [], sx.Store(tmp_path)

    def stops(masks):
        raise KeyboardInterrupt

    broken = [*functions(calls)[:2], sx.ablations.host_function(stops, 10, fingerprint="many-10")]
    with pytest.raises(KeyboardInterrupt):
        sx.explain_many(broken, key=key, budget=40, method="lasso", store=store)
    assert [n for n, _ in calls] == [6, 8]
    calls.clear()
    found = sx.explain_many(functions(calls), key=key, budget=40, method="lasso", store=store)
    assert calls == [(10, 40)]
    assert [e.provenance["reused"] for e in found] == [40, 40, 0]
    for one, other in zip(found, sx.explain_many(functions(), key=key, budget=40, method="lasso"), strict=True):
        same(one, other)


def texts(model, **options):
    return [sx.ablations.text(model, text, **ASKED | options) for text in TEXTS]


@pytest.mark.parametrize("options", [{}, {"answers": "x"}, {"answers": "x", "value": "log-odds"}, {"removal": "hide"}])
def test_texts_share_batches(tiny, options):
    ablations = texts(tiny, **options)
    masks = [all_masks(a.num_features) for a in ablations]
    together = run_many(ablations, masks)
    apart = [run(a, some) for a, some in zip(ablations, masks, strict=True)]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=2e-4)
        assert one.num_programs == other.num_programs == 1
        assert one.num_evaluations <= other.num_evaluations  # with all removed, texts are equal
    batches = list(type(ablations[0]).plan_together(ablations, masks).batches)
    assert len(batches) < sum(len(list(a.plan(some).batches)) for a, some in zip(ablations, masks, strict=True))


def test_texts_with_other_answers_and_questions_share_batches(tiny):
    asked = ("Q", ("x", "y")), ("Why?", ("y", "x")), ("What?", "x"), ("Why is that so?", "abc")
    ablations = [sx.ablations.text(tiny, t, question=q, answers=a) for t, (q, a) in zip(TEXTS, asked, strict=True)]
    assert len({a.batch_group for a in ablations}) == 3  # two answers, an answer of one token, one of more
    masks = [all_masks(a.num_features) for a in ablations]
    for one, ablation, some in zip(run_many(ablations, masks), ablations, masks, strict=True):
        np.testing.assert_allclose(one.values, run(ablation, some).values, atol=2e-4)


def test_texts_of_about_the_same_length_compile_nothing(tiny, compiled):
    """One by one, and together, whatever the words."""

    def values(words, seed):
        rng = np.random.default_rng(seed)
        said = " ".join(rng.choice(["good", "bad", "not", "so", "very", "film", "a"], words))
        ablation = sx.ablations.text(tiny, said, **ASKED)
        return run(ablation, rng.random((60, words)) < 0.5).values

    shapes = [(20, seed) for seed in range(4)]
    for words, seed in shapes:
        values(words, seed)
    before = len(compiled)
    for words, seed in shapes:
        values(words, seed + 10)
    assert compiled[before:] == []


def test_texts_are_explained_together(tiny, key, tmp_path, compiled):
    store = sx.Store(tmp_path)
    found = sx.explain_many(texts(tiny), key=key, budget=20, method="lasso", store=store)
    for one, ablation, k in zip(found, texts(tiny), jax.random.split(key, len(TEXTS)), strict=True):
        alone = sx.explain(ablation, key=k, budget=20, method="lasso")
        np.testing.assert_array_equal(one.masks, alone.masks)
        np.testing.assert_allclose(one.values, alone.values, atol=2e-4)
        assert one.provenance["pieces"] == alone.provenance["pieces"]
    before = len(compiled)
    again = sx.explain_many(texts(tiny), key=key, budget=20, method="lasso", store=store)
    assert compiled[before:] == []
    assert [e.provenance["evaluations"] for e in again] == [0] * len(TEXTS)
    for one, other in zip(found, again, strict=True):
        same(one, other)


class Joined(Ablation):
    """A sum of features, whose batches hold the masks of several ablations of as many features."""

    feature_names = ("a", "b", "c", "d")
    batch_group = "joined"

    def __init__(self, factor):
        self.factor, self.fingerprint = factor, f"joined-{factor}"

    def plan(self, masks, *, devices=1, shrink=1):
        return self.plan_together([self], [masks])

    @classmethod
    def plan_together(cls, ablations, masks, *, devices=1, shrink=1):
        rows = [a.factor * (1.0 + some) for a, some in zip(ablations, masks, strict=True)]
        return plan_rows(lambda _, x: x.sum(1) - 4, np.concatenate(rows), batch_size=8, compiled=False)


def test_what_is_finite_is_kept_though_another_ablation_of_the_batch_is_not(tmp_path):
    store, masks = sx.Store(tmp_path), [all_masks(4)[:5], all_masks(4)[:3]]
    with pytest.raises(ValueError, match="value function of ablation 0 is not finite at 5 of the first"):
        run_many([Joined(np.inf), Joined(2.0)], masks, store=store)
    (evaluation,) = run_many([Joined(2.0)], masks[1:], store=store)
    assert evaluation.num_reused == 3
    np.testing.assert_array_equal(evaluation.values, [4, 6, 6])


def test_costs_are_divided():
    evaluations = run_many(
        [Joined(1.0), Joined(2.0), Joined(1.0)], [all_masks(4)[:12], all_masks(4)[:4], all_masks(4)[:0]]
    )
    assert [e.num_evaluations for e in evaluations] == [12, 4, 0]
    assert evaluations[2].seconds == 0
    assert evaluations[0].seconds == pytest.approx(3 * evaluations[1].seconds)


def test_a_group_without_a_joint_plan_is_named():
    class Half(Joined):
        plan_together = Ablation.__dict__["plan_together"]

        def plan(self, masks, *, devices=1, shrink=1):
            return plan_rows(lambda _, x: x.sum(1), masks, compiled=False)

    assert len(run_many([Half(1.0)], [all_masks(4)])) == 1
    with pytest.raises(NotImplementedError, match="Half has a batch_group, so it must define plan_together"):
        run_many([Half(1.0), Half(2.0)], [all_masks(4)] * 2)

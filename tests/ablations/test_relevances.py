"""What is expected of features before any ablation: the attention that parts of a text get, or given numbers."""

import dataclasses

import jax
import numpy as np
import pytest

from spexjax import Ablation, ablations, designs, explain, explain_each, explain_many, fit, metrics, models, proxies
from spexjax.ablation import plan_rows

TEXT, ASKED = "not a bad film, but never a good one", {"question": "Is it good?", "answers": (" yes", " no")}
N, ACTIVE = 40, 5
RELEVANCES = np.where(np.arange(N) < ACTIVE, 20.0, 1.0)


def product(parameters, masks):
    z = 2.0 * masks[:, :ACTIVE] - 1
    return z.sum(1) + 2 * z[:, 0] * z[:, 1] * z[:, 3] - 3 * z[:, 2] * z[:, 4]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Known(Ablation):
    """Five features matter, of forty if it is not told otherwise, and it knows which."""

    told: object = None
    n: int = N
    fingerprint = "known"

    @property
    def feature_names(self):
        return tuple(map(str, range(self.n)))

    def plan(self, masks, *, devices=1, shrink=1):
        return plan_rows(product, masks, devices=devices, shrink=shrink)

    def relevances(self):
        if isinstance(self.told, Exception):
            raise self.told
        return RELEVANCES[: self.n] if self.told is None else self.told


class Asked:
    """Lasso, which is told what is expected."""

    uses_relevances, told = True, None

    def __call__(self, masks, values, key, *, relevances=None):
        self.told = relevances
        return proxies.lasso()(masks, values, key)


def explained(ablation, budget=60, method=None, **options):
    some = {"budget": budget, "method": method or Asked(), "key": jax.random.key(3), "progress": False}
    return explain(ablation, **some, **options)


@pytest.mark.parametrize("removal", ["delete", "hide", "replace"])
def test_words_get_the_attention_of_their_tokens(tiny, removal):
    words = ablations.text(tiny, TEXT, removal=removal, **ASKED)
    tokens = ablations.text(tiny, TEXT, removal=removal, features="token", **ASKED)
    (ids,), _ = words.inputs.sequences(np.ones((1, words.num_features), bool), ())
    each = models.attention_mass(tiny, ids)
    first = list(tokens.inputs.owners).index(0)
    np.testing.assert_array_equal(tokens.relevances(), each[first : first + tokens.num_features])
    starts = [start for start, _ in words.spans]
    word = np.searchsorted(starts, [end - 1 for _, end in tokens.spans], "right") - 1  # white space: to the word before
    np.testing.assert_allclose(words.relevances(), np.bincount(word, tokens.relevances()), rtol=1e-5)


def test_a_long_answer_reads_at_all_of_its_tokens(tiny):
    whole = ablations.text(tiny, TEXT, question="Q", answers="yes, it is")
    assert len(whole.forced[0]) > 2
    (ids,), _ = whole.inputs.sequences(np.ones((1, whole.num_features), bool), whole.forced[0])
    each = [models.attention_mass(tiny, ids[:end]) for end in range(len(ids) - len(whole.forced[0]), len(ids) + 1)]
    mean = np.mean([np.pad(one, (0, len(ids) - len(one))) for one in each], 0)
    np.testing.assert_allclose(models.attention_mass(tiny, ids, len(each)), mean, atol=1e-6)
    assert 0 < whole.relevances().sum() < 1


def test_fewer_ablations_are_needed():
    masks = np.asarray(designs.uniform(jax.random.key(9), 400, N))
    truth = product(None, masks)
    r2 = {}
    for told in (False, "auto"):
        found = explained(Known(), 44, "proxyspex-gp", relevances=told)
        r2[told] = metrics.r2(truth, found.predict(masks))
    assert r2["auto"] > max(0.8, r2[False] + 0.1)


@pytest.mark.parametrize(
    ("n", "options", "used"),
    [
        (N, {}, True),
        (15, {}, False),
        (15, {"relevances": True}, True),
        (N, {"relevances": False}, False),
        (N, {"relevances": 2 * RELEVANCES}, True),
        (N, {"method": "lasso"}, False),
    ],
)
def test_taken_where_ablations_are_few(n, options, used):
    told = explained(Known(n=n), **options).provenance.get("relevances")
    expected = options["relevances"] if isinstance(options.get("relevances"), np.ndarray) else RELEVANCES[:n]
    assert told == (expected.tolist() if used else None)


def test_rounds_forget_them_when_ablations_are_many():
    options = {"budget": 32, "target_faithfulness": 0.999999, "max_budget": 64}
    assert "relevances" not in explained(Known(n=15), **options).provenance
    assert "relevances" in explained(Known(n=15), **options | {"budget": 32, "max_budget": 59}).provenance


def test_all_masks_need_none():
    few = Known(RuntimeError("nothing may be asked"), n=3)
    assert explain(few, budget=8, key=jax.random.key(0), progress=False).method == "exact"
    whole = explain(Known(n=5), budget=32, key=jax.random.key(0), relevances=True, progress=False)
    assert "relevances" not in whole.provenance


def test_several_explanations(tiny):
    first, second = explain_many([Known(), Known(2 * RELEVANCES)], budget=60, method="lasso", key=jax.random.key(0))
    assert "relevances" not in first.provenance | second.provenance
    some = {"budget": 24, "key": jax.random.key(0), "method": Asked(), "progress": False}
    text = ablations.text(tiny, TEXT, question="Q", answers=("yes", "no", "so"))
    (told,) = {tuple(e.provenance["relevances"]) for e in explain_each(text, **some)[:1]}
    assert told == tuple(text.relevances())
    assert "relevances" not in explain_each(text, relevances=False, **some)[0].provenance


def test_only_ratios_count_and_little_is_a_four_hundredth():
    masks = np.asarray(designs.uniform(jax.random.key(2), 44, N))
    values = product(None, masks)

    def predicted(**options):
        found = fit(masks, values, key=jax.random.key(0), method="proxyspex-gp", progress=False, **options)
        assert found.provenance.get("relevances") == (np.asarray(options["relevances"]).tolist() if options else None)
        return found.predict(masks)

    given = predicted(relevances=RELEVANCES)
    np.testing.assert_allclose(given, predicted(relevances=16 * RELEVANCES), atol=1e-4)
    only = RELEVANCES > 1
    np.testing.assert_array_equal(predicted(relevances=only), predicted(relevances=np.where(only, 400.0, 1.0)))
    nothing = predicted()
    np.testing.assert_array_equal(predicted(relevances=np.ones(N)), nothing)
    np.testing.assert_allclose(predicted(relevances=1 + 1e-9 * RELEVANCES), nothing, atol=1e-3)
    for other in (given, predicted(relevances=only)):
        assert np.abs(other - nothing).max() > 0.01


def test_proxies_that_ask_are_told():
    proxy = Asked()
    explained(Known(), method=proxy)
    np.testing.assert_array_equal(proxy.told, RELEVANCES)
    assert proxies.select({"mine": proxy}).uses_relevances


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1.0, 2.0], "must be 40 finite numbers, .* shape \\(2,\\)"),
        (-RELEVANCES, "none below 0; got -20 for feature 0"),
        (np.where(np.arange(N) == 3, np.inf, 1), "finite numbers, .*; got inf for feature 3"),
        ("yes", "relevances are True, False, 'auto', or a number for each feature; got 'yes'"),
        (["a"] * N, r"(relevances|relevances\(\) of Known) must be real numbers"),
        ([10**400] * N, "must be real numbers"),
    ],
)
def test_wrong_relevances(given, said):
    with pytest.raises(ValueError, match=said):
        explained(Known(RuntimeError("nothing may be asked")), relevances=given)
    if not isinstance(given, str):
        with pytest.raises(ValueError, match=said):
            explained(Known(given))


def test_methods_and_ablations_without():
    with pytest.raises(ValueError, match="The method lasso cannot use relevances"):
        explained(Known(), method="lasso", relevances=True)
    masks = np.asarray(designs.uniform(jax.random.key(2), 24, 8))
    with pytest.raises(ValueError, match="The method lasso cannot use relevances"):
        fit(masks, np.arange(24.0), method="lasso", key=jax.random.key(0), relevances=np.ones(8))
    plain = ablations.host_function(lambda mask: pytest.fail("spent"), 8)
    assert plain.relevances() is None
    with pytest.raises(ValueError, match=r"relevances must be 8 .*; got 'auto'"):
        fit(masks, np.arange(24.0), key=jax.random.key(0), relevances="auto")
    with pytest.raises(ValueError, match="does not know how much its features matter"):
        explained(plain, budget=24, relevances=True)


def test_a_pass_that_does_not_fit():
    full = Known(jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory"))
    with pytest.warns(UserWarning, match="no attention is used"):
        assert "relevances" not in explained(full).provenance
    with pytest.raises(jax.errors.JaxRuntimeError):
        explained(full, relevances=True)

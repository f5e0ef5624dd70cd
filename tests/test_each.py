"""Several explanations from one run of ablations."""

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.ablation import Ablation, plan_rows

N, BUDGET = 7, 60


def three(_, masks):
    x = masks.astype(float)
    return np.stack([x[:, 0] - x[:, 1] * x[:, 2], 2 * x[:, 3], x[:, 4] * x[:, 5] - x[:, 6]], 1)


class Three(Ablation):
    feature_names, fingerprint, num_values = tuple("abcdefg"), "three-values", 3
    value_names, value_names_make_a_text = ("one", " two", " three"), True

    def plan(self, masks, *, devices=1, shrink=1):
        return plan_rows(three, masks, devices=devices, shrink=shrink, compiled=False)


@pytest.fixture(scope="module")
def each():
    return sx.explain_each(Three(), key=jax.random.key(0), budget=BUDGET)


def test_each_value_has_an_explanation(each):
    assert len(each) == 3
    assert each.values.shape == (BUDGET, 3)
    assert repr(each) == "Explanations of 3 values from 60 ablations: 'one', 'two', 'three'"
    for i, explanation in enumerate(each):
        np.testing.assert_allclose(explanation.values, three(None, explanation.masks)[:, i])
        assert explanation.faithfulness.r2 > 0.95
        assert explanation.provenance["value_name"] == each.names[i]
    assert each[-1] is each[2]
    assert [e.provenance["value_name"] for e in each[1:]] == [" two", " three"]
    assert each[0].interactions("FSII", 2)[1, 2] == pytest.approx(-1, abs=0.1)


def test_an_explanation_does_not_depend_on_those_before_it(each):
    again = sx.explain_each(Three(), key=jax.random.key(0), budget=BUDGET)
    np.testing.assert_array_equal(again[2].spectrum.coefficients, each[2].spectrum.coefficients)


def test_a_part_is_the_sum_of_its_values(each):
    both = each.of("wo thr")
    np.testing.assert_allclose(both.values, three(None, both.masks)[:, 1:].sum(1))
    assert each.of([2, 1]) is both
    assert both.provenance["value_name"] == " two +  three"
    whole = each.of(range(3))
    np.testing.assert_allclose(whole.values, sum(e.values for e in each), atol=1e-9)
    assert whole.provenance["ablations"] == BUDGET


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("four", "'four' is no part of 'one two three'"),
        ("", "'' is no part of"),
        ([3], r"different numbers out of 0\.\.2; got \[3\]"),
        ([1, 1], r"different numbers out of 0\.\.2"),
        ([], r"different numbers out of 0\.\.2"),
        ([-1, 2], r"different numbers out of 0\.\.2"),
    ],
)
def test_parts_that_are_none(each, part, said):
    with pytest.raises(ValueError, match=said):
        each.of(part)


def test_names_that_are_no_text():
    class Named(Three):
        value_names, value_names_make_a_text = (" bad taste", " bad", " bad"), False

    each = sx.explain_each(Named(), key=jax.random.key(0), budget=BUDGET, method="lasso")
    assert each.of(" bad taste") is each[0]
    for part, said in {" bad": "2 values are called", "taste": "no value is called"}.items():
        with pytest.raises(ValueError, match=said):
            each.of(part)
    with pytest.raises(ValueError, match="a list of numbers"):
        each.of([True, False, True])
    with pytest.raises(IndexError, match="There are 3 explanations"):
        each[3]


def test_single_values_and_wrong_names_are_refused():
    single = sx.ablations.host_function(lambda masks: masks.sum(1) * 1.0, 5)
    with pytest.raises(ValueError, match=r"a single value; use sx\.explain"):
        sx.explain_each(single, key=jax.random.key(0), budget=20)
    few = Three()
    few.value_names = ("one",)
    with pytest.raises(ValueError, match="3 values, but value_names has 1"):
        sx.explain_each(few, key=jax.random.key(0), budget=20)


def test_all_test_points_come_from_the_same_trainings():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 2)), rng.integers(2, size=12)
    several = sx.explain_each(
        sx.ablations.ridge((x, y), (x[:3], y[:3]), l2=1.0), key=jax.random.key(0), budget=40, method="lasso"
    )
    assert several.names == ("test point 0", "test point 1", "test point 2")
    np.testing.assert_allclose(several[1].values, several.values[:, 1])


def test_parts_of_a_generated_answer(smollm2):
    text = "Irene moved to Prague. Felix lives in Lisbon. Paul bakes bread. The bees sleep."
    asked = {
        "question": "Where do Irene and Felix live?",
        "answers": "Irene lives in Prague and Felix in Lisbon.",
        "features": "sentence",
    }
    tokens = sx.ablations.text(smollm2, text, value="token-log-probability", **asked)
    each = sx.explain_each(tokens, key=jax.random.key(0), budget=16)
    assert "".join(each.names) == asked["answers"]
    assert len(each) == tokens.num_values > 5
    whole = sx.evaluate(sx.ablations.text(smollm2, text, **asked), each[0].masks)
    np.testing.assert_allclose(each.values.sum(1), whole, atol=1e-4)
    for part, sentence in (("Prague", 0), ("Felix in Lisbon", 1)):
        found = each.of(part)
        assert found.interactions("SV").top(1).support[0, 0] == sentence
        assert found.provenance["value"] == "log-probability"
        assert found.provenance["answers"] == [part]
    assert each.of("rag") is each.of("Prague")  # whole tokens
    assert each.of([0, len(each) - 1]).provenance["answers"] == [each.names[0] + " …" + each.names[-1]]
    with pytest.raises(ValueError, match=r"sx\.explain_each explains them all"):
        sx.explain(tokens, key=jax.random.key(0), budget=16)


def test_tokens_that_are_parts_of_characters_add_up(smollm2):
    (ids,) = smollm2.encode(["naïve 🐝 Ωmega"])
    pieces = smollm2.pieces(ids)
    assert "".join(pieces) == "naïve 🐝 Ωmega"
    assert "" in pieces
    assert smollm2.pieces([]) == []

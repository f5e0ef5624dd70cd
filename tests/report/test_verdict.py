"""The verdict in words, for each kind of value function."""

import dataclasses
import re

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax._printable import labels
from spexjax.explanation import Faithfulness, ends_of
from spexjax.report._data import tables
from spexjax.report._overview import overview
from spexjax.report._verdict import asked, baseline, decides, headline, how_sure, verdict


def words(markup):
    return re.sub(r"<[^>]*>", "", markup).replace("\u00a0", " ")


def said(explanation, value, answers, ends, **more):
    """The headline and how sure the answer is, for an explanation of this value."""
    provenance = {"model": "org/tiny/", "value": value, "answers": answers, "pieces": [["a", 0]], **more}
    one = explanation({(): 1.0, (0,): 0.5}, ["a", "b"], provenance={k: v for k, v in provenance.items() if v})
    return headline(one, ends), words(how_sure(one, ends)), words(baseline(one, ends))


def test_two_answers(explain):
    assert said(explain, "logit-difference", [" yes", " no"], {True: 1.0986, False: -1.0}) == (
        "tiny answers “yes”",
        "Between the two, 75 % for “yes” and 25 % for “no”.",
        "",
    )
    assert said(explain, "logit-difference", [" yes", " no"], {True: -1.0986})[0] == "tiny answers “no”"


def test_one_answer(explain):
    likely = said(explain, "log-probability", ["Ada"], {True: -0.2231})
    assert likely == ("tiny answers “Ada”", "It gives this answer a probability of 80 %.", "")
    assert said(explain, "log-odds", ["Ada"], {True: -2.0})[0] == "What makes tiny say “Ada”"


def test_a_long_answer_does_not_fill_the_headline(explain):
    long = "It depends on many things, " * 20
    title, _, _ = said(explain, "log-probability", [long], {True: -20.0})
    assert len(title) < 90


def test_a_long_answer_is_there_in_full(explain):
    long = "It depends on many things, " * 20
    one = explain({(): -1.0, (0,): 0.5}, ["a", "b"], provenance={"answers": [long], "value": "log-probability"})
    assert long in verdict(one, ends_of(one), tables(one, "FSII", 2, 5)[0], one.feature_names)


@pytest.mark.parametrize(("full", "answer"), [(1.0, "yes"), (-1.0, "no")])
def test_a_prompt_that_brings_the_answer_by_itself(explain, full, answer):
    why = said(explain, "logit-difference", [" yes", " no"], {True: full, False: 1.5 * full})[2]
    assert f"leans even more to “{answer}”" in why
    assert "speaks against it, by 0.50" in why


def test_several_prompts(explain):
    more = {"prompts": ["a", "b"], "pieces": None}
    assert said(explain, "logit-difference", [], {True: 0.5}, **more)[:2] == (
        "tiny prefers the right answer, on average over 2 prompts",
        "On average, the logit-difference is +0.500.",
    )
    assert said(explain, "accuracy", [], {True: 0.75}, **more)[0] == "tiny answers 75 % of 2 prompts correctly"


def test_what_was_asked():
    assert words(asked({"question": "Is it good?\n{text}"})) == "Asked: Is it good?"
    assert asked({"question": "{text}"}) == asked({}) == ""
    long = "Weigh all that is said. " * 10 + "Is it good? Answer with one word.\n{text}"
    assert words(asked({"question": long})) == "Asked: … Is it good? …"


def test_which_combination_decides(review):
    table = tables(review, "FSII", 2, 20)[0]
    sentences = words(verdict(review, ends_of(review), table, labels(review.feature_names)))
    assert "The combination that counts most: not × good".replace(" × ", "×") in sentences
    assert "towards “good”" in sentences
    assert "single words" in sentences


def test_noise_decides_nothing(review):
    table = tables(review, "FSII", 2, 20)[0]
    said = verdict(review, {}, table._replace(errors={}, typical={1: 0.0, 2: 10.0}), review.feature_names)
    assert "No combination stands out from the noise." in said
    alone = table._replace(terms=[((0,), 1.0)])
    assert "The fit has single words only" in verdict(review, {}, alone, review.feature_names)
    exact = dataclasses.replace(review, faithfulness=Faithfulness(1.0, np.arange(31), "exact", exact=True))
    assert "No combination has an effect." in verdict(exact, {}, alone, review.feature_names)


def test_what_all_pairs_share_decides_nothing():
    masks = np.random.default_rng(0).random((60, 8)) < 0.5
    masks[0], masks[1] = True, False
    values = 2.0 * masks[:, 0] - masks[:, 1] + 1.5 * (masks[:, 2] & masks[:, 3])
    explanation = sx.fit(masks, values, key=jax.random.key(0), method="lasso")
    table = tables(explanation, "FSII", 2, 10)[0]
    assert set(explanation.interactions("FSII", 2).order(2).values) == {table.usual[2]}
    assert not [s for s, _ in table.terms if len(s) == 2]
    assert "No combination stands out: all have the same value." in decides(
        explanation, table, list(explanation.feature_names)
    )
    assert overview({"one": explanation})[0].names == ()


def test_noise_is_said_to_be_noise_everywhere():
    rng = np.random.default_rng(0)
    noise = sx.ablations.host_function(lambda masks: rng.normal(size=len(masks)), 10)
    explanation = sx.explain(noise, budget=100, key=jax.random.key(0), method="lasso")
    assert explanation.faithfulness.r2 < 0.1
    assert "Not learnable at this budget" in repr(explanation)
    table = tables(explanation, "FSII", 2, 10)[0]
    assert decides(explanation, table, list(explanation.feature_names)) != "Nothing that was removed changed the value."
    shared = table.usual[2]
    assert shared == shared
    assert all(value != shared for s, value in table.terms if len(s) == 2)

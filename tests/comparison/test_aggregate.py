"""Aggregates over texts by word or label, against sums by hand."""

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax.comparison import aggregate, mean


def singles(values, names, index="SV"):
    return sx.Interactions(np.arange(len(names))[:, None], np.array(values, float), index, 1, len(names), names)


TEXTS = [
    singles([1.0, -2.0, 3.0], ("Not ", "bad,", "not")),
    singles([0.5, 1.0], (" NOT", "film")),
    singles([-0.5, 4.0], ("bad", "...")),
]


def test_the_mean_of_a_word_over_its_occurrences():
    found = aggregate(TEXTS)
    assert found["not"].mean == pytest.approx((1 + 3 + 0.5) / 3)
    assert found["not"][2:4] == (3, 2)
    assert found["bad"].mean == -1.25
    assert [group.labels for group in found.groups] == [("not",), ("bad",), ("film",)]  # "..." is no word
    assert len(found) == 3


def test_the_standard_error_is_over_texts():
    """With an occurrence in each text, it is the usual one; texts that repeat a word count as one each."""
    values = np.random.default_rng(0).normal(size=12)
    found = aggregate([singles([v], ("a",)) for v in values])["a"]
    assert found.standard_error == pytest.approx(values.std(ddof=1) / np.sqrt(12))
    doubled = aggregate([singles([v, v], ("a", "a")) for v in values])["a"]
    assert doubled.occurrences == 24
    assert doubled.standard_error == pytest.approx(found.standard_error)
    assert np.isnan(aggregate(TEXTS)["film"].standard_error)


def test_pairs_that_have_no_value_count_as_zero():
    names = ("a", "b", "a", "b")
    pairs = sx.Interactions(np.array([[0, 1], [0, 2]], np.int32), np.array([2.0, 6.0]), "SII", 2, 4, names)
    none = sx.Interactions(np.array([[0, 4]], np.int32), np.array([1.0]), "SII", 2, 4, names)
    found = aggregate([pairs, none])
    assert found["b", "a"][1:4] == (2.0 / 8, 8, 2)
    assert found["a", "a"][1:4] == (6.0 / 2, 2, 2)
    assert found["a"][1:4] == (1.0 / 4, 4, 2)


def test_labels_of_all_kinds():
    kinds = {"bad,": "adjective", "bad": "adjective", "film": "noun"}
    by_dict = aggregate(TEXTS, by=kinds)
    assert [group.labels for group in by_dict.groups] == [("adjective",), ("noun",)]
    by_function = aggregate(TEXTS, by=lambda name: kinds.get(name))
    assert repr(by_function) == repr(by_dict)
    listed = aggregate(TEXTS, by=[["x", None, "x"], ["x", "y"], [None, None]])
    assert listed["x"].mean == 1.5
    assert listed.explanations == 3


def test_what_it_says():
    found = aggregate(TEXTS)
    assert repr(found).splitlines()[0] == "SV over 3 explanations: 3 groups"
    assert "not  (3 in 2)" in repr(found)
    assert found.at_least(2).to_dicts()[1]["labels"] == ("bad",)
    hostile = aggregate([singles([1.0], ("<script>",))], by=lambda name: name)
    assert "<script" not in hostile._repr_html_()
    with pytest.raises(KeyError, match="'x' is in none of the 3 explanations"):
        found["x"]


def test_explanations_of_different_texts():
    game = {4: lambda x: x[:, 0] * 2.0 - x[:, 3], 5: lambda x: x[:, 1] * 4.0 + x[:, 2] * x[:, 3]}
    names = {4: ("not", "a", "good", "film"), 5: ("It", "is", "not", "bad", "!")}
    masks = {n: all_masks(n) for n in game}
    fits = [
        sx.fit(masks[n], g(masks[n].astype(float)), key=jax.random.key(0), feature_names=names[n])
        for n, g in game.items()
    ]
    assert aggregate(fits)["not"].mean == pytest.approx((2.0 + 0.5) / 2, abs=1e-5)
    assert aggregate(fits, index="FSII")["bad", "not"].mean == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("texts", "by", "said"),
    [
        ([], "word", "one or more explanations, or tables of one index and order; got none"),
        ([*TEXTS, singles([1.0], ("a",), "BV")], "word", "got BV of order 1, SV of order 1"),
        ([{(0,): 1.0}], "word", "takes explanations, or tables of interactions; got dict"),
        (TEXTS, "letter", "a dict, or labels for each explanation; got 'letter'"),
        (TEXTS, [["a", "b", "c"], ["a"]], "a label for each of the 3 features of explanation 0, of 3 explanations"),
        (TEXTS, [["a"]] * 3, "a label for each of the 3 features of explanation 0"),
    ],
)
def test_what_cannot_be_aggregated(unchecked, texts, by, said):
    with pytest.raises(ValueError, match=said):
        aggregate(texts, by=by)


def test_means_are_of_explanations(unchecked):
    for wrong in ([], [1.0], TEXTS):
        with pytest.raises(ValueError, match="one or more explanations, from explain, fit or load"):
            mean(wrong)

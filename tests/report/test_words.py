import numpy as np
import pytest

from spexjax._printable import labels
from spexjax.explanation._explanation import Faithfulness
from spexjax.report._words import directions, signed, value_in_words, variance_explained, where_time_went


def test_labels_are_distinct_one_line_and_short():
    names = ["the", "the", "the₁", "a\nb", "a b", "", "  ", "x" * 50, "x" * 60, "\ud800", "a\u202eb"]
    short = labels(names, width=10)
    assert len(set(short)) == len(names)
    assert short[:3] == ("the₁′", "the₂", "the₁")
    assert short[3:5] == ("a b₁", "a b₂")
    assert short[7] == "xxxx…xxxxx₁"
    assert short[9:] == (r"\ud800", r"a\u202eb")


def test_many_equal_names():
    assert labels(["a"] * 12)[-1] == "a₁₂"


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (1.0, 1.0, "+1.00"),
        (-0.001, 1.0, "+0.00"),
        (0.0, 0.0, "+0.00"),
        (-12.34, 123.0, "−12"),
        (-3e-7, 3e-7, "−3.00e−07"),
        (2e12, 2e12, "+2.00e+12"),
        (0.00012, 0.00012, "+0.000120"),
    ],
)
def test_signed(value, scale, text):
    assert signed(value, scale) == text


def test_values_in_words():
    assert value_in_words({}) is None
    assert value_in_words({"value": "log-probability", "answers": ["Ada"]}) == 'log P("Ada")'
    assert value_in_words({"value": "log-odds", "answers": ["Ada"]}) == 'log-odds("Ada")'
    assert value_in_words({"value": "accuracy"}) == "accuracy"
    assert directions({}) == ("raises the value", "lowers the value")
    assert directions({"value": "log-odds", "answers": ["Ada"]})[1] == "makes “Ada” less likely"


@pytest.mark.parametrize(
    ("r2", "scheme", "said"),
    [
        (0.82, "held out", "accounts for 82 % of the variance"),
        (0.996, "held out", "misses the other 0.4 %"),
        (-0.1, "held out", "no better than their mean"),
        (float("nan"), "held out", "no variance to explain"),
        (0.82, "exactly as the others", "accounts for 82 % of the variance"),
    ],
)
def test_variance_explained(r2, scheme, said):
    assert said in variance_explained(Faithfulness(r2, np.arange(3), scheme))


def test_variance_of_an_exact_explanation():
    assert "every mask was evaluated" in variance_explained(Faithfulness(1.0, np.zeros(0, int), "all", exact=True))
    nothing = Faithfulness(float("nan"), np.zeros(0, int), "all", exact=True)
    assert "no variance to explain" in variance_explained(nothing)


def test_no_time_at_all():
    assert where_time_went({}) == ""
    assert where_time_went({"fit": 0.0}) == "fit 0.0 s"

import dataclasses

import numpy as np
import pytest

from spexjax.indices import Interactions

NAMES = ("not", "very", "good", "film")


@pytest.fixture
def result():
    support = np.array([[4, 4], [0, 4], [2, 4], [0, 2], [1, 3]], np.int32)
    return Interactions(support, np.array([9.0, -0.25, 1.0, -3.0, 2.0]), "STII", 2, 4, NAMES)


def test_lookup(result):
    assert len(result) == 5
    assert result[0] == result[(0,)] == -0.25
    assert result[0, 2] == result[2, 0] == -3.0
    assert result[()] == 9.0
    assert result[0, 1] == result[1] == 0.0


def test_lookup_by_name(result):
    assert result["good"] == result[2] == result[np.int32(2)] == 1.0
    assert result["good", "not"] == result[["not", 2]] == result[np.array([0, 2])] == -3.0
    unnamed = dataclasses.replace(result, feature_names=None)
    assert unnamed["x0", "x2"] == -3.0


@pytest.mark.parametrize("s", [-1, 4, (0, 0), (0, 9), (0, 1, 2), "bad", ("not", "not"), 1.5, None, (0, None), "twice"])
def test_what_is_no_set_of_features(result, unchecked, s):
    result = dataclasses.replace(result, feature_names=("not", "very", "twice", "twice"))
    with pytest.raises(ValueError, match=r"not a set of at most 2 features: give different numbers out of 0\.\.3"):
        result[s]


def test_iteration_and_dict_agree(result):
    assert dict(result) == result.to_dict() == {(): 9.0, (0,): -0.25, (2,): 1.0, (0, 2): -3.0, (1, 3): 2.0}
    assert all(type(i) is int for s, _ in result for i in s)


def test_the_dict_is_a_copy(result):
    result.to_dict().clear()
    assert result[0, 2] == -3.0


def test_top_leaves_out_the_empty_set(result):
    assert list(result.top()) == [((0, 2), -3.0), ((1, 3), 2.0), ((2,), 1.0), ((0,), -0.25)]
    assert list(result.top(2)) == [((0, 2), -3.0), ((1, 3), 2.0)]
    assert len(result.top(0)) == 0


def test_order(result):
    assert result.order(0).to_dict() == {(): 9.0}
    assert result.order(1).to_dict() == {(0,): -0.25, (2,): 1.0}
    assert len(result.order(3)) == 0


def test_names(result):
    assert result.names((0, 2)) == ("not", "good")
    assert dataclasses.replace(result, feature_names=None).names((0, 2)) == ("x0", "x2")


def test_text(result):
    assert str(result).splitlines() == [
        "STII up to order 2: 5 interactions of 4 features",
        "    9  ∅",
        "   -3  not, good",
        "    2  very, film",
        "    1  good",
        "-0.25  not",
    ]


def test_text_of_many_and_of_none():
    many = Interactions(np.arange(50)[:, None], np.arange(1.0, 51), "Moebius", None, 50)
    assert str(many).splitlines()[0] == "Moebius of all orders: 50 interactions of 50 features"
    assert str(many).splitlines()[1] == "50  x49"
    assert str(many).splitlines()[-1] == "    and 30 weaker ones"
    assert str(many.order(2)) == "Moebius of all orders: 0 interactions of 50 features"


def test_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.index = "SV"


def test_no_negative_number_of_interactions(result):
    with pytest.raises(ValueError, match="0 or more; got -3"):
        result.top(-3)

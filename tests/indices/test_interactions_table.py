import dataclasses
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from spexjax.indices import Interactions

DOCS = Path(__file__).parents[2] / "docs"
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


def test_what_is_in_a_table(result, unchecked):
    for s in ((0, 2), (2, 0), [0, 2], {0, 2}, 2, (2,), "good", ("not", "good"), (), np.int64(0)):
        assert s in result
    for s in ((0, 1), 1, "very", "nothing", 9, (0, 0), (0, 1, 2), 2.5, None, ((0, 1), 0.0), ((0, 2), 1.0)):
        assert s not in result
    assert all(pair in result for pair in result)


def test_equal_tables(result):
    shuffled = dataclasses.replace(result, support=result.support[::-1], values=result.values[::-1], note="Read so.")
    assert result == shuffled == result * 1.0
    assert hash(result) == hash(shuffled) == hash(result * 1.0)
    assert Interactions.from_json(result.to_json()) == result
    nan = result * float("nan")
    assert nan == nan * 1.0
    others = [result * 2, result.top(2), result.order(1), nan, result.to_dict()]
    changes = {"index": "SII", "max_order": 3, "feature_names": ("not", "very", "good", "play")}
    for other in [*others, *(dataclasses.replace(result, **{name: value}) for name, value in changes.items())]:
        assert result != other


def test_sum_adds_several(result):
    assert sum([result, result]) == 2 * result
    with pytest.raises(TypeError):
        1 + result


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


def test_only(result):
    assert result.only([(0, 2), (), (1, 2)]).to_dict() == {(): 9.0, (0, 2): -3.0}
    assert len(result.only([])) == 0


def test_names(result):
    assert result.names((0, 2)) == ("not", "good")
    assert dataclasses.replace(result, feature_names=None).names((0, 2)) == ("x0", "x2")


def test_text(result):
    assert repr(result) == str(result)
    assert str(result).splitlines() == [
        "STII up to order 2: 5 interactions of 4 features",
        "+9.00  ∅",
        "-3.00  not × good",
        "+2.00  very × film",
        "+1.00  good",
        "-0.25  not",
    ]


def test_text_of_many_and_of_none():
    many = Interactions(np.arange(50)[:, None], np.arange(1.0, 51), "Moebius", None, 50)
    assert str(many).splitlines()[0] == "Moebius of all orders: 50 interactions of 50 features"
    assert str(many).splitlines()[1] == "+50.0  x49"
    assert str(many).splitlines()[-1] == "       and 30 weaker ones"
    assert str(many.order(2)) == "Moebius of all orders: 0 interactions of 50 features"


def test_equal_names_are_told_apart_and_found_by_what_is_shown(result):
    twice = dataclasses.replace(result, feature_names=("is", "very", "is", "film"))
    assert "-3.00  is₁ × is₂" in str(twice)
    assert (twice["is₂"], twice["is₁", "is₂"], twice["film", 1]) == (1.0, -3.0, 2.0)


def with_errors(table, *errors):
    return dataclasses.replace(table, errors_of=lambda some: np.array(errors)[: len(some)])


def test_noise_is_called_noise(result):
    table = with_errors(result.order(1), 0.2, 0.1)
    assert str(table).splitlines()[1:] == ["+1.00 ± 0.20  good", "-0.25 ± 0.10  not"]
    noisy = with_errors(result.order(1), 0.6, float("nan"))
    assert str(noisy).splitlines()[1:] == ["+1.00 ± 0.60  good  (within 2 s.e. of 0)", "-0.25         not"]
    assert 'class="noise"' in noisy._repr_html_()
    assert 'class="noise"' not in table._repr_html_()


def test_html_escapes_whatever_features_are_called(result):
    hostile = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\x1b[31m\u202e", "&amp;")
    page = dataclasses.replace(result, feature_names=hostile)._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&amp;amp;" in page
    assert not {"\x1b", "\u202e"} & set(page)
    assert len(page) < 10_000


def test_rich_prints_names_as_they_are(result):
    console = Console(width=80, file=io.StringIO())
    console.print(dataclasses.replace(result, feature_names=("[red]not[/]", "very", "good", "film")))
    said = console.file.getvalue()
    assert "[red]not[/] × good" in said
    assert "STII up to order 2" in said


def test_sums_and_differences(result):
    other = Interactions(np.array([[0, 4], [0, 1]], np.int32), np.array([1.0, 5.0]), "STII", 2, 4, NAMES)
    found = result - 2 * other
    assert found.to_dict() == {(): 9.0, (0,): -2.25, (2,): 1.0, (0, 1): -10.0, (0, 2): -3.0, (1, 3): 2.0}
    assert found.orders.tolist() == [0, 1, 1, 2, 2, 2]
    assert (-(result + np.float64(1) * other) / 2).to_dict()[0, 1] == -2.5
    assert np.isnan(found.standard_errors).all()
    assert (result - result).top(1).values.tolist() == [0.0]
    with pytest.raises(TypeError):
        result + 1


def test_errors_of_sums(result):
    one, other = with_errors(result, *[3.0] * 5), with_errors(result, *[2.0] * 5)
    np.testing.assert_allclose((one - 2 * other).standard_errors, 5.0)
    np.testing.assert_allclose((one - 2 * other).top(2).standard_errors, [5.0, 5.0])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"index": "SII"}, "got STII of order 2 and SII of order 2"),
        ({"max_order": None}, "got STII of order 2 and STII of all orders"),
        ({"feature_names": None}, "Feature 0 is 'not' here and 'x0' there; only explanations of the same features"),
        ({"num_features": 5, "feature_names": (*NAMES, "!")}, "There are 4 features here and 5 there"),
    ],
)
def test_what_cannot_be_subtracted(result, changed, said):
    with pytest.raises(ValueError, match=said):
        result - dataclasses.replace(result, **changed)


def test_pandas(result):
    pandas = pytest.importorskip("pandas")
    frame = with_errors(result, 0.0, 0.1, 0.2, 0.3, float("nan")).to_pandas()
    assert [*frame.columns] == ["interaction", "features", "order", "value", "standard_error"]
    assert frame.interaction.tolist() == ["", "not", "good", "not × good", "very × film"]
    assert frame.features.tolist() == [(), (0,), (2,), (0, 2), (1, 3)]
    assert frame.order.tolist() == [0, 1, 1, 2, 2]
    assert frame.value.sum() == 8.75
    assert frame.standard_error.isna().tolist() == [False] * 4 + [True]
    assert frame.attrs == {"index": "STII", "max_order": 2}
    assert isinstance(result.order(3).to_pandas(), pandas.DataFrame)


def test_without_pandas(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"A data frame needs pandas: pip install 'spexjax\[tables\]'"):
        result.to_pandas()


def test_json_is_read_back(result):
    table = with_errors(result, 0.0, 0.1, 0.2, 0.3, float("nan"))
    text = table.to_json()
    row = json.loads(text)["interactions"][3]
    assert row == {"features": [0, 2], "names": ["not", "good"], "value": -3.0, "standard_error": 0.3}
    found = Interactions.from_json(text)
    assert found.to_dict() == table.to_dict()
    np.testing.assert_array_equal(found.standard_errors, table.standard_errors)
    np.testing.assert_array_equal(found.top(2).standard_errors, [0.3, np.nan])
    assert (found.index, found.max_order, found.feature_names) == ("STII", 2, NAMES)
    assert found.to_json() == text
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DOCS / "interactions.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    for each in (table, dataclasses.replace(result, feature_names=None, max_order=None), result.order(3)):
        jsonschema.validate(json.loads(each.to_json()), schema)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "other"}, "its kind is 'other'"),
        ({"interactions": [{"features": [0]}]}, "KeyError: 'value'"),
        ({"interactions": [{"features": [1, 0], "value": 1, "standard_error": 0}]}, "no set of features out of 0..3"),
        ({"interactions": [{"features": [9], "value": 1, "standard_error": 0}]}, "no set of features out of 0..3"),
        ({"feature_names": ["a"]}, "1 names for 4 features"),
        ({"num_features": "many"}, "invalid literal"),
    ],
)
def test_json_that_is_no_table(result, change, said):
    text = json.dumps(json.loads(result.to_json()) | change)
    with pytest.raises(ValueError, match=f"no table that Interactions.to_json wrote: .*{said}"):
        Interactions.from_json(text)
    with pytest.raises(ValueError, match="no table that"):
        Interactions.from_json("{")


def test_frozen(result):
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.index = "SV"


def test_no_negative_number_of_interactions(result, unchecked):
    with pytest.raises(ValueError, match="0 or more; got -3"):
        result.top(-3)
    for k in (2.5, "3", True, None):
        with pytest.raises(ValueError, match="a whole number, 0 or more; got"):
            result.top(k)

"""What is plain data in the bridges to other packages: stand-ins have the attributes that spexjax reads of theirs."""

import dataclasses
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx

MASKS = all_masks(4)


def value(x):
    return 2.0 * x[:, 0] * x[:, 3] - x[:, 1]


class Game:
    n_players, player_name_lookup = 4, {"b": 1, "a": 0, "c": 2, "d": 3}

    def __call__(self, coalitions):
        assert coalitions.dtype == bool
        return value(coalitions.astype(float)) - 7.0


def test_a_game_is_explained():
    ablation = sx.interop.from_game(Game(), fingerprint="a game")
    assert (ablation.feature_names, ablation.fingerprint) == (("a", "b", "c", "d"), "a game")
    table = sx.explain(ablation, budget=16, key=jax.random.key(0)).interactions("Moebius")
    assert table.to_dict() == pytest.approx({(): -7.0, (1,): -1.0, (0, 3): 2.0}, abs=1e-5)
    assert sx.interop.from_game(Game(), feature_names="wxyz").feature_names == tuple("wxyz")


def test_a_value_function_is_explained_and_handed_back():
    def of_integers(masks):
        assert masks.dtype.kind == "i"
        return value(masks).tolist()

    ablation = sx.interop.from_value_function(of_integers, ["a", 2, "c", "d"])
    assert ablation.feature_names == ("a", "2", "c", "d")
    again = sx.interop.to_value_function(ablation)
    np.testing.assert_allclose(again(MASKS.astype(int)), value(MASKS.astype(float)))
    np.testing.assert_allclose(again([1, 0, 0, 1]), [2.0])
    assert sx.interop.from_value_function(of_integers, 4).feature_names == ("x0", "x1", "x2", "x3")
    with pytest.raises(ValueError, match=r"Masks must be \[m, 4\]"):
        again(np.ones((1, 5)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: sx.interop.from_game(len), "a shapiq.Game, which has n_players and can be called; got builtin"),
        (lambda: sx.interop.from_game(SimpleNamespace(n_players=3)), "got SimpleNamespace"),
        (lambda: sx.interop.from_game(Game(), feature_names=["a"]), "4 features but 1 feature names"),
        (lambda: sx.interop.from_value_function(value, "abcd"), "a list of them; got a string"),
        (lambda: sx.interop.from_value_function(value, []), "1 or more; got 0"),
        (lambda: sx.interop.to_value_function(value), "value is not an ablation"),
        (lambda: sx.interop.to_game(len), "len is not an ablation"),
        (lambda: sx.interop.attributions([]), "one or more explanations, from explain, fit or load"),
    ],
)
def test_what_cannot_be_taken_over(unchecked, call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_without_shapiq(monkeypatch):
    monkeypatch.setitem(sys.modules, "shapiq", None)
    table = sx.indices.interactions(sx.Spectrum.from_dict({(0,): 1.0}, 2), "SV")
    with pytest.raises(ImportError, match=r"needs shapiq: pip install 'shapiq>=1.8', on Python 3.12 or later"):
        table.to_shapiq()
    with pytest.raises(ImportError, match="needs shapiq"):
        sx.interop.to_game(sx.interop.from_game(Game()))
    unknown = dataclasses.replace(table, index="mine")
    with pytest.raises(ValueError, match="shapiq has no index mine; these can be handed over: SV, BV, SII"):
        unknown.to_shapiq()


def test_a_table_of_shapiq_is_read():
    theirs = SimpleNamespace(
        interactions={(): 0.5, (2,): np.float64(1.0), (2, 0): -2.0}, index="k-SII", max_order=2, n_players=3
    )
    table = sx.Interactions.from_shapiq(theirs, "abc")
    assert table.to_dict() == {(): 0.5, (2,): 1.0, (0, 2): -2.0}
    assert (table.index, table.max_order, table["a", "c"]) == ("k-SII", 2, -2.0)
    assert np.isnan(table.standard_errors).all()
    with pytest.raises(ValueError, match="3 features but 2 feature names"):
        sx.Interactions.from_shapiq(theirs, "ab")
    with pytest.raises(ValueError, match=r"takes a shapiq\.InteractionValues; got dict"):
        sx.Interactions.from_shapiq({})


def explained(game, **provenance):
    fitted = sx.fit(MASKS, game(MASKS.astype(float)), key=jax.random.key(0), feature_names=tuple("abcd"))
    return dataclasses.replace(fitted, provenance=provenance)


def test_attributions_have_a_row_for_each_output():
    one, other = explained(value, answers=[" yes", " no"]), explained(lambda x: x[:, 2] * 3)
    found = sx.interop.attributions([one, other])
    np.testing.assert_allclose(found.matrix, [[1, -1, 0, 1], [0, 0, 3, 0]], atol=1e-5)
    assert not found.standard_errors.any()
    assert (found.input_tokens, found.output_tokens) == (tuple("abcd"), (" yes -  no", "output 1"))
    single = sx.interop.attributions(one - other, "BV", ["difference"])
    np.testing.assert_allclose(single.matrix, [[1, -1, -3, 1]], atol=1e-5)
    with pytest.raises(ValueError, match="2 explanations but 1 output tokens"):
        sx.interop.attributions([one, other], output_tokens=["x"])
    with pytest.raises(ValueError, match="Feature 0 is 'a' here and 'w' there"):
        sx.interop.attributions([one, dataclasses.replace(other, feature_names=tuple("wxyz"))])

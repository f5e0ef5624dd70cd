"""An explanation with a surrogate: what it predicts, how sure it is, and back from the disk."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, random_surrogate

import spexjax as sx
from spexjax.indices import Ends, surrogate_interactions

N, MASKS = 6, all_masks(6)


@pytest.fixture(scope="module")
def explanation():
    surrogate, rows, values = random_surrogate(N, 20, share=0.5, rest={(): 0.3, (1,): -0.4, (0, 2, 3): 0.6})
    spectrum = surrogate.spectrum(np.array([[6, 6, 6], [0, 6, 6], [1, 6, 6], [0, 2, 6], [0, 2, 3]], np.int32))
    faithfulness = sx.explanation.Faithfulness(0.5, np.arange(20), "by hand", 0.1)
    names = tuple("abcdef")
    return sx.Explanation(
        spectrum, faithfulness, names, "hand", MASKS[rows], np.float32(values), {"note": 1}, {}, surrogate
    )


@pytest.fixture(scope="module")
def loaded(explanation, tmp_path_factory):
    return sx.load(explanation.save(tmp_path_factory.mktemp("surrogate")))


def test_predictions_are_the_surrogates(explanation):
    np.testing.assert_array_equal(explanation.predict(MASKS), explanation.surrogate(MASKS))
    np.testing.assert_array_equal(explanation.prediction_errors(MASKS), explanation.surrogate.standard_error(MASKS))
    assert np.abs(explanation.predict(MASKS) - np.asarray(explanation.spectrum(MASKS))).max() > 0.01


def test_interactions_are_the_corrected_surrogates(explanation):
    residuals = explanation.values - explanation.surrogate(explanation.masks)
    names = explanation.feature_names
    table = explanation.interactions("BV")
    none = Ends(0.0, 0.0)
    expected = surrogate_interactions(explanation.surrogate, residuals, explanation.spectrum, none, "BV", None, names)
    assert table.to_dict() == expected.to_dict()
    assert table.feature_names == names
    fourier = explanation.interactions("Fourier")
    errors = explanation.surrogate.coefficient_errors(fourier.support)
    np.testing.assert_array_equal(explanation.standard_errors(fourier), errors)


def test_a_table_is_computed_once_and_nobody_can_change_it(explanation, tmp_path):
    table = explanation.interactions("SV")
    repr(explanation), explanation.save(tmp_path), explanation._repr_html_()
    assert explanation.interactions("SV") is table
    assert explanation._indexed("FSII", 2) is explanation.interactions("FSII", 2)
    with pytest.raises(ValueError, match="read-only"):
        table.values[0] = 1.0


def test_without_a_surrogate_errors_are_unknown(explanation):
    plain = dataclasses.replace(explanation, surrogate=None)
    np.testing.assert_array_equal(plain.predict(MASKS), plain.spectrum(MASKS))
    assert np.isnan(plain.prediction_errors(MASKS)).all()
    table = plain.interactions("SV")
    assert np.isnan(plain.standard_errors(table)).all()
    assert plain.standard_errors(table).shape == (len(table),)
    named = dataclasses.replace(plain, method="exact")  # as a proxy of the user's own may be
    assert np.isnan(named.prediction_errors(MASKS)).all()
    exact = dataclasses.replace(plain, faithfulness=dataclasses.replace(plain.faithfulness, exact=True))
    assert not exact.prediction_errors(MASKS).any()
    assert not exact.standard_errors(table).any()


def test_the_error_is_said(explanation):
    assert str(explanation.faithfulness) == "R2 = 0.500 ± 0.100 (by hand)"
    assert str(dataclasses.replace(explanation.faithfulness, error=0.0)) == "R2 = 0.500 (by hand)"


def test_masks_of_other_numbers_and_shapes(explanation):
    for masks in (MASKS.astype(np.float32), MASKS.astype(int).tolist(), jnp.asarray(MASKS, jnp.int32)):
        np.testing.assert_array_equal(explanation.predict(masks), explanation.predict(MASKS))
        np.testing.assert_array_equal(explanation.prediction_errors(masks), explanation.prediction_errors(MASKS))
    for function in (explanation.predict, explanation.prediction_errors, explanation.spectrum, explanation.surrogate):
        for wrong in (2 * MASKS - 1, MASKS + 0.5, np.full((1, 6), np.nan), np.full((1, 6), "1")):
            with pytest.raises(ValueError, match=r"True or 1 \(kept\) or False or 0 \(removed\)"):
                function(wrong)
        for wrong in (MASKS[0], MASKS[:, 1:], MASKS[None]):
            with pytest.raises(ValueError, match=r"Masks must be \[m, 6\], for 6 features, one mask x being x\[None\]"):
                function(wrong)
    with pytest.raises(ValueError, match="bool inside a JAX transformation; got float32"):
        jax.jit(lambda masks: explanation.spectrum(masks))(MASKS.astype(np.float32))


def test_loaded_predictions(explanation, loaded):
    np.testing.assert_array_equal(loaded.predict(MASKS), explanation.predict(MASKS))
    assert (loaded.faithfulness.r2, loaded.faithfulness.error) == (0.5, 0.1)
    assert loaded.diagnostics == {"note": 1}


@pytest.mark.parametrize("index", ["BII", "FBII", "Fourier"])
def test_loaded_interactions(explanation, loaded, index):
    found, expected = loaded.interactions(index), explanation.interactions(index)
    assert found.to_dict() == pytest.approx(expected.to_dict(), abs=1e-6)
    assert found.feature_names == expected.feature_names


def test_loaded_prediction_errors(explanation, loaded):
    np.testing.assert_allclose(loaded.prediction_errors(MASKS), explanation.prediction_errors(MASKS), rtol=1e-5)


@pytest.mark.parametrize("index", ["BV", "Fourier"])
def test_loaded_standard_errors(explanation, loaded, index):
    found, expected = (e.standard_errors(e.interactions(index)) for e in (loaded, explanation))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_saved_twice_is_the_same(explanation, loaded, tmp_path):
    first, again = (json.loads(e.save(tmp_path / str(i)).read_text()) for i, e in enumerate((explanation, loaded)))
    assert first == again


def test_diagnostics_of_numpy_and_nan(explanation, tmp_path):
    details = {"a": np.float32(0.5), "b": [np.arange(2), jnp.float32(2)], 3: {"c": np.nan, "d": float("-inf")}}
    unknown = dataclasses.replace(explanation.faithfulness, r2=float("nan"), error=float("nan"))
    path = dataclasses.replace(explanation, diagnostics=details, faithfulness=unknown).save(tmp_path)
    json.loads(path.read_text(), parse_constant=pytest.fail)
    found = sx.load(tmp_path)
    assert found.diagnostics == {"a": 0.5, "b": [[0, 1], 2.0], "3": {"c": None, "d": None}}
    assert np.isnan([found.faithfulness.r2, found.faithfulness.error]).all()


def test_faithfulness_is_compared_by_its_fields(explanation, loaded):
    kind = sx.explanation.Faithfulness
    kinds = [kind(r2, rows, "by hand", 0.1) for r2 in (0.5, np.nan) for rows in (np.arange(20), np.arange(3))]
    assert len({*kinds, *kinds}) == 4
    assert kinds == [dataclasses.replace(kind, rows=kind.rows.copy()) for kind in kinds]
    assert kinds[0] == explanation.faithfulness == loaded.faithfulness
    assert hash(kinds[0]) == hash(loaded.faithfulness)
    for other in (*kinds[1:], dataclasses.replace(kinds[0], scheme="x"), dataclasses.replace(kinds[0], error=0.0), 0.5):
        assert kinds[0] != other


def test_an_order_that_is_not_complete_is_said(explanation):
    assert explanation.interactions("FSII", 2).note == ""
    cut = explanation._indexed("FSII", 2, all_sets=6)
    known = int((cut.orders == 2).sum())
    assert 0 < known < 15
    assert cut.note == f"Only {known} of 15 sets of 2 have a value; the others count as 0, so sums are not exact."

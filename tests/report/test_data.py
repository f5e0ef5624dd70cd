"""What the page's scripts read: indices that agree with Python's, errors, predictions and masks."""

import base64

import numpy as np
import pytest

from spexjax.report._data import SWITCH, page_data, tables


def test_each_index_is_the_explanation_s_own(film):
    shown = tables(film, "FSII", 2, 20)
    assert [table.name for table in shown] == ["FSII", *(name for name in SWITCH if name != "FSII")]
    for table in shown:
        own = film.interactions(table.name, 2)
        assert dict(table.terms).items() <= own.to_dict().items()
        assert table.terms[0][1] == own.top(1).values[0]


def test_listed_ones_have_their_own_errors(film):
    table = tables(film, "FSII", 2, 5)[0]
    best = film.interactions("FSII", 2).order(2).top(5)
    assert [table.errors[s] for s, _ in best] == pytest.approx(film.standard_errors(best))
    assert table.typical[2] == pytest.approx(np.median(film.standard_errors(best)))
    assert table.stands_out(((0, 1), 3 * table.typical[2]))
    assert not table.stands_out(((0, 1), table.typical[2]))


def test_pairs_of_fbii_have_the_errors_of_bii(film):
    table = next(table for table in tables(film, "FSII", 2, 5) if table.name == "FBII")
    best = [s for s, _ in table.terms if len(s) == 2][:3]
    bii = film.interactions("BII", 2)
    assert [bii[s] for s in best] == pytest.approx([value for s, value in table.terms if s in best], abs=0.05)
    assert all(0 < table.errors[s] < 0.5 for s in best)


def test_every_feature_has_its_strongest_interactions(explain):
    pairs = {(i, j): 1.0 / (1 + i + j) for i in range(30) for j in range(i)}
    table = tables(explain(pairs, [f"x{i}" for i in range(30)]), "FSII", 2, 5)[0]
    sets = [s for s, _ in table.terms]
    assert all(sum(i in s for s in sets if len(s) > 1) >= 8 for i in range(30))
    assert len(sets) < len(pairs)


def test_masks_and_values_come_back(film):
    evaluated = page_data(film, tables(film, "SV", 2, 3), 3, False)["evaluated"]
    bits = np.frombuffer(base64.b64decode(evaluated["masks"]), np.uint8).reshape(len(film.values), -1)
    assert (np.unpackbits(bits, axis=1, count=film.masks.shape[1]).astype(bool) == film.masks).all()
    assert np.frombuffer(base64.b64decode(evaluated["values"]), np.float32) == pytest.approx(film.values)


def test_errors_cover_what_predictions_miss(film):
    """The errors of the page are neither far too small nor far too large, on masks that were not evaluated."""
    found = page_data(film, tables(film, "SV", 2, 3), 3, False)["prediction"]
    errors, offsets = np.array(found["errors"]), np.array(found["offsets"])
    masks = np.random.default_rng(2).random((200, film.masks.shape[1])) < 0.5
    misses = film.predict(masks) - film.spectrum(masks) - offsets[masks.sum(1)]
    assert errors.shape == (film.masks.shape[1] + 1,)
    assert np.sqrt((misses**2).mean()) < 1.5 * errors[len(errors) // 2] < 3 * np.std(film.values)


def test_the_error_without_a_surrogate_is_that_of_the_held_out_masks(review):
    errors = page_data(review, tables(review, "FSII", 2, 3), 3, False)["prediction"]["errors"]
    assert errors == pytest.approx([np.sqrt(0.2 * review.values.var())] * 8, rel=1e-3)


def test_too_many_masks_are_left_out(review, monkeypatch):
    shown = tables(review, "FSII", 1, 3)
    assert page_data(review, shown, 3, False)["evaluated"]
    monkeypatch.setattr("spexjax.report._prediction._MOST_MASKS", 30)
    assert page_data(review, shown, 3, False)["evaluated"] is None


def test_predictions_of_few_features_lack_no_term(explain):
    few = explain({(): 1.0, (0,): 0.5, (0, 1): 0.25}, ["a", "b", "c"])
    found = page_data(few, tables(few, "FSII", 2, 3), 3, False)["prediction"]
    assert found["ends"] == pytest.approx([1 - 0.5 + 0.25, 1 + 0.5 + 0.25])
    assert np.frombuffer(base64.b64decode(found["coefficients"]), np.float32).tolist() == [0.5, 0.25]
    assert np.frombuffer(base64.b64decode(found["orders"]), np.uint16).tolist() == [1, 2]
    assert np.frombuffer(base64.b64decode(found["features"]), np.uint16).tolist() == [0, 0, 1]

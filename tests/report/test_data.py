"""What the page's scripts read: indices that agree with Python's, errors, predictions and masks."""

import base64

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax.report._data import SWITCH, page_data, tables


@pytest.fixture(scope="module")
def fitted():
    """Ten features, a surrogate with standard errors, and noise that it cannot learn."""
    generator = np.random.default_rng(1)
    white = generator.normal(size=1 << 10) * 0.2

    def f(masks):
        x = masks.astype(float)
        return x[:, 0] * 2 - 1.5 * x[:, 1] * x[:, 2] + x[:, 3] + white[masks @ (1 << np.arange(10))]

    ablation = sx.ablations.host_function(f, 10, fingerprint="report")
    return sx.explain(ablation, key=jax.random.key(0), budget=96, method="proxyspex-gp", progress=False)


def test_each_index_is_the_explanation_s_own(fitted):
    shown = tables(fitted, "FSII", 2, 20)
    assert [table.name for table in shown] == ["FSII", *(name for name in SWITCH if name != "FSII")]
    for table in shown:
        own = fitted.interactions(table.name, 2)
        assert dict(table.terms).items() <= own.to_dict().items()
        assert table.terms[0][1] == own.top(1).values[0]


def test_listed_ones_have_their_own_errors(fitted):
    table = tables(fitted, "FSII", 2, 5)[0]
    best = fitted.interactions("FSII", 2).order(2).top(5)
    assert [table.errors[s] for s, _ in best] == pytest.approx(fitted.standard_errors(best))
    assert table.stands_out(((0,), 1.0))
    assert not table.stands_out(((4, 5), table.typical[2]))


def test_every_feature_has_its_strongest_interactions(explain):
    pairs = {(i, j): 1.0 / (1 + i + j) for i in range(30) for j in range(i)}
    table = tables(explain(pairs, [f"x{i}" for i in range(30)]), "FSII", 2, 5)[0]
    sets = [s for s, _ in table.terms]
    assert all(sum(i in s for s in sets if len(s) > 1) >= 8 for i in range(30))
    assert len(sets) < len(pairs)


def test_masks_and_values_come_back(fitted):
    evaluated = page_data(fitted, tables(fitted, "SV", 2, 3), 3, False)["evaluated"]
    bits = np.frombuffer(base64.b64decode(evaluated["masks"]), np.uint8).reshape(len(fitted.values), -1)
    assert (np.unpackbits(bits, axis=1, count=10).astype(bool) == fitted.masks).all()
    assert np.frombuffer(base64.b64decode(evaluated["values"]), np.float32) == pytest.approx(fitted.values)


def test_errors_cover_what_predictions_miss(fitted):
    """The errors of the page are neither far too small nor far too large, on masks that were not evaluated."""
    errors = np.array(page_data(fitted, tables(fitted, "SV", 2, 3), 3, False)["prediction"]["errors"])
    masks = np.random.default_rng(2).random((200, 10)) < 0.5
    misses = fitted.predict(masks) - fitted.spectrum(masks)
    assert errors.shape == (11,)
    assert np.sqrt((misses**2).mean()) < errors[5] < 3 * np.std(fitted.values)


def test_the_error_without_a_surrogate_is_that_of_the_held_out_masks(review):
    errors = page_data(review, tables(review, "FSII", 2, 3), 3, False)["prediction"]["errors"]
    assert errors == pytest.approx([np.sqrt(0.2 * review.values.var())] * 8, rel=1e-3)


def test_too_many_masks_are_left_out(explain):
    many = explain({(0,): 1.0}, [f"x{i}" for i in range(100_000)])
    assert page_data(many, tables(many, "FSII", 1, 3), 3, False)["evaluated"] is None

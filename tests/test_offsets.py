"""Neither a large constant nor an extreme unit may cost the signal its digits."""

import warnings

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx

N = 8
MASKS = np.asarray(sx.designs.uniform(jax.random.key(0), 96, N))
METHODS = ("lasso", "least-squares", "proxyspex-gp", "proxyspex-fast")


def signal(masks):
    return 1.0 * masks[:, 2] + 0.5 * masks[:, 4] * masks[:, 5]


def test_a_constant_of_millions_in_an_exact_explanation(key):
    ablation = sx.ablations.host_function(lambda m: 3e6 + 0.5 * m[:, 0] + 0.25 * m[:, 1] * m[:, 2], 3)
    explanation = sx.explain(ablation, budget=8, key=key)
    assert explanation.interactions("STII").to_dict() == {(): 3e6, (0,): 0.5, (1, 2): 0.25}


@pytest.fixture(scope="module")
def plain():
    return {method: fitted(method, 0.0, 1.0) for method in METHODS}


def fitted(method, offset, scale):
    return sx.fit(MASKS, scale * (signal(MASKS) + offset), method=method, key=jax.random.key(1))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("offset", "scale"), [(1e7, 1.0), (-1e6, 1e-3), (0.0, 1e-40), (0.0, 1e37), (3e4, 1e30)])
def test_a_fit_follows_the_affine_map(plain, method, offset, scale):
    expected, found = plain[method], fitted(method, offset, scale)
    new = all_masks(N)
    precision = 1e-4 + 1e-14 * abs(offset)
    np.testing.assert_allclose(found.predict(new) / scale - offset, expected.predict(new), atol=precision)
    assert found.faithfulness.r2 == pytest.approx(expected.faithfulness.r2, abs=1e-4)
    assert found.faithfulness.error == pytest.approx(expected.faithfulness.error, abs=1e-4)
    for index in ("SV", "FSII", "FBII"):
        of, wanted = found.interactions(index), expected.interactions(index)
        for s, value in wanted.to_dict().items():
            assert of[s] / scale - (offset if s == () else 0) == pytest.approx(value, abs=precision), (index, s)
    errors = (e.standard_errors(e.interactions("SV")) for e in (found, expected))
    np.testing.assert_allclose(next(errors) / scale, next(errors), atol=1e-3)


@pytest.mark.parametrize("power", range(-30, 31, 4))
def test_every_offset_and_scale_of_the_linear_fit(power):
    """Where double precision holds the signal it is found; where it does not, that is said."""
    offset = 10.0**power
    values = signal(MASKS) + offset
    explanation = sx.fit(MASKS, values, method="lasso", key=jax.random.key(1))
    if np.ptp(values) > 0:
        centred = sx.fit(MASKS, values - offset, method="lasso", key=jax.random.key(1))
        digits = 1e-3 + 1e-15 * offset  # both see the same rounded values, this much of a signal of 1
        assert explanation.faithfulness.r2 == pytest.approx(centred.faithfulness.r2, abs=digits)
        assert explanation.interactions("SV")[2] == pytest.approx(centred.interactions("SV")[2], abs=digits)
    else:
        assert np.isnan(explanation.faithfulness.r2)
        assert "nothing to explain" in str(explanation)
        assert explanation.interactions("FSII").to_dict() == {(): offset}


def test_values_of_the_engine_keep_double_precision(key, tmp_path):
    ablation = sx.ablations.host_function(lambda m: 1e9 + 0.1 * m[:, 0], 3, fingerprint="f")
    for _ in range(2):  # from the function, then from the store
        values = sx.evaluate(ablation, all_masks(3), store=sx.Store(tmp_path))
        assert values.dtype == np.float64
        np.testing.assert_array_equal(values, 1e9 + 0.1 * all_masks(3)[:, 0])


def test_extreme_values_are_saved_and_read(tmp_path):
    for scale in (1e-40, 1e37):
        explanation = fitted("proxyspex-gp", 0.0, scale)
        explanation.save(tmp_path)
        again = sx.load(tmp_path)
        np.testing.assert_array_equal(again.values, explanation.values)
        np.testing.assert_array_equal(again.predict(MASKS), explanation.predict(MASKS))
        assert np.isfinite(explanation.predict(MASKS)).all()


@pytest.mark.parametrize("method", [*METHODS, "auto"])
def test_equal_values_have_nothing_to_explain(method):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        explanation = sx.fit(MASKS, np.full(len(MASKS), 0.1), method=method, key=jax.random.key(0))
    assert np.isnan(explanation.faithfulness.r2)
    assert np.isnan(explanation.faithfulness.error)
    assert explanation.faithfulness.scheme == "every one of the 96 masks gave the same value; nothing to explain"
    np.testing.assert_array_equal(explanation.predict(all_masks(N)), 0.1)


def test_a_rare_and_is_not_explained_but_its_ends_are(key):
    """All that was sampled is 0, but for the mask that keeps everything."""
    ablation = sx.ablations.host_function(lambda m: 1.0 * m.all(1), 20)
    explanation = sx.explain(ablation, budget=64, key=key)
    assert np.isnan(explanation.faithfulness.r2)
    assert "62 masks between all and none gave the same value" in explanation.faithfulness.scheme
    shapley = explanation.interactions("SV")
    np.testing.assert_allclose(shapley.values, 1 / 20, atol=1e-12)
    assert explanation.predict(np.ones((1, 20), bool)) == 1


@pytest.mark.parametrize("scale", [2.0**-565, 2.0**260, 2.0**565])  # powers of two, so that no digit differs
def test_the_choice_of_a_link_does_not_depend_on_the_unit(scale):
    def jumps(masks):
        score = masks @ np.linspace(-1, 2, N) + 1.5 * masks[:, 1] * masks[:, 6]
        return np.where(score > 1.5, 3.0, -3.0) + 0.3 * score

    values = jumps(MASKS)
    plain, found = (sx.fit(MASKS, s * values, method="proxyspex-gp", key=jax.random.key(1)) for s in (1.0, scale))
    assert plain.diagnostics["kernels"]["link"]
    assert found.diagnostics["kernels"]["link"]
    assert found.faithfulness.r2 == pytest.approx(plain.faithfulness.r2, abs=1e-6)
    np.testing.assert_allclose(found.predict(all_masks(N)) / scale, plain.predict(all_masks(N)), atol=1e-5)


def test_values_that_differ_by_less_than_their_rounding_are_not_called_equal():
    explanation = sx.fit(MASKS, 4e15 + signal(MASKS), method="lasso", key=jax.random.key(1))
    assert "differ by no more than the rounding of numbers of their size" in explanation.faithfulness.scheme


@pytest.mark.parametrize(
    "values", [1j * signal(MASKS), signal(MASKS).astype(str), np.ma.masked_equal(signal(MASKS), 1)]
)
def test_values_that_are_no_real_numbers(values):
    with pytest.raises(ValueError, match="Values must be real numbers"):
        sx.fit(MASKS, values, method="lasso", key=jax.random.key(1))

"""Padding to buckets: few sizes, little more work, and results that differ by rounding alone."""

import sys

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax._buckets import bucket, pad


def test_a_bucket_holds_its_sizes_and_adds_at_most_a_third():
    sizes = np.arange(8, 20_000)
    padded = np.array([bucket(int(size)) for size in sizes])
    assert (padded >= sizes).all()
    assert (padded <= sizes * 4 / 3).all()
    assert (np.diff(padded) >= 0).all()
    assert [bucket(int(size)) for size in np.unique(padded)] == np.unique(padded).tolist()
    assert len(np.unique(padded)) == 35
    assert {bucket(size) for size in range(9)} == {8}


def test_cubic_work_grows_by_less_than_half_on_average():
    sizes = np.geomspace(16, 1024, 2000).astype(int)
    assert np.mean([(bucket(int(size)) / size) ** 3 for size in sizes]) < 1.5


def test_pad():
    array = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(pad(array, 3, 4, fill=9)[2:], [[9, 9, 9, 9]])
    np.testing.assert_array_equal(pad(array, 3, 4)[:2, :3], array)
    assert pad(array, 5).shape == (2, 5)
    assert isinstance(pad(jax.numpy.zeros(2), 3), jax.Array)


def game(n, m, seed):
    rng = np.random.default_rng(seed)
    masks = np.unique(rng.random((m, n)) < 0.5, axis=0)
    x = masks.astype(float)
    values = x @ rng.normal(size=n) + 2 * x[:, 0] * x[:, n // 2] - 1.5 * x[:, 1] * x[:, -1] * x[:, 2]
    return masks, values + 0.5 * rng.normal(size=len(masks))


@pytest.mark.parametrize("method", ["proxyspex-gp", "lasso", "least-squares", "proxyspex-fast"])
@pytest.mark.parametrize(("n", "m"), [(9, 33), (13, 70)])
def test_padding_changes_only_the_rounding(monkeypatch, method, n, m):
    """Against the same fit in arrays of just the right sizes."""
    masks, values = game(n, m, seed=n)
    padded = sx.fit(masks, values, method=method, key=jax.random.key(0))
    for name, module in list(sys.modules.items()):
        if name.startswith("spexjax.") and hasattr(module, "bucket") and name != "spexjax._buckets":
            monkeypatch.setattr(module, "bucket", lambda size: size)
    plain = sx.fit(masks, values, method=method, key=jax.random.key(0))
    new = np.random.default_rng(1).random((50, n)) < 0.5
    scale = values.std()
    assert padded.faithfulness.r2 == pytest.approx(plain.faithfulness.r2, abs=2e-3)
    np.testing.assert_allclose(padded.predict(new), plain.predict(new), atol=0.01 * scale)
    np.testing.assert_allclose(padded.prediction_errors(new), plain.prediction_errors(new), atol=0.02 * scale)
    table, expected = padded.interactions("FSII"), plain.interactions("FSII")
    for s, value in expected.top(10):
        assert table[s] == pytest.approx(value, abs=0.02 * scale)
    np.testing.assert_allclose(
        padded.standard_errors(padded.interactions("SV")), plain.standard_errors(plain.interactions("SV")), rtol=0.05
    )

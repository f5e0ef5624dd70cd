"""Co-values: moved, sharded and kept beside the values they came with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax.ablations import function, host_function
from spexjax.evaluation import Store, run

MASKS = all_masks(5)


def score(mask):
    return mask.sum() * 1.5, jnp.stack([mask[0] * 2.0, mask[1] - 0.25, mask.sum() / 3])


def on_host(masks):
    return masks.sum(1) * 1.5, np.stack([masks[:, 0] * 2.0, masks[:, 1] - 0.25, masks.sum(1) / 3], 1)


EXPECTED = np.asarray(on_host(MASKS)[1], np.float16).astype(float)  # half precision holds about three digits


def ablations(**options):
    make = {"has_aux": True, "fingerprint": "a-sum"} | options
    return [function(score, 5, **make), host_function(on_host, 5, **make)]


@pytest.mark.parametrize("which", [0, 1], ids=["compiled", "host"])
def test_come_with_the_values_in_the_order_of_the_masks(which):
    masks = np.concatenate([MASKS, MASKS[3:6]])
    found = run(ablations(batch_size=8)[which], masks)
    np.testing.assert_array_equal(found.values, masks.sum(1) * 1.5)
    np.testing.assert_allclose(found.covalues, np.concatenate([EXPECTED, EXPECTED[3:6]]), atol=2e-3)
    assert found.covalues.dtype == np.float64


def test_over_devices():
    plain, spread = (run(ablations(batch_size=8)[0], MASKS, mesh=mesh) for mesh in (None, sx.evaluation.mesh()))
    np.testing.assert_array_equal(plain.covalues, spread.covalues)


@pytest.mark.parametrize("which", [0, 1], ids=["compiled", "host"])
def test_are_kept_in_the_store(which, tmp_path):
    ablation = ablations(batch_size=8)[which]
    first = run(ablation, MASKS[:20], store=Store(tmp_path))
    again = run(ablation, MASKS, store=Store(tmp_path))
    assert again.num_reused == 20
    np.testing.assert_array_equal(again.covalues[:20], first.covalues)
    np.testing.assert_array_equal(again.covalues, run(ablation, MASKS).covalues)


def test_take_two_bytes_each(tmp_path):
    def wide(mask):
        return mask.sum() * 1.0, jnp.arange(128.0) * mask[0]

    plain, with_covalues = (tmp_path / name for name in ("plain", "with"))
    run(function(lambda mask: wide(mask)[0], 5, fingerprint="f"), MASKS, store=Store(plain))
    run(function(wide, 5, fingerprint="f", has_aux=True), MASKS, store=Store(with_covalues))
    sizes = [
        sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and len(f.name) == 40)
        for folder in (plain, with_covalues)
    ]
    assert sizes[1] - sizes[0] == 8 + 256 * len(MASKS)


def test_an_old_store_is_read_and_newer_ones_by_those_who_want_values_only(tmp_path):
    bare = function(lambda mask: score(mask)[0], 5, fingerprint="a-sum")
    ablation = ablations()[0]
    run(bare, MASKS[:10], store=Store(tmp_path))
    found = run(ablation, MASKS, store=Store(tmp_path))
    assert (found.num_reused, int(np.isnan(found.covalues).all(1).sum())) == (10, 10)
    np.testing.assert_array_equal(run(bare, MASKS, store=Store(tmp_path)).values, found.values)


def test_a_store_that_lacks_all_of_them_is_warned_of(tmp_path, key):
    def plain(masks):
        return np.sin(9 * masks @ np.arange(7.0))

    how = {"method": "proxyspex-gp", "key": key, "store": Store(tmp_path)}
    sx.explain(host_function(plain, 7, fingerprint="f"), budget=32, **how)
    pair = host_function(lambda masks: (plain(masks), masks[:, :3]), 7, has_aux=True, fingerprint="f")
    with pytest.warns(UserWarning, match="co-values of 32 of 32 masks are not finite, or missing in the store"):
        sx.explain(pair, budget=32, **how)
    with pytest.warns(UserWarning, match="missing in the store") as warned:  # a round from the store, and one anew
        sx.explain(pair, budget=32, target_faithfulness=0.99, max_budget=64, **how)
    assert [f"{each.message}"[:35] for each in warned] == [f"The co-values of 32 of {m} masks are" for m in (32, 64)]


def test_what_is_not_finite_costs_no_value(tmp_path, key):
    def overflowing(masks):
        return masks.sum(1), np.full((len(masks), 2), 1e6) * masks[:, :1]

    ablation = host_function(overflowing, 5, has_aux=True, fingerprint="large")
    found = run(ablation, MASKS, store=Store(tmp_path))
    np.testing.assert_array_equal(np.isfinite(found.covalues).all(1), ~MASKS[:, 0])
    np.testing.assert_array_equal(found.values, MASKS.sum(1))
    with pytest.warns(UserWarning, match="co-values of 16 of 32 masks are not finite, or missing in the store"):
        explanation = sx.explain(ablation, budget=32, method="proxyspex-gp", key=key, store=Store(tmp_path))
    assert "covalues" not in explanation.diagnostics.get("kernels", {})


@pytest.mark.parametrize(
    ("f", "said"),
    [
        (lambda masks: masks.sum(1), "must give a pair, the value and the co-values; it gives ndarray"),
        (lambda masks: (masks.sum(1), masks.sum(1)), "must be real numbers, a row for each mask, .32, c."),
        (lambda masks: (masks.sum(1), np.full((32, 2), "a")), "must be real numbers"),
        (lambda masks: (masks, masks), "one real number for each mask"),
    ],
)
def test_wrong_results(f, said):
    with pytest.raises(ValueError, match=said):
        run(host_function(f, 5, has_aux=True), MASKS)
    if "pair" in said:
        with pytest.raises(ValueError, match="must give a pair"):
            run(function(lambda mask: mask.sum(), 5, has_aux=True), MASKS)


def test_explain_learns_from_them(key):
    """64 ablations of a noisy function whose co-values have the same causes."""
    rng = np.random.default_rng(0)
    weights, salt = rng.normal(size=(5, 21)), rng.normal(size=(12, 21))

    def f(masks):
        x = masks.astype(float)
        terms = np.stack([x[:, 0], x[:, 3], x[:, 0] * x[:, 3], x[:, 5] * x[:, 7], x[:, 7] * x[:, 1]], 1)
        several = terms @ weights + 0.5 * np.sin(1e5 * x @ salt)
        return several[:, 0], several[:, 1:]

    ablation = host_function(f, 12, has_aux=True)
    options = {"budget": 64, "key": key, "method": "proxyspex-gp"}
    taught = sx.explain(ablation, **options)
    plain = sx.explain(host_function(lambda masks: f(masks)[0], 12), **options)
    unseen = np.asarray(sx.designs.uniform(jax.random.key(9), 1024, 12))
    scores = [sx.metrics.r2(f(unseen)[0], e.predict(unseen)) for e in (plain, taught)]
    assert taught.diagnostics["kernels"]["covalues"]["used"]
    assert scores[1] > scores[0]

"""The engine: every mask once, in order, in few programs, and bad values are reported."""

import dataclasses
import io
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax import ablations
from spexjax.evaluation import Store, evaluate, progress_bar, run, run_many


@pytest.mark.parametrize("m", [0, 1, 2, 7, 64, 300])
def test_values_in_mask_order_each_mask_once(m):
    seen = []

    def f(masks):
        seen.extend(map(tuple, masks.tolist()))
        return masks @ np.arange(1.0, 7)

    masks = np.random.default_rng(m).random((m, 6)) < 0.5
    evaluation = run(ablations.host_function(f, 6, batch_size=16), masks)
    np.testing.assert_allclose(evaluation.values, masks @ np.arange(1.0, 7), rtol=1e-6)
    assert len(seen) == len(set(seen)) == len(np.unique(masks, axis=0)) == evaluation.num_evaluations


@pytest.mark.parametrize("m", [1, 2, 7, 64])
def test_pure_functions_are_batched_and_compiled_once(m):
    traces = []

    def f(weights, mask):
        traces.append(None)
        return weights @ mask

    weights = jnp.arange(1.0, 7)
    masks = all_masks(6)[:m]
    ablation = ablations.function(f, 6, parameters=weights, batch_size=8)
    evaluation = run(ablation, masks)
    np.testing.assert_allclose(evaluation.values, masks @ np.arange(1.0, 7), rtol=1e-6)
    assert evaluation.num_programs == 1
    assert len(traces) == 1
    run(ablation, masks)
    assert len(traces) == 1


def test_not_finite_values_say_where():
    def f(masks):
        return np.where(masks.sum(1) == 2, np.nan, 1.0)

    with pytest.raises(ValueError, match=r"not finite at 6 of the first 16 masks .*\(rows 3, 5, 6, 9, 10, \.\.\.\)"):
        evaluate(ablations.host_function(f, 4), all_masks(4))


@pytest.mark.parametrize(
    ("masks", "said"),
    [
        (np.ones((3, 5), bool), r"\[m, 4\], .* got \(3, 5\)"),
        (np.ones(4, bool), r"got \(4,\)"),
        (2 * np.ones((3, 4), int), "True or 1"),
        (np.full((3, 4), 0.5), "True or 1"),
    ],
)
def test_wrong_masks(masks, said):
    with pytest.raises(ValueError, match=said):
        evaluate(ablations.host_function(lambda x: x[:, 0], 4), masks)


@pytest.mark.parametrize("kind", [int, np.uint8, float, list])
def test_masks_of_zeros_and_ones(kind):
    masks = all_masks(4).astype(int).tolist() if kind is list else all_masks(4).astype(kind)
    values = evaluate(ablations.host_function(lambda x: x @ [1.0, 2, 4, 8], 4), masks)
    np.testing.assert_array_equal(values, all_masks(4) @ [1.0, 2, 4, 8])


@pytest.mark.parametrize(
    ("f", "gives"),
    [
        (lambda x: np.ones(2 * len(x)), r"float64 of shape \(14,\)"),
        (lambda x: np.ones(len(x) - 1), r"float64 of shape \(6,\)"),
        (lambda x: np.ones((len(x), 1)), r"float64 of shape \(7, 1\)"),
        (lambda x: x[0], r"bool of shape \(4,\)"),
        (lambda x: 1j * x[:, 0], r"complex128 of shape \(7,\)"),
        (lambda x: 1.0, r"float64 of shape \(\)"),
        (lambda x: None, r"object of shape \(\)"),
        (lambda x: [[1.0], [1.0, 2.0]], "list of shape None"),
    ],
)
def test_a_host_function_must_give_one_number_a_mask(f, gives):
    with pytest.raises(
        ValueError, match=rf"one real number for each mask, shape \(7,\) for a batch of 7; it gives {gives}"
    ):
        evaluate(ablations.host_function(f, 4, batch_size=7), all_masks(4))


def test_a_pure_function_must_give_one_number_and_is_not_run_before():
    ran = []

    def f(x):
        jax.debug.callback(ran.append, x)
        return 1.0 * x

    for g, gives in ((f, r"float32 of shape \(16, 4\)"), (lambda x: 1j * x[0], "complex64"), (lambda x: (x,), "tuple")):
        with pytest.raises(ValueError, match=rf"shape \(16,\) for a batch of 16; it gives {gives}"):
            evaluate(ablations.function(g, 4), all_masks(4))
    jax.effects_barrier()
    assert ran == []


@pytest.mark.parametrize("size", [0, -3])
def test_batches_have_masks(size):
    with pytest.raises(ValueError, match=f"whole number, at least 1, not {size}"):
        ablations.host_function(len, 4, batch_size=size)


def test_one_function_is_compiled_once_for_all_ablations_of_it():
    traces = []

    def f(x):
        traces.append(None)
        return 1.0 * x[0]

    class Unhashable:
        __hash__ = None

        def __call__(self, x):
            return 2.0 * x[0]

    for _ in range(3):
        assert evaluate(ablations.function(f, 3), all_masks(3))[-1] == 1
    assert len(traces) == 1
    assert evaluate(ablations.function(f, 4), all_masks(4))[-1] == 1
    assert len(traces) == 2
    assert evaluate(ablations.function(Unhashable(), 3), all_masks(3))[-1] == 2


def test_plans_are_made_under_the_settings_of_the_calling_thread(monkeypatch):
    monkeypatch.setattr("spexjax.evaluation._engine._AT_ONCE", 5)
    seen = []

    class Asks(ablations.FunctionAblation):
        def plan(self, masks, *, devices=1, shrink=1):
            here = jax.config.jax_default_device, jax.config.jax_default_matmul_precision, jnp.asarray(0.5).dtype
            seen.append((threading.get_ident(), here))
            return super().plan(masks, devices=devices, shrink=shrink)

    made = ablations.function(lambda x: 1.0 * x.sum(), 4)
    ablation = Asks(**{field.name: getattr(made, field.name) for field in dataclasses.fields(made)})
    device = jax.devices()[0]
    with jax.default_device(device), jax.default_matmul_precision("highest"), jax.enable_x64(True):
        evaluate(ablation, all_masks(4))
    assert {here for _, here in seen} == {(device, "highest", np.dtype("float64"))}
    assert len(seen) == 4
    assert threading.get_ident() not in {thread for thread, _ in seen}
    assert jax.config.jax_default_matmul_precision is None


def test_names_must_fit():
    with pytest.raises(ValueError, match="3 features but 1 feature names"):
        ablations.function(lambda x: x[0], 3, feature_names=("a",))


def test_progress_counts_every_mask(monkeypatch, capsys):
    masks = all_masks(5)[np.random.default_rng(0).integers(0, 32, 100)]
    ablation = ablations.host_function(lambda x: x[:, 0].astype(float), 5, batch_size=7)
    run(ablation, masks, progress=True)
    shown = capsys.readouterr().err
    assert "100/100" in shown
    assert "masks/s" in shown
    run(ablation, masks, progress=False)
    monkeypatch.setattr("sys.stderr", io.StringIO())  # not a terminal
    with progress_bar() as report:
        report(1, 2)
    run(ablation, masks)
    import sys

    assert sys.stderr.getvalue() == ""


def counted(fail_after=None, n=8, batch_size=10):
    """A function that counts its masks, and breaks down after some."""
    seen = []

    def f(masks):
        if fail_after is not None and len(seen) >= fail_after:
            raise RuntimeError("preempted")
        seen.extend(map(bytes, np.packbits(masks, axis=1)))
        return masks @ np.arange(1.0, n + 1)

    return ablations.host_function(f, n, fingerprint="counted", batch_size=batch_size), seen


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path):
    masks = all_masks(8)[:100]
    broken, before = counted(fail_after=50)
    with pytest.raises(RuntimeError, match="preempted"):
        evaluate(broken, masks, store=Store(tmp_path))
    ablation, after = counted()
    evaluation = run(ablation, masks, store=Store(tmp_path))
    assert len(before) == evaluation.num_reused == 50
    assert not set(before) & set(after)
    np.testing.assert_array_equal(evaluation.values, evaluate(counted()[0], masks))


def mean_only(masks, values, key):
    spectrum = sx.Spectrum.from_dict({(): float(values.mean())}, masks.shape[1])
    return sx.proxies.Fit(spectrum, np.full(len(values), values.mean()), {})


def test_a_larger_budget_and_another_method_reuse_values(tmp_path, key):
    store = Store(tmp_path)
    first, seen = counted(n=30)
    explanation = sx.explain(first, budget=64, key=key, method="lasso", store=store)
    for budget, method in ((64, mean_only), (128, "lasso")):
        ablation, more = counted(n=30)
        again = sx.explain(ablation, budget=budget, key=key, method=method, store=store)
        assert not set(seen) & set(more)
        seen += more
        assert again.provenance["reused"] + len(more) == budget
    assert explanation.provenance["reused"] == 0
    other = ablations.host_function(lambda x: x[:, 0].astype(float), 30, fingerprint="another")
    assert run(other, explanation.masks, store=store).num_reused == 0


def test_values_before_one_that_is_not_finite_are_kept(tmp_path):
    def f(masks):
        return np.where(masks.all(1), np.nan, 1.0)

    with pytest.raises(ValueError, match=r"not finite at 1 of the first 16 masks"):
        evaluate(ablations.host_function(f, 4, fingerprint="f", batch_size=4), all_masks(4), store=Store(tmp_path))
    assert len(Store(tmp_path).shelf("f", 4)) == 15


def test_compiled_functions_and_equal_masks_in_the_store(tmp_path):
    masks = np.random.default_rng(0).random((90, 5)) < 0.5
    ablation = ablations.function(lambda x: 1.0 * x.sum(), 5, fingerprint="sum", batch_size=8)
    for m, reused in ((40, 0), (90, 40), (90, 90)):
        evaluation = run(ablation, masks[:m], store=Store(tmp_path))
        assert evaluation.num_reused >= reused
        np.testing.assert_array_equal(evaluation.values, masks[:m].sum(1))


def many_valued(batch_size=8):
    """Three values a mask, by a compiled function."""

    @dataclasses.dataclass(frozen=True, eq=False)
    class Three(ablations.FunctionAblation):
        num_values = 3

    made = ablations.function(
        lambda x: jnp.stack([1.0 * x.sum(), 2.0 * x[0], -1.0 * x[1]]), 5, fingerprint="three", batch_size=batch_size
    )
    return Three(**{field.name: getattr(made, field.name) for field in dataclasses.fields(made)})


def test_several_values_a_mask(tmp_path, key):
    masks = np.random.default_rng(0).random((90, 5)) < 0.5
    wanted = np.stack([masks.sum(1), 2 * masks[:, 0], -1 * masks[:, 1]], 1)
    for m, reused in ((0, 0), (40, 0), (90, 40), (90, 90)):
        evaluation = run(many_valued(), masks[:m], store=Store(tmp_path))
        assert evaluation.num_reused >= reused
        assert evaluation.values.shape == (m, 3)
        np.testing.assert_array_equal(evaluation.values, wanted[:m])
    with pytest.warns(UserWarning, match=r"does not hold 2 values for each"):
        assert len(Store(tmp_path).shelf("three", 5, 2)) == 0
    with pytest.raises(ValueError, match=r"gives 3 values per mask: sx\.explain_each"):
        sx.explain(many_valued(), budget=16, key=key)


def test_many_masks_are_planned_part_by_part(monkeypatch):
    monkeypatch.setattr("spexjax.evaluation._engine._AT_ONCE", 40)
    masks = all_masks(8)[np.random.default_rng(0).permutation(256)]
    ablation, seen = counted()
    evaluation = run(ablation, masks)
    assert len(set(seen)) == len(seen) == evaluation.num_evaluations == 256
    np.testing.assert_array_equal(evaluation.values, masks @ np.arange(1.0, 9))


def too_large(most, traces):
    """A function whose batches of more than `most` masks do not fit the device."""

    def f(x):
        return 1.0 * x.sum()

    def apply(_, packed):
        traces.append(len(packed))
        if len(packed) > most:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return jax.vmap(f)(jnp.unpackbits(packed, axis=1, count=8))

    return dataclasses.replace(ablations.function(f, 8, batch_size=64), apply=apply)


def test_batches_that_do_not_fit_are_made_smaller_and_stay_so():
    traces: list = []
    ablation = too_large(20, traces)
    masks = all_masks(8)
    np.testing.assert_array_equal(evaluate(ablation, masks), masks.sum(1))
    assert traces == [64, 32, 16]
    np.testing.assert_array_equal(evaluate(ablation, masks), masks.sum(1))
    assert traces == [64, 32, 16]  # remembered, and compiled
    with pytest.raises(MemoryError, match="does not hold a batch that is 1024 times smaller"):
        evaluate(too_large(0, []), masks)


def test_other_errors_of_the_device_are_not_hidden():
    def apply(_, packed):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    ablation = dataclasses.replace(ablations.function(lambda x: 1.0 * x[0], 8), apply=apply)
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"):
        evaluate(ablation, all_masks(8))


def test_of_several_ablations_the_one_that_fails_is_named():
    def broken(masks):
        raise KeyError("no such word")

    several = [ablations.host_function(f, 2) for f in (lambda masks: masks.sum(1), broken)]
    with pytest.raises(KeyError, match="no such word") as caught:
        run_many(several, [np.ones((1, 2), bool)] * 2)
    assert caught.value.__notes__ == ["Raised by ablation 1, counted from 0."]

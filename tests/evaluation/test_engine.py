"""The engine: every mask once, in order, in few programs, and bad values are reported."""

import io

import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

from spexjax import ablations
from spexjax.evaluation import evaluate, progress_bar, run


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

    with pytest.raises(ValueError, match=r"not finite at 6 of 16 masks \(rows 3, 5, 6, 9, 10, \.\.\.\)"):
        evaluate(ablations.host_function(f, 4), all_masks(4))


@pytest.mark.parametrize("masks", [np.ones((3, 5), bool), np.ones(4, bool), np.ones((3, 4), int)])
def test_wrong_masks(masks):
    with pytest.raises(ValueError, match=r"bool of shape \[m, 4\]"):
        evaluate(ablations.host_function(lambda x: x[:, 0], 4), masks)


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

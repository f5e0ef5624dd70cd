"""Run by test_sharding.py, once a process: evaluates with whatever processes there are, and keeps values in a store."""

import dataclasses
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spexjax as sx


def main(folder, processes, process, port):
    """Both calls of every process give the right values; the second reuses those of the first."""
    if processes > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
    assert jax.process_count() == processes
    ablation = sx.ablations.function(
        lambda w, x: jnp.tanh(0.1 * w @ x), 12, parameters=jnp.arange(1.0, 13), fingerprint="f", batch_size=16
    )
    masks = np.random.default_rng(0).random((300, 12)) < 0.5
    for m in (100, 300):
        values = sx.evaluate(ablation, masks[:m], store=sx.Store(folder))
        np.testing.assert_allclose(values, np.tanh(0.1 * masks[:m] @ np.arange(1.0, 13)), atol=1e-5)
    calls = []
    service = sx.ablations.host_function(lambda x: calls.append(len(x)) or x[:, 0] - 2.0 * x[:, 1], 12, batch_size=64)
    np.testing.assert_array_equal(sx.evaluate(service, masks), masks[:, 0] - 2.0 * masks[:, 1])
    assert sum(calls) == (
        len(np.unique(masks, axis=0)) if process == 0 else 0
    )  # a service is asked once, whatever the number of hosts
    fail_together(ablation, masks, folder, process)
    np.save(f"{folder}/values_{process}.npy", values)


def fail_together(ablation, masks, folder, process):
    """A service, a full disk or an unreadable store fails on the first host: every host stops."""

    def fails(*_):
        raise OSError("it is down")

    sx.evaluation._store.Shelf.add = fails
    for failing, place in (
        (sx.ablations.host_function(fails, 12, batch_size=64), None),
        (dataclasses.replace(ablation, fingerprint="g"), folder),
        (ablation, __file__),
    ):
        error, message = (RuntimeError, "The first host has failed") if process else (OSError, "is down|cannot be read")
        with pytest.raises(error, match=message):
            sx.evaluate(failing, masks, store=place and sx.Store(place))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))

"""Run by test_sharding.py, once a process: evaluates with whatever processes there are, and keeps values in a store."""

import sys

import jax
import jax.numpy as jnp
import numpy as np

folder, processes, process, port = sys.argv[1], *map(int, sys.argv[2:])
if processes > 1:
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)

import spexjax as sx  # noqa: E402

assert jax.process_count() == processes
ablation = sx.ablations.function(
    lambda w, x: jnp.tanh(0.1 * w @ x), 12, parameters=jnp.arange(1.0, 13), fingerprint="f", batch_size=16
)
masks = np.random.default_rng(0).random((300, 12)) < 0.5
store = sx.Store(folder)
for m in (100, 300):  # the second call reuses the first one's values
    values = sx.evaluate(ablation, masks[:m], store=store)
    np.testing.assert_allclose(values, np.tanh(0.1 * masks[:m] @ np.arange(1.0, 13)), atol=1e-5)
np.save(f"{folder}/values_{process}.npy", values)

"""A long sweep on a synthetic ablation: host memory, what the store costs, and how fast it is read again.

python benchmarks/sweep.py
"""

import json
import resource
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS_FOLDER

import spexjax as sx

NUM_MASKS, NUM_FEATURES, BATCH = 100_000, 1_000, 256


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    weights = jax.random.normal(jax.random.key(0), (NUM_FEATURES,))
    ablation = sx.ablations.function(
        lambda w, x: jnp.tanh(w @ x), NUM_FEATURES, parameters=weights, fingerprint="sweep", batch_size=BATCH
    )
    sx.evaluate(ablation, np.ones((BATCH, NUM_FEATURES), bool))
    baseline = peak_mb()
    masks = np.random.default_rng(0).integers(0, 2, (NUM_MASKS, NUM_FEATURES), np.uint8).view(bool)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, store in (("no store", None), ("store", sx.Store(folder)), ("store, again", sx.Store(folder))):
            start = time.perf_counter()
            evaluation = sx.evaluation.run(ablation, masks, store=store)
            seconds = round(time.perf_counter() - start, 2)
            rows.append(
                {"what": name, "seconds": seconds, "reused": evaluation.num_reused, "peak_mb": round(peak_mb())}
            )
            print(rows[-1], flush=True)
    record = {
        "command": "python benchmarks/sweep.py",
        "device": jax.devices()[0].device_kind,
        "masks": NUM_MASKS,
        "num_features": NUM_FEATURES,
        "baseline_mb": round(baseline),
        "above_baseline_mb": round(peak_mb() - baseline),
        "rows": rows,
    }
    print(f"{record['above_baseline_mb']} MB above the {record['baseline_mb']} MB before")
    (RESULTS_FOLDER / "sweep.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

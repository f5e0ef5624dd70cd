"""R2 on masks that were never seen, by method and budget, on a real game: a film review judged by SmolLM2.

The first m masks are for fitting, the last 1,024 for testing (tests/games/README.md says how they were measured).

    python benchmarks/sent24_r2.py
"""

import json
import os
import time
from pathlib import Path

import jax
import numpy as np

import spexjax as sx

HERE = Path(__file__).parent
METHODS = ("lasso", "proxyspex-trees-fast", "proxyspex-trees")


def main():
    data = np.load(HERE.parent / "tests" / "games" / "sent24.npz")
    masks, values = np.unpackbits(data["masks"], axis=1, count=int(data["n"])).astype(bool), data["values"]
    test = slice(len(values) - 1024, None)
    rows = []
    for method in METHODS:
        for m in (256, 512, 1024, 2048):
            seconds = []
            for _ in range(2):  # cold, then warm
                start = time.perf_counter()
                explanation = sx.fit(masks[:m], values[:m], method=method, key=jax.random.key(0))
                seconds.append(round(time.perf_counter() - start, 2))
            rows.append(
                {
                    "method": method,
                    "masks": m,
                    "test_r2": round(sx.metrics.r2(values[test], explanation.spectrum(masks[test])), 3),
                    "reported_r2": round(explanation.faithfulness.r2, 3),
                    "terms": len(explanation.spectrum),
                    "cold_and_warm_seconds": seconds,
                }
            )
            print(rows[-1], flush=True)
    result = {"command": "python benchmarks/sent24_r2.py", "cores": os.cpu_count(), "rows": rows}
    (HERE / "results" / "sent24_r2.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

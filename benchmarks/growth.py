"""How CPU time grows with the features n, the ablations m, the terms k and the bins 2^b, as slopes on log-log axes.

Each point is the CPU time of all threads in a run whose programs an earlier one has compiled, the median of several
where it is short. A slope of 1 means
that twice the size takes twice the time; it is the least-squares line through the points of a curve, whose ends the
table shows. Games are latency.py's noisy ones. Signals are spex_recovery.py's at 10 dB, with t = 5 and C = 3.

    OMP_NUM_THREADS=1 python benchmarks/growth.py
"""

import argparse
import json
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS_FOLDER, Stopwatch, machine, versions
from latency import game
from spex_recovery import GROUPS, MAX_ORDER, Signal

import spexjax as sx

SNR = 10


class Curve(NamedTuple):
    """What is done, with which sizes and which others held fixed."""

    what: str
    axis: str
    sizes: tuple[int, ...]
    fixed: str
    prepared: Callable[[int], Callable[[], object]]  # of a size: what is timed
    repeats: int = 1


def fit(n: int, m: int) -> Callable[[], object]:
    masks, values = game("noisy", n, m, seed=0)
    return lambda: sx.fit(masks, values, key=jax.random.key(0))


def decode(n: int, k: int, b: int) -> Callable[[], object]:
    rng = np.random.default_rng(0)
    f = Signal.draw(rng, n, k)
    design = sx.designs.subsampled(jax.random.key(0), n, b, MAX_ORDER, GROUPS)
    values = f.at(design)
    noisy = jnp.asarray(values + f.noise(SNR) * rng.normal(size=len(values)), jnp.float32)
    return lambda: jax.block_until_ready(sx.decoder.decode(design, noisy, "soft"))


def fsii(n: int, k: int) -> Callable[[], object]:
    spectrum = sx.Spectrum.from_dict(Signal.draw(np.random.default_rng(0), n, k).terms, n)
    return lambda: sx.indices.interactions(spectrum, "FSII", 2)


CURVES = (
    Curve("fit", "m", (128, 256, 512, 1024, 2048, 4096), "n = 64", lambda m: fit(64, m)),
    Curve("fit", "n", (16, 32, 64, 128, 256, 512), "m = 512", lambda n: fit(n, 512)),
    Curve("decode", "n", (64, 256, 1000, 4000), "k = 300, b = 10", lambda n: decode(n, 300, 10), 21),
    Curve("decode", "k", (40, 80, 160, 320, 640), "n = 1000, b = 11", lambda k: decode(1000, k, 11), 21),
    Curve("decode", "b", (8, 9, 10, 11, 12), "n = 1000, k = 80", lambda b: decode(1000, 80, b), 21),
    Curve("FSII of order 2", "k", (100, 1000, 10_000, 100_000), "n = 64", lambda k: fsii(64, k), 5),
    Curve("FSII of order 2", "n", (64, 128, 256, 512, 1024), "k = 10,000", lambda n: fsii(n, 10_000), 5),
)


def slope(axis: str, sizes: list[int], seconds: list[float]) -> float:
    """Of the line through `(log size, log seconds)`; the size of b is that of its bins, 2^b."""
    x = np.array(sizes) * np.log(2) if axis == "b" else np.log(sizes)
    return float(np.polyfit(x, np.log(seconds), 1)[0])


def cpu_of(run: Callable[[], object]) -> float:
    watch = Stopwatch()
    run()
    return watch.cpu()


def measured(curve: Curve) -> dict:
    seconds = []
    for size in curve.sizes:
        run = curve.prepared(size)
        run()
        seconds.append(float(np.median([cpu_of(run) for _ in range(curve.repeats)])))
        print(curve.what, curve.axis, size, f"{seconds[-1]:.4g} s", flush=True)
    row = {name: getattr(curve, name) for name in ("what", "axis", "sizes", "fixed")}
    row["cpu_seconds"] = [float(f"{s:.3g}") for s in seconds]
    return row | {"slope": round(slope(curve.axis, curve.sizes, seconds), 2)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    record = {"versions": versions(), "machine": machine(), "rows": [measured(curve) for curve in CURVES]}
    (RESULTS_FOLDER / "growth.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

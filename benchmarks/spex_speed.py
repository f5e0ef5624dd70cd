"""What SPEX costs: masks of a design, time to decode beside a peer, many signals at once, and n = 10,000.

Signals are those of spex_recovery.py, b = 8, t = 5 and C = 3 where nothing else is said. Only decoding is timed, not
sampling; the peer is `support_recovery` of spectralexplain, on the same signal at samples of its own choice, with all
that it compiles compiled before. Cold is the first call, without a compilation cache. Run it on an idle machine.

    pip install spectralexplain==0.0.4 sparse-transform==0.2.1
    OMP_NUM_THREADS=1 python benchmarks/spex_speed.py
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS_FOLDER, Stopwatch
from spex_recovery import (
    BINS_LOG2,
    GROUPS,
    MAX_ORDER,
    PACKAGES,
    Signal,
    peer_decode,
    peer_samples,
    score,
    time_limit,
)

import spexjax as sx

MODES = ("hard", "soft")
SNR, REPEATS, SIGNALS = 10, 21, 256
PATH = RESULTS_FOLDER / "spex_speed.json"


def seconds(run) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return time.perf_counter() - start


def digits(x: float) -> float:
    return float(f"{x:.3g}")


def masks_table() -> list[dict]:
    """How many masks a design has, and how many the authors' package takes for the same b, t and C."""
    rows = []
    for n in (16, 31, 63, 127, 500, 1000, 10_000):
        ours, peer = sx.designs.subsampled_size(n, BINS_LOG2, MAX_ORDER, GROUPS), None
        if find_spec("sparse_transform"):
            from sparse_transform.qsft.signals.input_signal_subsampled import SubsampledSignal

            settings = {"num_subsample": GROUPS, "delays_method_source": "joint-coded"}
            peer = int(SubsampledSignal.get_number_of_samples(n, BINS_LOG2, MAX_ORDER, 2, settings))
        rows.append({"n": n, "ours": ours, "peer": peer, "ratio": peer and round(ours / peer, 3)})
        print(rows[-1], flush=True)
    return rows


def noisy(f: Signal, design, rng: np.random.Generator) -> jax.Array:
    values = f.at(design)
    return jnp.asarray(values + f.noise(SNR) * rng.normal(size=len(values)), jnp.float32)


def one_decode(n: int, k: int, limit: int) -> dict:
    """One signal, cold and warm in both modes, and the peer."""
    f = Signal.draw(np.random.default_rng(0), n, k)
    design = sx.designs.subsampled(jax.random.key(0), n, BINS_LOG2, MAX_ORDER, GROUPS)
    values = jax.block_until_ready(noisy(f, design, np.random.default_rng(0)))
    row = {"n": n, "terms": k, "snr": SNR}
    for mode in MODES:
        cold = seconds(lambda mode=mode: sx.decoder.decode(design, values, mode))
        watch = Stopwatch()
        warm = np.median([seconds(lambda mode=mode: sx.decoder.decode(design, values, mode)) for _ in range(REPEATS)])
        cpu = watch.read()["cpu_seconds"] / REPEATS
        found = sx.decoder.decode(design, values, mode).spectrum.to_dict()
        quality = score({s: v for s, v in found.items() if v}, f.terms)
        row[mode] = {"cold_s": digits(cold), "warm_ms": digits(1e3 * warm), "warm_cpu_ms": digits(1e3 * cpu)}
        row[mode]["exact"] = quality["exact"]
        row[mode]["peer"] = peer(mode, f, cpu, limit) if find_spec("spectralexplain") else None
        print(n, mode, row[mode], flush=True)
    return row


def peer(mode: str, f: Signal, cpu: float, limit: int) -> dict:
    """The ratio is one of CPU times, since a busy machine slows long runs more than short ones."""
    warm_up = Signal.draw(np.random.default_rng(1), f.n, 3)
    peer_decode(mode, peer_samples(warm_up, None, 1)[0])
    samples, _ = peer_samples(f, SNR, 0)
    watch = Stopwatch()
    try:
        with time_limit(limit):
            found = peer_decode(mode, samples)
    except TimeoutError:
        return {"unfinished": f"did not finish in {limit} s of CPU time", "ratio_above": digits(limit / cpu)}
    times = watch.read()
    return times | {"exact": score(found, f.terms)["exact"], "ratio": digits(times["cpu_seconds"] / cpu)}


def many_signals(n: int, mode: str) -> list[dict]:
    """Signals a second in one `vmap`, with a device for each core as well, and in a Python loop, for some K."""
    design = sx.designs.subsampled(jax.random.key(0), n, BINS_LOG2, MAX_ORDER, GROUPS)
    ways = {
        "loop": lambda values: [jax.block_until_ready(sx.decoder.decode(design, v, mode)) for v in values],
        "vmap": jax.jit(jax.vmap(lambda values: sx.decoder.decode(design, values, mode))),
        "devices": lambda values: sx.decoder.decode_many(design, values, mode),
    }
    rows = []
    for k in (10, 30, 80):
        rng = np.random.default_rng(k)
        values = jnp.stack([noisy(Signal.draw(rng, n, k), design, rng) for _ in range(SIGNALS)])
        given = {"loop": list(values), "vmap": values, "devices": np.asarray(values)}  # as `evaluate` gives them
        row = {"n": n, "mode": mode, "terms": k, "snr": SNR}
        for way, run in ways.items():
            bound = functools.partial(run, given[way])
            jax.block_until_ready(bound())
            times = [seconds(bound) for _ in range(3)]
            row[f"{way}_per_s"] = digits(SIGNALS / np.median(times))
        row |= {f"{way}_ratio": digits(row[f"{way}_per_s"] / row["loop_per_s"]) for way in ("vmap", "devices")}
        rows.append(row)
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def scale() -> dict:
    """n = 10,000 and b = 10: the masks are made, and the signal evaluated, a group and a delay at a time."""
    n, k, times = 10_000, 300, {}
    watch = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal watch
        times[name], watch = round(time.perf_counter() - watch, 2), time.perf_counter()

    design = sx.designs.subsampled(jax.random.key(0), n, 10, MAX_ORDER, GROUPS)
    lap("design_s")
    terms = Signal.draw(np.random.default_rng(0), n, k).terms
    f = sx.Spectrum.from_dict(terms, n)
    values = [np.asarray(f(np.unpackbits(part, axis=1, count=n).view(bool))) for part in design.packed()]
    lap("masks_and_values_s")
    decoded = jax.block_until_ready(sx.decoder.decode(design, np.concatenate(values)))
    lap("compile_and_decode_s")
    result = score({s: v for s, v in decoded.spectrum.to_dict().items() if v}, terms)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row = {"n": n, "bins_log2": 10, "terms": k, "masks": sum(map(len, values)), "exact": result["exact"]}
    row |= {"worst_error": digits(result["error"]), "status": sx.decoder.Status(int(decoded.status)).name}
    return row | times | {"peak_rss_gib": round(rss, 2)}


def all_many() -> list[dict]:
    return [row for n, mode in product((20, 63, 127, 1000), MODES) for row in many_signals(n, mode)]


def in_its_own_process(part: str, devices: int = 1):
    flags = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, __file__, "--alone", part]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=flags).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--alone", choices=("scale", "many"), help="only this part, printed as JSON")
    parser.add_argument("--limit", type=int, default=300, help="seconds of CPU time for one call of the peer")
    parser.add_argument("--parts", nargs="*", help="of masks, scale, decode, many; all by default")
    args = parser.parse_args()
    jax.config.update("jax_enable_compilation_cache", False)
    if args.alone:
        return print(json.dumps({"scale": scale, "many": all_many}[args.alone]()))
    cores = len(os.sched_getaffinity(0))
    parts = {
        "masks": masks_table,
        "scale": lambda: in_its_own_process("scale"),
        "decode": lambda: [one_decode(n, 80, args.limit) for n in (1000, 64)],
        "many": lambda: in_its_own_process("many", cores),
    }
    result = json.loads(PATH.read_text()) if PATH.is_file() else {}
    command = " ".join(["OMP_NUM_THREADS=1 python benchmarks/spex_speed.py", *sys.argv[1:]])
    result |= {"command": command, "cores": cores}
    result["device"] = jax.devices()[0].device_kind
    result["versions"] = {name: version(name) for name in PACKAGES if find_spec(name.replace("-", "_"))}
    for name in args.parts or parts:
        result[name] = parts[name]()
        PATH.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""How a sweep and a store grow: 10,000 short inputs of negligible cost, and a shelf of a million records.

python benchmarks/store_growth.py             # some minutes
python benchmarks/store_growth.py --inputs 500 --records 100000
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import RESULTS_FOLDER, command, machine, versions

import spexjax as sx
from spexjax.evaluation._record import encode, name_of

N, BUDGET, BATCH = 8, 32, 16


def game(number, model):
    """A quadratic form of 8 features, which costs nothing."""
    weights = np.random.default_rng(number).normal(size=(N, N))
    return sx.ablations.host_function(
        lambda masks: ((masks @ weights) * masks).sum(1), N, fingerprint=f"game-{number}", batch_size=256
    )


def resident_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def sweep(count, folder):
    """Seconds of an explanation, and how far the memory grows after the first tenth."""
    how = {"budgets": BUDGET, "methods": "least-squares", "lens": game, "batch": BATCH}
    sx.sweep.run(sx.sweep.Sweep(range(BATCH), **how), folder / "first")  # compiles
    many = sx.sweep.Sweep(range(count), **how)
    marks, made = [], [0]
    add = sx.sweep._run.Folder.add

    def counted(self, finished, indices):
        add(self, finished, indices)
        made[0] += len(finished)
        if made[0] * 10 // count > len(marks):
            marks.append((made[0], time.perf_counter() - start, time.process_time() - cpu, resident_mb()))

    sx.sweep._run.Folder.add = counted
    start, cpu = time.perf_counter(), time.process_time()
    sx.sweep.run(many, folder / "sweep")
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    sx.sweep._run.Folder.add = add
    frame = sx.sweep.load(folder / "sweep")
    fit = float(frame.seconds_fitting.mean())
    again = time.perf_counter()
    sx.sweep.run(many, folder / "sweep")
    return {
        "explanations": len(frame),
        "failures": int((frame.error != "").sum()),
        "ms_each": round(wall / count * 1e3, 2),
        "cpu_ms_each": round(cpu / count * 1e3, 2),
        "fit_ms_each": round(fit * 1e3, 2),
        "cpu_ms_each_beside_the_fit": round((cpu / count - fit) * 1e3, 2),
        "seconds_of_a_second_call": round(time.perf_counter() - again, 1),
        "tenths": [
            {"explanations": n, "seconds": round(s, 1), "cpu": round(c, 1), "mb": round(mb)} for n, s, c, mb in marks
        ],
    }


def store(count, folder):
    """Seconds of opening a shelf of so many records of one mask each, in a process of its own."""
    shelf = folder / "store" / "game"
    shelf.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        record = encode(rng.integers(0, 256, (1, 8), np.uint8), 64, np.float32([i]), None)
        (shelf / name_of(record)).write_bytes(record)
    program = (
        "import sys, time, resource, spexjax as sx; sx.Store; start, cpu = time.perf_counter(), time.process_time();"
        "n = len(sx.Store(sys.argv[1]).shelf('game', 64));"
        "print(n, time.perf_counter() - start, time.process_time() - cpu,"
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    rows = []
    for what in ("files alone, which writes packs", "packs", "packs, again"):
        call = [sys.executable, "-c", program, folder / "store"]
        known, wall, cpu, mb = subprocess.run(call, check=True, capture_output=True, text=True).stdout.split()
        rows.append(
            {"what": what, "records": int(known), "seconds": round(float(wall), 2), "cpu": round(float(cpu), 2)}
        )
        rows[-1]["mb"] = round(float(mb))
        print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--records", type=int, default=1_000_000)
    args = parser.parse_args()
    record = {"command": command(), "versions": versions(), "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        record["sweep"] = sweep(args.inputs, Path(folder))
        print(record["sweep"], flush=True)
        record["store"] = store(args.records, Path(folder))
    (RESULTS_FOLDER / "store_growth.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

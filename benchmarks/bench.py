"""What this machine says about spexjax, on small budgets: `make bench`.

Each question is a command in a process of its own. What is done is noted in out/bench/runs.json, so a run that was
stopped goes on where it was, and `--only` measures some again. The peers' rows are copied from benchmarks/results,
where `make bench-peers` puts them: R2 and errors are the same on any machine. At the end out/bench/RESULTS.md has a
table for each question, written like benchmarks/RESULTS.md, the page of all that has been measured for the repository.

    python benchmarks/bench.py
    python benchmarks/bench.py --only spans sweep
"""

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

from common import HERE, machine, versions
from results_page import QUESTIONS, benchmark_tables, written_page

# The name of a result, and what measures it on a small budget.
COMMANDS = {
    "faithfulness": "faithfulness.py --methods auto lasso --draws 1 --peer-draws 0",
    "index_error": "index_error.py --methods auto --draws 1 --budgets 32 64 128 256 512 1024 --peers",
    "calibration": "calibration.py --draws 1",
    "strings": "strings.py --games review16",
    "spans": "spans.py",
    "spex_recovery": "spex_recovery.py --seeds 5 --features 20 63 1000 --methods hard soft",
    "subsets": "subsets.py",
    "sweep": "sweep.py",
    "latency": "latency.py --only fit import page --busy",
}
PEERS = ("faithfulness", "index_error")  # results with rows of peers
OURS = ("auto", *benchmark_tables.OURS)


def borrowed(name: str, folder: Path) -> None:
    """Puts the peers' rows of the repository into a result file that is not there yet."""
    path = folder / f"{name}.json"
    if name not in PEERS or path.exists():
        return
    known = json.loads((HERE / "results" / path.name).read_text())
    rows = [row for row in known["rows"] if row["method"] not in OURS]
    path.write_text(json.dumps({**known, "rows": rows}))


def measure(name: str, folder: Path) -> dict:
    """Runs the command of a question; what it took."""
    command = [sys.executable, *shlex.split(COMMANDS[name])]
    environment = os.environ | {"SPEXJAX_RESULTS": str(folder), "OMP_NUM_THREADS": "1"}
    print(f"\n== {name}: python benchmarks/{COMMANDS[name]}", flush=True)
    borrowed(name, folder)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([command[0], str(HERE / command[1]), *command[2:]], env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "command": f"python benchmarks/{COMMANDS[name]}",
        "exit_status": done.returncode,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(cpu, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=COMMANDS, help="measure these again")
    parser.add_argument("--folder", type=Path, default=Path("out/bench"))
    args = parser.parse_args()
    results, log = (args.folder / "results").resolve(), args.folder / "runs.json"
    results.mkdir(parents=True, exist_ok=True)
    record = json.loads(log.read_text()) if log.exists() else {"runs": {}}
    for name in args.only or COMMANDS:
        if not args.only and record["runs"].get(name, {}).get("exit_status") == 0:
            continue
        if args.only:
            (results / f"{name}.json").unlink(missing_ok=True)
        record["runs"][name] = measure(name, results)
        record |= {"versions": versions(), "machine": machine()}
        log.write_text(json.dumps(record, indent=1) + "\n")
    page = args.folder / "RESULTS.md"
    page.write_text(written_page(results, [q for q in QUESTIONS if q.result in COMMANDS]), encoding="utf-8")
    runs = record["runs"]
    for name, run in runs.items():
        failed = "" if run["exit_status"] == 0 else f"  failed with {run['exit_status']}"
        print(f"{name:16}{run['seconds']:>8.0f} s{run['cpu_seconds']:>8.0f} s of CPU time{failed}")
    print(f"{'all':16}{sum(run['seconds'] for run in runs.values()):>8.0f} s\n{page}")
    return int(any(run["exit_status"] for run in runs.values()))


if __name__ == "__main__":
    raise SystemExit(main())

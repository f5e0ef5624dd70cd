"""What this machine says about spexjax, on small budgets: `make bench`, and with peers beside it `make bench-peers`.

Each question is a command in a process of its own. What is done is noted in out/bench/runs.json, so a run that was
stopped goes on where it was, and `--only` measures some again. At the end out/bench/RESULTS.md has a table for each
question, written like benchmarks/RESULTS.md, the page of all that has been measured for the repository.

Without `--peers`, the peers' rows are copied from benchmarks/results: their R2 and errors are the same on any machine.
With it they are measured here, into out/bench-peers; that needs Python 3.12 and what `pip install '.[peers]'` brings.

    python benchmarks/bench.py
    python benchmarks/bench.py --only spans sweep
    .venv-peers/bin/python benchmarks/bench.py --peers
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

from common import HERE, machine, versions, write_whole
from results_page import QUESTIONS, benchmark_tables, written_page

TRIED = "review16 facts20 exact_wine exact_training"
# The name of a result, and what measures it on a small budget.
COMMANDS = {
    "faithfulness": "faithfulness.py --methods auto lasso --draws 1 --peer-draws 0 --budgets 64 256",
    "index_error": "index_error.py --methods auto --draws 1 --budgets 64 256 --peers",
    "calibration": "calibration.py --draws 1",
    "strings": "strings.py --games review16",
    "spans": "spans.py",
    "spex_recovery": "spex_recovery.py --seeds 5 --features 20 63 1000 --methods hard soft",
    "subsets": "subsets.py",
    "sweep": "sweep.py",
    "latency": "latency.py --only fit import page --busy",
    "growth": "growth.py",
}
# The same with peers, side by side.
WITH_PEERS = {
    "faithfulness": f"faithfulness.py --methods auto lasso --draws 1 --budgets 64 256 --games {TRIED}",
    "index_error": "index_error.py --methods auto --draws 1 --budgets 64 256 --games exact_training exact_wine",
    "equal_quality": "equal_quality.py --tasks review16",
    "spex_recovery": "spex_recovery.py --seeds 3 --peer-seeds 1 --features 20 --limit 10",
    "spex_speed": "spex_speed.py --parts masks decode --limit 60",
    "throughput": "throughput.py --budget 256 --torch-masks 128 --singles 16 --repeats 1",
    "component_speed": "component_speed.py --masks 8 --repeats 1 --shots 3",
    "retraining": "retraining.py",
}
ALL_CORES = ("equal_quality", "throughput", "component_speed")  # wall-clock against peers, who get every core, too
BORROWED = ("faithfulness", "index_error")  # results with rows of peers
HEAD = """# Results of this machine

Written by `benchmarks/bench.py`. Without `--peers` the peers' R2 and errors of indices are those of
`benchmarks/results`, measured on other machines.
"""
OURS = ("auto", *benchmark_tables.OURS)


def borrowed(name: str, folder: Path) -> None:
    """Puts the peers' rows of the repository into a result file that is not there yet."""
    path = folder / f"{name}.json"
    if name not in BORROWED or path.exists():
        return
    known = json.loads((HERE / "results" / path.name).read_text())
    rows = [row for row in known["rows"] if row["method"] not in OURS]
    path.write_text(json.dumps({**known, "rows": rows}))


def measure(name: str, command: str, folder: Path) -> dict:
    """Runs the command of a question; what it took."""
    script, *options = shlex.split(command)
    environment = os.environ | {"SPEXJAX_RESULTS": str(folder)}
    if name not in ALL_CORES:
        environment["OMP_NUM_THREADS"] = "1"
    print(f"\n== {name}: python benchmarks/{command}", flush=True)
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, str(HERE / script), *options], env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "command": f"python benchmarks/{command}",
        "exit_status": done.returncode,
        "seconds": round(time.perf_counter() - start, 1),
        "cpu_seconds": round(cpu, 1),
    }


def noted(log: Path) -> dict[str, dict]:
    """What has been run, by name."""
    try:
        runs = json.loads(log.read_text())["runs"] if log.exists() else {}
        sound = all(run.keys() >= {"exit_status", "seconds", "cpu_seconds"} for run in runs.values())
    except (ValueError, LookupError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise SystemExit(f"{log} is damaged; delete it, and everything is measured again.")
    return runs


def note(log: Path, runs: dict[str, dict]) -> None:
    write_whole(log, json.dumps({"runs": runs, "versions": versions(), "machine": machine()}, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=COMMANDS | WITH_PEERS, help="measure these again")
    parser.add_argument("--peers", action="store_true", help="measure the peers, too")
    parser.add_argument("--folder", type=Path, help="out/bench or out/bench-peers by default")
    args = parser.parse_args()
    commands = WITH_PEERS if args.peers else COMMANDS
    if unknown := set(args.only or ()) - set(commands):
        parser.error(f"nothing is called {', '.join(sorted(unknown))} here; there are {', '.join(commands)}")
    args.folder = args.folder or Path("out/bench-peers" if args.peers else "out/bench")
    results, log = (args.folder / "results").resolve(), args.folder / "runs.json"
    results.mkdir(parents=True, exist_ok=True)
    runs = noted(log)
    for name in args.only or commands:
        if not args.only and runs.get(name, {}).get("exit_status") == 0:
            continue
        if args.only:
            runs.pop(name, None)  # if this is killed, it is measured by the next call
            note(log, runs)
            (results / f"{name}.json").unlink(missing_ok=True)
        if not args.peers:
            borrowed(name, results)
        runs[name] = measure(name, commands[name], results)
        note(log, runs)
    page = args.folder / "RESULTS.md"
    failed = {name for name, run in runs.items() if run["exit_status"]}
    questions = [q for q in QUESTIONS if q.result in commands]
    page.write_text(written_page(results, questions, failed, HEAD), encoding="utf-8")
    for name, run in runs.items():
        said = f"  failed with {run['exit_status']}" if name in failed else ""
        print(f"{name:16}{run['seconds']:>8.0f} s{run['cpu_seconds']:>8.0f} s of CPU time{said}")
    print(f"{'all':16}{sum(run['seconds'] for run in runs.values()):>8.0f} s\n{page}")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())

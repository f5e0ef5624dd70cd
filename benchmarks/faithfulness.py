"""R2 on masks that were never seen, by method, game, number of ablations m and draw, against the peers.

`authors` is the ProxySPEX of the package spectralexplain with its whole grid, `lightgbm` the best trees of that grid
read without loss (see peers.py). Games are those in tests/games and benchmarks/games, the training and test masks
those of `Game.split` in common.py. Rows already in results/faithfulness.json are not measured again, so with all of
the peers' rows there, those of the first draw by default, the peers need not be installed.

    OMP_NUM_THREADS=1 python benchmarks/faithfulness.py --methods auto lasso --draws 3
"""

import argparse
import os
from collections import defaultdict
from itertools import product

import jax
import numpy as np
from common import RESULTS_FOLDER, Game, Results, Stopwatch, games

import spexjax as sx

PEERS = ("authors", "lightgbm")
RESULTS = Results(RESULTS_FOLDER / "faithfulness.json", ("game", "method", "m", "draw"))
MARGIN = 0.01  # R2 by which a method may be below lasso or a constant
CAP = 8  # how far beyond its budgets a peer's curve is extrapolated


BUDGETS = (32, 64, 128, 256, 512, 1024, 2048, 4096)


def measure_ours(game: Game, method: str, m: int, draw: int) -> None:
    train, test = game.split(m, draw)
    watch = Stopwatch()
    explanation = sx.fit(game.masks[train], game.values[train], method=method, key=jax.random.key(draw))
    times = watch.read()
    chosen = explanation.diagnostics.get("chosen", explanation.method)
    extra = {"reported_r2": round(explanation.faithfulness.r2, 4), "chosen": chosen, "details": explanation.diagnostics}
    r2 = sx.metrics.r2(game.values[test], explanation.predict(game.masks[test]))
    record(game, method, m, draw, r2, times, extra)


def measure_peers(game: Game, m: int, draw: int) -> None:
    from peers import authors_and_lightgbm

    train, test = game.split(m, draw)
    for name, (predict, times, details) in authors_and_lightgbm(game.masks[train], game.values[train]).items():
        r2 = sx.metrics.r2(game.values[test], predict(game.masks[test]))
        record(game, name, m, draw, r2, times, {"details": details})


def record(game: Game, method: str, m: int, draw: int, r2: float, times: dict, extra: dict) -> None:
    row = {"game": game.name, "method": method, "m": m, "draw": draw, "r2": round(float(r2), 4)}
    row |= {**times, "cores": len(os.sched_getaffinity(0)), **extra}
    RESULTS.put(game, row)
    print({k: v for k, v in row.items() if k != "details"}, flush=True)


def collect(rows: list[dict]) -> dict[str, dict[tuple[str, int], list[float]]]:
    """By method and (game, m): the R2 of every draw."""
    found = defaultdict(lambda: defaultdict(list))
    for row in rows:
        found[row["method"]][row["game"], row["m"]].append(row["r2"])
    return found


def print_table(scores: dict, methods: list[str]) -> None:
    print(f"\n{'game':20}{'m':>6}" + "".join(f"{name:>22}" for name in methods))
    for game, m in sorted({cell for name in methods for cell in scores[name]}):
        cells = [scores[name].get((game, m)) for name in methods]
        texts = [f"{np.mean(c):.3f} ±{np.std(c):.3f} ({len(c)})" if c else "-" for c in cells]
        print(f"{game:20}{m:>6}" + "".join(f"{text:>22}" for text in texts))


def needed(curve: dict[int, float], r2: float) -> tuple[float, str]:
    """How many ablations a peer needs for that R2, and how that is known: "measured", "extrapolated" or "capped".

    The curve is the running maximum of R2, linear in log2 m between its points. Outside them the line through the
    first or last two goes on, at most to `CAP` times more or fewer ablations.
    """
    x, y = np.log2(sorted(curve)), np.maximum.accumulate([curve[m] for m in sorted(curve)])
    if y[0] <= r2 <= y[-1]:
        i = int(np.searchsorted(y, r2))
        place = x[i] if y[i] == r2 else x[i - 1] + (x[i] - x[i - 1]) * (r2 - y[i - 1]) / (y[i] - y[i - 1])
        return 2.0**place, "measured"
    end, other = (0, 1) if r2 < y[0] else (-1, -2)
    slope, limit = (y[end] - y[other]) / (x[end] - x[other]) if len(x) > 1 else 0.0, np.log2(CAP)
    steps = (r2 - y[end]) / slope if slope > 0 else np.copysign(np.inf, r2 - y[end])
    return 2.0 ** (x[end] + np.clip(steps, -limit, limit)), "capped" if abs(steps) > limit else "extrapolated"


def print_ratios(scores: dict, method: str, peer: str) -> None:
    """How many times our ablations the peer needs for our R2."""
    curves = defaultdict(dict)
    for (game, m), r2 in scores[peer].items():
        curves[game][m] = np.mean(r2)
    ratios, how = [], []
    for (game, m), r2 in sorted(scores[method].items()):
        if game in curves:
            ablations, known = needed(curves[game], np.mean(r2))
            ratios.append(ablations / m)
            how.append(known)
    if not ratios:
        return
    measured = [np.log(r) for r, known in zip(ratios, how, strict=True) if known == "measured"]
    print(
        f"{peer} needs, for the R2 of {method}, times the ablations: median {np.median(ratios):.2f}, "
        f"mean {np.mean(ratios):.2f}, geometric mean {np.exp(np.mean(np.log(ratios))):.2f} over {len(ratios)} cells, "
        f"{how.count('extrapolated')} of them extrapolated, {how.count('capped')} capped; "
        + (f"of the {len(measured)} others geometric mean {np.exp(np.mean(measured)):.2f}" if measured else "no others")
    )


def print_failures(rows: list[dict], method: str) -> None:
    """Where the method is below lasso or a constant."""
    lasso = {(r["game"], r["m"], r["draw"]): r["r2"] for r in rows if r["method"] == "lasso"}
    ours = [r for r in rows if r["method"] == method]
    floors = [max(0.0, lasso.get((r["game"], r["m"], r["draw"]), 0.0)) for r in ours]
    bad = [(r, floor) for r, floor in zip(ours, floors, strict=True) if r["r2"] < floor - MARGIN]
    compared = sum((r["game"], r["m"], r["draw"]) in lasso for r in ours)
    bias = np.mean([r["reported_r2"] - r["r2"] for r in ours])
    print(f"the R2 that {method} reports of itself less that on the test masks: {bias:+.4f} on average")
    of = f"{len(bad)} of {len(ours)} fits ({compared} with a lasso row)"
    print(f"{method} is below lasso or 0 by more than {MARGIN} in {of}")
    for r, floor in bad:
        print(f"  {r['game']} m={r['m']} draw={r['draw']}: {r['r2']:.3f} < {floor:.3f}, chosen {r.get('chosen')}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", default=["auto"], help="spexjax methods; none for the peers alone")
    parser.add_argument("--games", nargs="*", help="all by default")
    parser.add_argument(
        "--budgets", nargs="*", type=int, default=BUDGETS, help="those that leave 1,024 masks to test on"
    )
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--peer-draws", type=int, default=1, help="draws for which missing peers are measured")
    parser.add_argument("--again", action="store_true", help="measure also what has been measured before")
    return parser.parse_args()


def main():
    args = parse()
    chosen = games(args.games)
    for game in chosen:
        jax.clear_caches()  # one process cannot map the code of all shapes at once
        for m, draw in product(game.budgets(args.budgets), range(args.draws)):
            for method in args.methods:
                if args.again or not RESULTS.has(game, method, m, draw):
                    measure_ours(game, method, m, draw)
            if draw < args.peer_draws and (args.again or not all(RESULTS.has(game, p, m, draw) for p in PEERS)):
                measure_peers(game, m, draw)
    rows = [r for r in RESULTS.rows(chosen) if r["draw"] < args.draws and r["m"] in args.budgets]
    scores = collect(rows)
    print_table(scores, [*args.methods, *PEERS])
    print()
    for method in args.methods:
        for peer in PEERS:
            print_ratios(scores, method, peer)
        print_failures(rows, method)


if __name__ == "__main__":
    main()

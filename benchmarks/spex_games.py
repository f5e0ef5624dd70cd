"""SPEX and ProxySPEX with the same ablations on real games of which all 2^n values are known.

R2 on all masks that were not evaluated, what the fit says of itself, and how many of the 20 largest Fourier
coefficients, of all orders from 1 and of orders from 2, are in its spectrum. The budgets are those that SPEX uses, for
interactions up to order t = 5 and t = 3. Rows already in results/spex_games.json are not measured again.

    OMP_NUM_THREADS=1 python benchmarks/spex_games.py
"""

import argparse
from itertools import product

import jax
import numpy as np
from common import RESULTS_FOLDER, Game, Results, Stopwatch, games
from index_error import lookup

import spexjax as sx

BUDGETS = (2000, 4000, 8000)
METHODS = {m: m for m in ("spex", "proxyspex-gp", "lasso")} | {"spex, t = 3": sx.methods.spex(max_order=3)}
TOP = 20
RESULTS = Results(RESULTS_FOLDER / "spex_games.json", ("game", "budget", "method", "draw"))


def recall(found: sx.Spectrum, exact: sx.Spectrum, least_order: int) -> float:
    """The share of the strongest exact terms of at least that order that are among the found ones."""
    terms = [(abs(c), s) for s, c in exact.to_dict().items() if len(s) >= least_order]
    top = {s for _, s in sorted(terms, reverse=True)[:TOP]}
    return len(top & {s for s, c in found.to_dict().items() if c}) / len(top)


def measure(game: Game, exact: sx.Spectrum, name: str, budget: int, draw: int) -> None:
    ablation = sx.ablations.host_function(lookup(game), game.num_features)
    watch = Stopwatch()
    try:
        e = sx.explain(ablation, budget=budget, key=jax.random.key(draw), method=METHODS[name], progress=False)
    except ValueError as error:
        print(game.name, name, error)
        return
    times = watch.read()
    seen = np.isin(game.masks @ (1 << np.arange(game.num_features)), e.masks @ (1 << np.arange(game.num_features)))
    row = {
        "method": name,
        "budget": budget,
        "draw": draw,
        "ablations": len(e.masks),
        "r2": round(sx.metrics.r2(game.values[~seen], e.predict(game.masks[~seen])), 4),
        "reported_r2": round(e.faithfulness.r2, 4),
        "recall": recall(e.spectrum, exact, 1),
        "recall_from_order_2": recall(e.spectrum, exact, 2),
        "chosen": e.diagnostics.get("chosen"),
        "bins_log2": e.provenance.get("subsampled", {}).get("bins_log2"),
        **times,
    }
    RESULTS.put(game, row)
    print({"game": game.name, **row}, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--budgets", type=int, nargs="+", default=BUDGETS)
    args = parser.parse_args()
    chosen = games(prefix="exact_")
    for budget, game in product(args.budgets, chosen):
        if budget >= len(game.values):
            continue  # all masks would be evaluated
        jax.clear_caches()
        exact = sx.transforms.exact_spectrum(game.masks, game.values)
        for draw, name in product(range(args.draws), METHODS):
            spent = budget if name.startswith("spex") else used(game, budget, draw)
            if not RESULTS.has(game, spent, name, draw):
                measure(game, exact, name, spent, draw)
    rows = RESULTS.rows(chosen)
    print(f"\n{'game':20}{'method':14}{'b':>3}{'ablations':>10}{'R2':>7}{'own':>7}{'top 20':>8}{'order 2+':>9}")
    for r in sorted(rows, key=lambda r: (r["game"], r["ablations"], r["method"])):
        b, values = r["bins_log2"] or "", (r["r2"], r["reported_r2"], r["recall"], r["recall_from_order_2"])
        print(f"{r['game']:20}{r['method']:14}{b:>3}{r['ablations']:>10}" + "".join(f"{v:>8.2f}" for v in values))


def used(game: Game, budget: int, draw: int) -> int:
    """How many ablations SPEX made of a budget."""
    rows = [r for r in RESULTS.rows([game]) if (r["method"], r["budget"], r["draw"]) == ("spex", budget, draw)]
    return rows[0]["ablations"] if rows else budget


if __name__ == "__main__":
    main()

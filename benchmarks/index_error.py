"""Mean squared error of SV, SII, FSII and FBII from few ablations against the exact indices, ours and the peers'.

On games of which all 2^n values are known; the mean is over all sets of 1 to `order` features, those without a value
counting as 0. The order is 1 for SV, 3 where the name ends in 3, else 2. The peers are those of shapiq (see peers.py);
each chooses its own ablations, and has values of some indices only. Rows already in results/index_error.json are not
measured again, so with all of the peers' rows there, or with `--peers` and no name, shapiq need not be installed.

    OMP_NUM_THREADS=1 python benchmarks/index_error.py --methods auto --draws 5
    OMP_NUM_THREADS=1 python benchmarks/index_error.py --methods auto least-squares least-squares-3 lasso \\
        --budgets 32 64 128
"""

import argparse
import warnings
from collections import defaultdict
from itertools import combinations, product

import jax
import numpy as np
from common import RESULTS_FOLDER, Game, Results, Stopwatch, games
from peers import PEERS, FitOnce, shapiq_approximators

import spexjax as sx
from spexjax.indices import interactions
from spexjax.transforms import exact_spectrum

# What is asked for: the index and the largest order. Those of a line want the same masks of ours.
SHAPLEY = {"SV": ("SV", 1), "SII": ("SII", 2), "FSII": ("FSII", 2), "SII-3": ("SII", 3), "FSII-3": ("FSII", 3)}
BANZHAF = {"FBII": ("FBII", 2), "FBII-3": ("FBII", 3)}
ASKED = SHAPLEY | BANZHAF
TOP = 20
RESULTS = Results(RESULTS_FOLDER / "index_error.json", ("game", "index", "method", "budget", "draw"))


def lookup(game: Game):
    """The game as a function of a batch of masks."""
    bits = 1 << np.arange(game.num_features)
    values = np.zeros(len(game.values), np.float32)
    values[game.masks @ bits] = game.values
    return lambda masks: values[np.atleast_1d(np.asarray(masks).astype(np.int64) @ bits)]


def mean_squared_error(game: Game, index: str, found, exact) -> float:
    """Over all sets of 1 to order features; `found[s]` and `exact[s]` are the values of a set."""
    n, (_, order) = game.num_features, ASKED[index]
    sets = [s for size in range(1, order + 1) for s in combinations(range(n), size)]
    return float(np.mean([(float(found[s]) - exact[s]) ** 2 for s in sets]))


def coverage(explanation, found, exact) -> float | None:
    """The share of the strongest values that lie within two standard errors of the exact ones: .95 if calibrated."""
    top = found.top(TOP)
    errors = explanation.standard_errors(top)
    if not np.isfinite(errors).all():
        return None
    return round(float(np.mean([abs(v - exact[s]) <= 2 * e for (s, v), e in zip(top, errors, strict=True)])), 3)


def measure_ours(game: Game, truth: dict, method: str, indices: list[str], budget: int, draw: int) -> None:
    """One explanation answers all of these indices, because they want the same masks."""
    watch = Stopwatch()
    ablation = sx.ablations.host_function(lookup(game), game.num_features)
    explanation = sx.explain(
        ablation, budget=budget, key=jax.random.key(draw), method=method, index=ASKED[indices[0]][0], progress=False
    )
    times = watch.read()
    for index in indices:
        found = explanation.interactions(*ASKED[index])
        exact = truth[index]
        error = mean_squared_error(game, index, found, exact)
        extra = {"reported_r2": round(explanation.faithfulness.r2, 4), "coverage": coverage(explanation, found, exact)}
        extra |= {"chosen": explanation.diagnostics.get("chosen", explanation.method), **times}
        record(game, index, method, budget, draw, error, extra)


def measure_peers(game: Game, truth: dict, todo: list[tuple[str, str]], budget: int, draw: int) -> None:
    """Peers on indices, `(index, name)`; ProxySPEX is fitted once, and timed where it is."""
    search = None
    for index, name in todo:
        make = shapiq_approximators(game.num_features, *ASKED[index], draw, budget).get(name)
        if make is None:  # it takes too long with so many ablations, or needs more
            continue
        approximator, fitted = make(), name == "proxyspex" and search is not None
        if name == "proxyspex":
            search = approximator.proxy_model = search or FitOnce(approximator.proxy_model)
        watch = Stopwatch()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = approximator.approximate(budget, lookup(game))
        times = {} if fitted else watch.read()
        record(game, index, name, budget, draw, mean_squared_error(game, index, found, truth[index]), times)


def record(game: Game, index: str, method: str, budget: int, draw: int, error: float, extra: dict) -> None:
    row = {"game": game.name, "index": index, "method": method, "budget": budget, "draw": draw}
    row |= {"mse": float(f"{error:.4g}"), **extra}
    RESULTS.put(game, row)
    print(row, flush=True)


def collect(rows: list[dict]) -> dict[str, dict[tuple, list[float]]]:
    """By method and (game, index, budget): the errors of all draws."""
    found = defaultdict(lambda: defaultdict(list))
    for r in rows:
        found[r["method"]][r["game"], r["index"], r["budget"]].append(r["mse"])
    return found


def print_table(errors: dict, methods: list[str]) -> None:
    """Mean and standard deviation over the draws."""
    print(f"\n{'game':20}{'index':6}{'budget':>7}" + "".join(f"{name[-19:]:>20}" for name in methods))
    for game, index, budget in sorted({cell for name in methods for cell in errors[name]}):
        cells = [errors[name].get((game, index, budget)) for name in methods]
        texts = [f"{np.mean(c):.1e} ±{np.std(c):.0e}" if c else "-" for c in cells]
        print(f"{game:20}{index:6}{budget:>7}" + "".join(f"{text:>20}" for text in texts))


def print_ratios(errors: dict, method: str, peer: str, indices: list[str]) -> None:
    """Our mean error over the peer's, averaged over games and budgets."""
    for chosen in [[index] for index in indices] + [indices]:
        cells = [c for c in errors[method] if c in errors[peer] and c[1] in chosen]
        ratios = np.array([np.mean(errors[method][c]) / np.mean(errors[peer][c]) for c in cells])
        if len(ratios):
            print(
                f"{method} / {peer}, {'+'.join(chosen)}: mean {ratios.mean():.3f}, geometric mean "
                f"{np.exp(np.log(ratios).mean()):.3f}, worst {ratios.max():.2f}, above 1 in {(ratios > 1).sum()} of "
                f"{len(ratios)} cells"
            )


def print_best(errors: dict, method: str, peers: list[str], indices: list[str]) -> None:
    """Our mean error over that of the best peer of each cell."""
    for chosen in [[index] for index in indices] + [indices]:
        cells = [c for c in errors[method] if c[1] in chosen and any(c in errors[peer] for peer in peers)]
        best = [min(np.mean(errors[peer][c]) for peer in peers if c in errors[peer]) for c in cells]
        ratios = [np.mean(errors[method][c]) / b for c, b in zip(cells, best, strict=True)]
        if ratios:
            mean = np.exp(np.log(ratios).mean())
            print(f"{method} / best peer, {'+'.join(chosen)}: geometric mean {mean:.3f} of {len(ratios)} cells")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", default=["auto"], help="spexjax methods; none for the peers alone")
    parser.add_argument("--games", nargs="*", help="exact games; all by default")
    parser.add_argument("--indices", nargs="*", default=list(ASKED), choices=list(ASKED))
    parser.add_argument("--budgets", nargs="*", type=int, default=[256, 512, 1024])
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=list(PEERS), help="all by default")
    parser.add_argument("--again", action="store_true", help="measure also what has been measured before")
    return parser.parse_args()


def missing(game: Game, method: str, indices: list[str], budget: int, draw: int, again: bool) -> list[str]:
    return [i for i in indices if again or not RESULTS.has(game, i, method, budget, draw)]


def main():
    args = parse()
    chosen = games(args.games, prefix="exact_")
    spectra = {game.name: exact_spectrum(game.masks, game.values) for game in chosen}
    truths = {name: {i: interactions(s, *ASKED[i]) for i in args.indices} for name, s in spectra.items()}
    for game in chosen:
        truth = truths[game.name]
        jax.clear_caches()  # one process cannot map the code of all shapes at once
        for budget, draw in product(args.budgets, range(args.draws)):
            for method, kinds in product(args.methods, (SHAPLEY, BANZHAF)):
                wanted = [i for i in args.indices if i in kinds]
                if todo := missing(game, method, wanted, budget, draw, args.again):
                    measure_ours(game, truth, method, todo, budget, draw)
            todo = {name: missing(game, name, args.indices, budget, draw, args.again) for name in args.peers}
            pairs = [
                (i, name) for i in args.indices for name in args.peers if ASKED[i][0] in PEERS[name] and i in todo[name]
            ]
            measure_peers(game, truth, pairs, budget, draw)
    rows = [r for r in RESULTS.rows(chosen) if r["budget"] in args.budgets and r["draw"] < args.draws]
    errors = collect([r for r in rows if r["index"] in args.indices])
    print_table(errors, [*args.methods, *args.peers])
    print()
    for method in args.methods:
        for peer in args.peers:
            print_ratios(errors, method, peer, args.indices)
        print_best(errors, method, args.peers, args.indices)


if __name__ == "__main__":
    main()

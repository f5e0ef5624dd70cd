"""The most influential subset: how often the answer is certified, how soon, and how good the local search alone is.

Each game is explained from 1,024 ablations, the spectrum cut to its 300 strongest terms, and the r features sought
whose removal changes it most, for r from 3 to n - 4. Dense random spectra are the hard case. Where a game has all 2^n
values, the removal that was found is compared with the best that there truly is.

    python benchmarks/subsets.py
"""

import argparse
import json
import os
from math import comb

import jax
import numpy as np
from common import RESULTS_FOLDER, games

import spexjax as sx

MASKS, TERMS, LIMIT = 1024, 300, 20.0
PATH = RESULTS_FOLDER / "subsets.json"


def explained(game) -> sx.Spectrum:
    rows, _ = game.split(MASKS, 0)
    return sx.fit(game.masks[rows], game.values[rows], method="proxyspex-gp", key=jax.random.key(0)).spectrum


def dense(n: int) -> sx.Spectrum:
    """Normal coefficients of orders 1 to 4 at random sets: no feature and no order stands out."""
    rng, terms = np.random.default_rng(0), {(): 0.0}
    while len(terms) < TERMS:
        terms[tuple(sorted(rng.choice(n, rng.integers(1, 5), replace=False).tolist()))] = float(rng.normal())
    return sx.Spectrum.from_dict(terms, n)


def truly_best(game, removed: int) -> float:
    """The largest |f(1) - f(S)| over all masks that lack so many features."""
    same = (~game.masks).sum(1) == removed
    full = game.values[game.masks.all(1)][0]
    return float(np.abs(full - game.values[same]).max())


def instance(name: str, spectrum: sx.Spectrum, removed: int) -> tuple[dict, sx.subsets.Optimum]:
    """What one search found, by the local search alone and with its certificate."""
    local = sx.subsets.optimum(spectrum, removed, method="local")
    best = sx.subsets.optimum(spectrum, removed, time_limit=LIMIT)
    row = {"game": name, "features": spectrum.num_features, "terms": len(spectrum), "removed": removed}
    row |= {"choices": f"{comb(spectrum.num_features, removed):.2g}", "status": best.status}
    row |= {"seconds": round(best.seconds, 2), "local_seconds": round(local.seconds, 2)}
    row |= {"score": best.score, "gap": round(best.gap, 6), "local_share": round(local.score / best.score, 6)}
    return row, best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="*", help="names; all by default")
    args, rows = parser.parse_args(), []
    for game in games(args.games):
        spectrum = explained(game).truncate(TERMS)
        n = game.num_features
        for removed in sorted({3, 8, n // 4, n // 2, n - 4} - {n}):
            row, best = instance(game.name, spectrum, removed)
            if game.exact:
                full, there = (game.values[(game.masks == m).all(1)][0] for m in (np.ones(n, bool), best.mask))
                row["true_share"] = round(float(abs(full - there)) / truly_best(game, removed), 4)
            rows.append(row)
            print(row, flush=True)
    for removed in (3, 8, 16, 32):
        rows.append(instance("dense random", dense(64), removed)[0])
        print(rows[-1], flush=True)
    record = {
        "command": "python benchmarks/subsets.py",
        "cores": len(os.sched_getaffinity(0)),
        "time_limit": LIMIT,
        "masks": MASKS,
        "rows": rows,
    }
    PATH.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

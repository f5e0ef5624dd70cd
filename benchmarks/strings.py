"""What does it gain to look at the string that is left, where removed parts of a text are deleted?

Each text game is fitted with `structure="sequence"` and with None; R2 is on the game's 1,024 test masks. The reviews of
`covalues.py` are measured anew.

    python benchmarks/strings.py [--games review48 ...]
"""

import argparse
import itertools

import jax
import numpy as np
from common import RESULTS_FOLDER, Results, games
from covalues import measure

import spexjax as sx

TEXTS, MEASURED = ("facts20", "review16", "review48"), ("review30", "review118")
SIZES, DRAWS = (256, 512, 1024, 2048), 3


def fitted_r2(game, m, draw, structure):
    rows, test = game.split(m, draw)
    options = {"method": "proxyspex-gp", "key": jax.random.key(draw), "progress": False}
    explanation = sx.fit(game.masks[rows], game.values[rows], structure=structure, **options)
    return sx.metrics.r2(game.values[test], explanation.predict(game.masks[test]))


def chosen(names, store):
    """The games of these names, those with a file first."""
    yield from games([name for name in names if name not in MEASURED])
    for name in MEASURED:
        if name in names:
            yield measure(name, store, max(SIZES))[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", default=[*TEXTS, *MEASURED], help="games whose removed parts are deleted")
    parser.add_argument("--store", default="out/covalues", help="where ablations are kept")
    args = parser.parse_args()
    results = Results(RESULTS_FOLDER / "strings.json", ("game", "structure", "m", "draw"))
    for game in chosen(args.games, sx.Store(args.store)):
        jax.clear_caches()  # one process cannot map the code of all shapes at once
        for m, structure in itertools.product(game.budgets(SIZES), (None, "sequence")):
            for draw in range(DRAWS):
                if not results.has(game, str(structure), m, draw):
                    r2 = round(float(fitted_r2(game, m, draw, structure)), 4)
                    results.put(game, {"structure": str(structure), "m": m, "draw": draw, "r2": r2})
            rows = [r for r in results.rows([game]) if (r["structure"], r["m"]) == (str(structure), m)]
            print(game.name, m, structure, np.round(np.mean([r["r2"] for r in rows]), 4), flush=True)


if __name__ == "__main__":
    main()

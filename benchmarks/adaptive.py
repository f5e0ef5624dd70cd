"""Does choosing the masks where the surrogate is least sure beat drawing them uniformly?

From 256 uniform masks to 512: either 256 more uniform ones, or those of the pool (every measured mask that is not for
testing) at which `prediction_errors` is largest. R2 is on the last 1,024 masks of each game, which nothing else uses.

    python benchmarks/adaptive.py
"""

import json

import jax
import numpy as np
from common import RESULTS_FOLDER, games

import spexjax as sx

FIRST, MORE, TEST, DRAWS = 256, 256, 1024, 2
GAMES = ["sent24", "heads90", "qa32"]


def fit(game, rows, key):
    return sx.fit(game.masks[rows], game.values[rows], method="proxyspex-gp", key=key)


def test_r2(game, explanation) -> float:
    return sx.metrics.r2(game.values[-TEST:], explanation.predict(game.masks[-TEST:]))


def compare(game, draw: int) -> dict:
    """R2 after the first masks, and after more of them of either kind."""
    key, order = jax.random.key(draw), np.random.default_rng(draw).permutation(len(game.values) - TEST)
    first, pool = order[:FIRST], order[FIRST:]
    start = fit(game, first, key)
    unsure = pool[np.argsort(-start.prediction_errors(game.masks[pool]))[:MORE]]
    uniform, chosen = (fit(game, np.concatenate([first, more]), key) for more in (pool[:MORE], unsure))
    scores = {
        name: round(test_r2(game, e), 4) for name, e in (("start", start), ("uniform", uniform), ("chosen", chosen))
    }
    return {"game": game.name, "draw": draw, **scores}


def main():
    rows = []
    for game in games(GAMES):
        for draw in range(DRAWS):
            rows.append(compare(game, draw))
            print(rows[-1], flush=True)
    gain = float(np.mean([row["chosen"] - row["uniform"] for row in rows]))
    result = {"command": "python benchmarks/adaptive.py", "rows": rows, "mean_gain_of_choosing": round(gain, 4)}
    (RESULTS_FOLDER / "adaptive.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"choosing gains {gain:+.4f} R2 on average")


if __name__ == "__main__":
    main()

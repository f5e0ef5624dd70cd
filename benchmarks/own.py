"""A method of your own on the games, beside ours and the peers: R2 on masks that no fit has seen.

    import sys; sys.path.insert(0, "benchmarks")
    from own import benchmark

    benchmark(my_method)  # a Method or a Proxy
    benchmark(my_method, games=["heads72"], draws=1)

Rows of the others are those of results/faithfulness.json, on the same masks.
"""

from collections.abc import Sequence

import common
import jax
import numpy as np
from common import RESULTS_FOLDER, Results
from faithfulness import BUDGETS

import spexjax as sx

BESIDE = ("auto", "lasso", "lightgbm", "authors")


def benchmark(
    method: "str | sx.methods.Method | sx.Proxy",
    *,
    games: Sequence[str] | None = None,
    draws: int = 1,
    most: int = 2048,
) -> list[dict]:
    """Fits a method to the measured masks of the games, prints its R2 beside that of others, and returns its rows.

    Args:
      method: the name of a registered method, a `Method` that fits masks it did not draw, or a `Proxy`.
      games: names of games; all by default.
      draws: of training masks, for each number of ablations; a star marks a mean of others over fewer.
      most: numbers of ablations above this are left out.

    Raises:
      ValueError: if there is no such game, nothing to measure, or the method cannot be used.
    """
    chosen, name = _chosen(games), sx.methods.get(method).name
    if draws < 1 or most < min(BUDGETS):
        raise ValueError(f"Nothing to measure: draws is at least 1, and most at least {min(BUDGETS)}.")
    known = Results(RESULTS_FOLDER / "faithfulness.json", ("game", "method", "m", "draw"))
    print(f"{'game':20}{'m':>6}{name:>16}" + "".join(f"{other:>12}" for other in BESIDE), flush=True)
    rows = []
    for game in chosen:
        others = known.rows([game])
        for m in (m for m in game.budgets(BUDGETS) if m <= most):
            for draw in range(draws):
                train, test = game.split(m, draw)
                explanation = sx.fit(
                    game.masks[train], game.values[train], method=method, key=jax.random.key(draw), progress=False
                )
                r2 = sx.metrics.r2(game.values[test], explanation.predict(game.masks[test]))
                rows.append({"game": game.name, "m": m, "draw": draw, "r2": float(r2)})
            mine = np.mean([row["r2"] for row in rows[-draws:]])
            print(
                f"{game.name:20}{m:>6}{mine:>16.3f}" + "".join(_cell(others, o, m, draws) for o in BESIDE), flush=True
            )
    return rows


def _chosen(games: Sequence[str] | None) -> list[common.Game]:
    if games is not None and not games:
        raise ValueError("games is empty; leave it out for all games.")
    try:
        return common.games([games] if isinstance(games, str) else games)
    except SystemExit as unknown:
        raise ValueError(str(unknown)) from None


def _cell(rows: list[dict], method: str, m: int, draws: int) -> str:
    found = [row["r2"] for row in rows if (row["method"], row["m"]) == (method, m) and row["draw"] < draws]
    return f"{np.mean(found):>11.3f}{'*' if len(found) < draws else ' '}" if found else f"{'-':>11} "

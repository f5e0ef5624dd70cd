"""What one backward pass and co-values say about all 270 heads near the full model.

Every head of SmolLM2-135M is kept with probability 0.9 while the model answers four prompts. Masks are fitted with and
without the gradient at the gates 0.9 as prior mean, and with and without co-values; R2 is on 1,024 other masks of that
kind. Other prompts than those of `covalues.py` are there to see whether what helps one helps another.

    python benchmarks/gradient.py
"""

import argparse
import itertools

import jax
import numpy as np
from common import NUM_TEST, RESULTS_FOLDER, Game, Results
from covalues import CAPITALS, CITIES
from games.make import smollm2

import spexjax as sx
from spexjax.evaluation import run

KEEP, SIZES, DRAWS, POOL = 0.9, (32, 64, 128, 256, 512), 3, 1024
PROMPTS = {
    "capitals270": (CITIES, CAPITALS),
    "opposites270": (
        [f"The opposite of {word} is" for word in ("hot", "big", "open", "early")],
        [(" cold", " warm"), (" small", " large"), (" closed", " wide"), (" late", " soon")],
    ),
}
RESULTS = Results(RESULTS_FOLDER / "gradient.json", ("game", "gradient", "covalues", "m", "draw"))


def measure(name: str, store: sx.Store):
    """The game, its co-values, and the gradient as a function of masks."""
    ablation = sx.ablations.components(smollm2(), *PROMPTS[name])
    n = ablation.num_features
    masks = np.asarray(sx.designs.biased(jax.random.key(7), POOL + NUM_TEST, n, KEEP))
    found = run(ablation, masks, store=store, progress=True)
    (slopes,) = run(ablation.gradient(KEEP), np.ones((1, n), bool), store=store).values
    linear = sx.Spectrum.from_dict({(i,): -slope / 2 for i, slope in enumerate(slopes.tolist())}, n)
    correlation = np.corrcoef(masks @ slopes, found.values)[0, 1]
    print(f"{name}: the correlation of the gradient's prediction with the values is {correlation:.2f}", flush=True)
    return Game(name, masks, found.values), found.covalues, linear


def fitted_r2(game: Game, covalues, prior, m: int, draw: int) -> float:
    rows = np.random.default_rng(draw).permutation(POOL)[:m]
    some = None if covalues is None else covalues[rows]
    options = {"method": "proxyspex-gp", "key": jax.random.key(draw), "structure": None, "progress": False}
    explanation = sx.fit(game.masks[rows], game.values[rows], covalues=some, prior=prior, **options)
    return sx.metrics.r2(game.values[POOL:], explanation.predict(game.masks[POOL:]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", choices=PROMPTS, default=list(PROMPTS))
    parser.add_argument("--store", default="out/gradient", help="where ablations are kept")
    args = parser.parse_args()
    for name in args.games:
        game, covalues, linear = measure(name, sx.Store(args.store))
        for gradient, known, m, draw in itertools.product((False, True), (False, True), SIZES, range(DRAWS)):
            if not RESULTS.has(game, gradient, known, m, draw):
                r2 = fitted_r2(game, covalues if known else None, linear if gradient else None, m, draw)
                row = {"gradient": gradient, "covalues": known, "m": m, "draw": draw, "r2": round(r2, 4)}
                RESULTS.put(game, row)
        print(f"{name:14}{'m':>5}{'neither':>10}{'gradient':>10}{'co-values':>10}{'both':>10}")
        for m in SIZES:
            cells = itertools.product((False, True), (False, True))
            means = {c: np.mean([r["r2"] for r in RESULTS.rows([game]) if _cell(r) == (*c, m)]) for c in cells}
            order = [(False, False), (True, False), (False, True), (True, True)]
            print(f"{'':14}{m:>5}" + "".join(f"{means[c]:>10.3f}" for c in order), flush=True)


def _cell(row: dict) -> tuple[bool, bool, int]:
    return row["gradient"], row["covalues"], row["m"]


if __name__ == "__main__":
    main()

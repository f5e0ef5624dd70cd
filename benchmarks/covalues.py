"""How many ablations do co-values save?

Games are measured anew, with co-values: a sketch of the hidden states, or the scores at other test points. Each is
fitted from m masks with and without them; R2 is on 1,024 other masks. "saved" is how many times as many ablations a fit
without co-values needs for the same R2, by interpolation in log m of its mean curve; where that curve ends below, by
its end.

    python benchmarks/covalues.py [--games review48 ...]
"""

import argparse
import itertools
import time

import jax
import numpy as np
import optax
from common import NUM_TEST, RESULTS_FOLDER, Game, Results
from games.make import ANSWER_PREFIX, ANSWERS, FACTS, FACTS_QUESTION, QUESTION, REVIEW48, smollm2

import spexjax as sx

WITH, WITHOUT, DRAWS, POOL = (64, 128, 256, 512), (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536), 3, 1536
REVIEW30 = (
    "The first hour drags and the songs are forgettable, yet the last scene won me over completely: I left the cinema "
    "smiling, and I would not mind seeing it again."
)
REVIEW118 = (
    "I went in expecting very little, since the trailer gave half of the plot away and the director has not made a "
    "good film in years. The opening is slow, the jokes about the neighbours fall flat, and one long scene in the "
    "kitchen should never have left the cutting room. Still, somewhere near the middle it stops trying so hard. The "
    "two sisters finally talk, nobody shouts, and the music knows when to be quiet. Hardly anything happens after "
    "that, but I could not look away. It is not a perfect film and I doubt that it will win prizes, yet I walked home "
    "slower than usual, and I have already told three friends to see it."
)
KEEP = 0.9  # of all 270 heads; of other features half are kept
CITIES = [f"The capital of {country} is" for country in ("France", "Japan", "Italy", "Egypt")]
CAPITALS = [(" Paris", " Rome"), (" Tokyo", " Rome"), (" Rome", " Paris"), (" Cairo", " Rome")]


def review(text):
    asked = {"question": QUESTION, "answers": ANSWERS, "answer_prefix": ANSWER_PREFIX}
    return sx.ablations.text(smollm2(), text, **asked)


def facts():
    asked = {"question": FACTS_QUESTION, "answers": (" Prague", " Lisbon"), "answer_prefix": "She lives in"}
    return sx.ablations.text(smollm2(), FACTS, features="sentence", **asked)


def heads(layers=None):
    return sx.ablations.components(smollm2(), CITIES, CAPITALS, layers=layers)


def training():
    """A small network on two moons, trained without some of 40 groups of examples; one of 64 test points."""
    rng = np.random.default_rng(0)

    def moons(count):
        angle, kind = np.pi * rng.random(count), rng.integers(2, size=count)
        x = np.stack([np.cos(angle) + kind, np.where(kind, 0.5 - np.sin(angle), np.sin(angle))], 1)
        return (x + 0.15 * rng.normal(size=x.shape)).astype(np.float32), kind

    def init(key):
        first, second = jax.random.split(key)
        return 0.7 * jax.random.normal(first, (2, 16)), 0.3 * jax.random.normal(second, (16, 2))

    def logits(weights, x):
        return jax.numpy.tanh(x @ weights[0]) @ weights[1]

    data, groups = moons(160), np.arange(160) // 4
    settings = {"optimizer": optax.adam(0.03), "steps": 60, "keys": jax.random.split(jax.random.key(0), 1)}
    points = sx.ablations.training_data(data, moons(64), init, logits, groups=groups, name="two-moons", **settings)
    return points.only(0)


GAMES = {
    "review30": lambda: review(REVIEW30),
    "review48": lambda: review(REVIEW48),
    "facts20": facts,
    "review118": lambda: review(REVIEW118),
    "heads90": lambda: heads(range(12, 22)),
    "heads270": heads,
    "training40": training,
}


def measure(name, store, pool=POOL):
    """The game, with masks to train on before those to test on, and its co-values."""
    ablation = GAMES[name]()
    key, size, n = jax.random.key(7), pool + NUM_TEST, ablation.num_features
    masks = sx.designs.biased(key, size, n, KEEP) if name == "heads270" else sx.designs.uniform(key, size, n)
    masks = np.asarray(masks)
    start = time.perf_counter()
    found = sx.evaluation.run(ablation, masks, store=store)
    print(f"{name}: {len(masks)} ablations in {time.perf_counter() - start:.0f} s", flush=True)
    return Game(name, masks, found.values), found.covalues, ablation.structure


def fitted_r2(game, covalues, structure, m, draw, relevances=None):
    masks, values = game.masks, game.values
    rows = np.random.default_rng(draw).permutation(POOL)[:m]
    some = None if covalues is None else covalues[rows]
    options = {"method": "proxyspex-gp", "key": jax.random.key(draw), "relevances": relevances, "progress": False}
    explanation = sx.fit(masks[rows], values[rows], covalues=some, structure=structure, **options)
    return sx.metrics.r2(values[POOL:], explanation.predict(masks[POOL:]))


def saved(rows):
    """For each m with co-values, the multiple of it that gives the same mean R2 without them."""

    def curve(known, sizes):
        return [np.mean([r["r2"] for r in rows if (r["covalues"], r["m"]) == (known, m)]) for m in sizes]

    best = np.maximum.accumulate(curve(False, WITHOUT))
    needed = np.exp(np.interp(curve(True, WITH), best, np.log(WITHOUT)))
    return {m: round(float(x) / m, 2) for m, x in zip(WITH, needed, strict=True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--store", default="out/covalues", help="where ablations are kept")
    args = parser.parse_args()
    results = Results(RESULTS_FOLDER / "covalues.json", ("game", "covalues", "m", "draw"))
    for name in args.games:
        jax.clear_caches()  # one process cannot map the code of all shapes at once
        game, covalues, structure = measure(name, sx.Store(args.store))
        sizes = [(True, m) for m in WITH] + [(False, m) for m in WITHOUT]
        for (known, m), draw in itertools.product(sizes, range(DRAWS)):
            if not results.has(game, known, m, draw):
                r2 = fitted_r2(game, covalues if known else None, structure, m, draw)
                results.put(game, {"covalues": known, "m": m, "draw": draw, "r2": round(r2, 4)})
        print(name, "saved", saved(results.rows([game])), flush=True)


if __name__ == "__main__":
    main()

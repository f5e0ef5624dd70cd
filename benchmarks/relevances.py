"""What is the attention of one unablated pass worth, where ablations are few?

Words of reviews of 30 to 237 words are deleted. Each fit is made without relevances, with the attention that the words
get, and, as a control, with that attention given to other words at random; all with co-values, or all without. R2 is on
1,024 other masks.

    python benchmarks/relevances.py [--games review48 ...]
"""

import argparse
import itertools

import covalues
import jax
import numpy as np
from common import RESULTS_FOLDER, Results

import spexjax as sx

SIZES, DRAWS = (32, 64, 128, 256), 5
REVIEW237 = (
    "My brother has wanted me to watch this series for two years, so last weekend I gave in and saw the whole first "
    "season. It begins with a train that stops in the snow, and for half an hour I was sure that I would hate it: "
    "the dialogue is stiff, the lighting is dim, and everyone whispers as if somebody were asleep next door. Then the "
    "old woman in the last carriage opens her suitcase, and from there I could not stop. Not every thread is tied up. "
    "The detective is a bore, his partner is worse, and the episode in the harbour could be cut without any loss. But "
    "the writers trust the audience, which is rare, and they let small things matter: a missing glove, a song on the "
    "radio, the way the conductor never finishes a sentence. I did not guess the ending, although it is plain once you "
    "know it, and it made me go back to the first scene at once. My brother says that the second season is weaker and "
    "that I should not bother. I doubt that I will listen to him. If you can bear a slow start and do not mind reading "
    "subtitles, give it three episodes before you decide. It is far from flawless, but it is the best thing that I "
    "have seen on a screen since the spring, and I already miss that train."
)
GAMES = {
    "review30": covalues.REVIEW30,
    "review48": covalues.REVIEW48,
    "review118": covalues.REVIEW118,
    "review237": REVIEW237,
}
HINTS = ("none", "attention", "attention of other words")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--games", nargs="+", choices=GAMES, default=list(GAMES))
    parser.add_argument("--store", default="out/covalues", help="where ablations are kept")
    args = parser.parse_args()
    results = Results(RESULTS_FOLDER / "relevances.json", ("game", "covalues", "m", "hint", "draw"))
    for name in args.games:
        jax.clear_caches()  # one process cannot map the code of all shapes at once
        ablation = covalues.review(GAMES[name])
        covalues.GAMES[name] = lambda ablation=ablation: ablation
        game, told, structure = covalues.measure(name, sx.Store(args.store))
        attention = ablation.relevances()
        for m, known, hint, draw in itertools.product(SIZES, (False, True), HINTS, range(DRAWS)):
            if not results.has(game, known, m, hint, draw):
                others = np.random.default_rng(draw).permutation(attention)
                expected = dict(zip(HINTS, (None, attention, others), strict=True))[hint]
                r2 = covalues.fitted_r2(game, told if known else None, structure, m, draw, relevances=expected)
                results.put(game, {"covalues": known, "m": m, "hint": hint, "draw": draw, "r2": round(r2, 4)})
        rows = results.rows([game])
        for m, known in itertools.product(SIZES, (False, True)):
            each = {h: [r["r2"] for r in rows if (r["m"], r["covalues"], r["hint"]) == (m, known, h)] for h in HINTS}
            means = ", ".join(f"{hint} {np.mean(found):.3f}" for hint, found in each.items())
            print(f"{name}, {m} ablations, {'with' if known else 'without'} co-values: {means}", flush=True)


if __name__ == "__main__":
    main()

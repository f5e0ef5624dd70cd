"""Is the reported faithfulness true, and are the standard errors? 17 kinds of games of 12 features, all values known.

Each game is explained from 128 and 256 masks, uniform ones and those for Shapley values. Compared with the truth on all
masks that were not evaluated, and with the exact indices:

- reported minus true R2;
- how often the truth lies within two standard errors: of R2, of predictions, and of SV, SII and FSII up to order 2.
  Only over imperfect games, those with a true R2 below .999.

Games whose outlier no evaluated mask shows are listed apart: nothing in the values could tell.

    OMP_NUM_THREADS=1 python benchmarks/calibration.py --draws 3
"""

import argparse
from collections.abc import Callable
from itertools import product

import jax
import numpy as np
from common import RESULTS_FOLDER, Game, Results

import spexjax as sx
from spexjax.indices import interactions
from spexjax.transforms import exact_spectrum

N, SIZES, DESIGNS = 12, (128, 256), ("uniform", "sized")
ORDERS = {"SV": 1, "SII": 2, "FSII": 2}
MASKS = (np.arange(1 << N)[:, None] >> np.arange(N) & 1).astype(bool)
RESULTS = Results(RESULTS_FOLDER / "calibration.json", ("game", "design", "budget", "draw"))
PERFECT = 0.999
UNSEEN = 0.1  # share of the variance that masks hold which deviate further than all that were evaluated


def weights(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=N)


def sparse(rng: np.random.Generator, scale: Callable[[], float] | None = None) -> np.ndarray:
    """A dozen random terms of order 1 to 4."""
    f = np.zeros(len(MASKS))
    for _ in range(12):
        s = rng.choice(N, rng.integers(1, 5), replace=False)
        f += (scale() if scale else rng.normal()) * (1 - 2 * (MASKS[:, s].sum(1) % 2))
    return f


def hierarchical(rng: np.random.Generator) -> np.ndarray:
    """Four features with all their interactions, smaller by half with each order."""
    s = rng.choice(N, 4, replace=False)
    signs = 1 - 2.0 * MASKS[:, s]
    return sum(rng.normal() * 0.5 ** t.sum() * signs[:, t].prod(1) for t in MASKS[1:16, :4])


def of_parts(rng: np.random.Generator, take: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Weighted sum of a rule over six random sets of 2 to 4 features."""
    sets = [rng.choice(N, rng.integers(2, 5), replace=False) for _ in range(6)]
    return sum(rng.normal() * take(MASKS[:, s]) for s in sets)


def chain(rng: np.random.Generator) -> np.ndarray:
    """Words and their neighbours."""
    return MASKS @ weights(rng) + (MASKS[:, 1:] & MASKS[:, :-1]) @ (2 * rng.normal(size=N - 1))


def strongest(rng: np.random.Generator, empty: float) -> np.ndarray:
    """The largest weight that is kept."""
    return np.where(MASKS, rng.uniform(size=N), -np.inf).max(1, initial=empty, where=MASKS.any(1)[:, None])


KINDS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "additive": lambda rng: MASKS @ weights(rng),
    "sparse": sparse,
    "hierarchical": hierarchical,
    "and": lambda rng: of_parts(rng, lambda x: x.all(1)),
    "or": lambda rng: of_parts(rng, lambda x: x.any(1)),
    "threshold": lambda rng: (MASKS @ weights(rng) > 0).astype(float),
    "majority": lambda rng: (MASKS[:, rng.choice(N, 7, replace=False)].sum(1) > 3).astype(float),
    "probability": lambda rng: 1 / (1 + np.exp(-1.5 * MASKS @ weights(rng))),
    "product": lambda rng: np.exp(0.4 * MASKS @ weights(rng)),
    "max": lambda rng: strongest(rng, 0.0),
    "max with an outlier": lambda rng: strongest(rng, -3.0),
    "heavy tail": lambda rng: sparse(rng, lambda: float(rng.standard_t(1.5))),
    "heavy noise": lambda rng: MASKS @ weights(rng) + rng.standard_t(2.0, len(MASKS)),
    "neighbours": chain,
    "parity": lambda rng: 1.0 - 2 * (MASKS[:, rng.choice(N, 5, replace=False)].sum(1) % 2),
    "noise": lambda rng: rng.normal(size=len(MASKS)),
    "constant": lambda rng: np.full(len(MASKS), rng.normal()),
}


def game(kind: str, draw: int) -> Game:
    values = KINDS[kind](np.random.default_rng([draw, list(KINDS).index(kind)]))
    return Game(kind, MASKS, values)


def measure(kind: str, design: str, budget: int, draw: int, method: str) -> dict:
    """One explanation against the truth."""
    played = game(kind, draw)
    bits, index = 1 << np.arange(N), "SV" if design == "sized" else None
    ablation = sx.ablations.host_function(lambda masks: played.values[masks.astype(np.int64) @ bits], N)
    key = jax.random.key(draw)
    e = sx.explain(ablation, budget=budget, key=key, index=index, method=method, progress=False)
    new = np.setdiff1d(np.arange(len(MASKS)), e.masks @ bits)
    truth, predicted = played.values[new], e.predict(MASKS[new])
    row = {
        "reported": e.faithfulness.r2,
        "error": e.faithfulness.error,
        "true": sx.metrics.r2(truth, predicted),
        "unseen": unseen(truth, played.values[e.masks @ bits]),
        "chosen": e.diagnostics.get("chosen", e.method),
    }
    row["predictions"] = covered(predicted - truth, e.prediction_errors(MASKS[new]))
    exact = exact_spectrum(MASKS, played.values)
    for name, order in ORDERS.items():
        found = e.interactions(name, order)
        sets = found.order(1).to_dict() | found.order(2).to_dict()
        of = interactions(exact, name, order)
        errors = dict(zip(found.to_dict(), e.standard_errors(found).tolist(), strict=True))
        row[name] = covered(np.array([sets[s] - of[s] for s in sets]), np.array([errors[s] for s in sets]))
    return {key: round(v, 4) if isinstance(v, float) else v for key, v in row.items()}


def covered(misses: np.ndarray, errors: np.ndarray) -> float | None:
    """The share within two standard errors; None where there are none. What is exact to six digits counts as within."""
    if not len(errors) or np.isnan(errors).any():
        return None
    return float(np.mean(np.abs(misses) <= 2 * errors + 1e-6 * np.abs(misses).max()))


def unseen(truth: np.ndarray, seen: np.ndarray) -> bool:
    """Whether values further from the mean than all that were seen hold over a tenth of the variance of the others."""
    centre = truth.mean()
    squares, most = (truth - centre) ** 2, ((seen - centre) ** 2).max()
    return bool(squares[squares > most].sum() > UNSEEN * squares.sum() > 0)


def summary(rows: list[dict]) -> None:
    """What the acceptance asks for."""
    listed = [r for r in rows if r["unseen"]]
    told = [r for r in rows if not r["unseen"] and np.isfinite(r["true"]) and np.isfinite(r["reported"])]
    imperfect = [r for r in told if r["true"] < PERFECT]
    difference = np.array([r["reported"] - r["true"] for r in told])
    print(
        f"\n{len(rows)} games, {len(told)} with a reported R2, {len(imperfect)} imperfect, {len(listed)} listed apart"
    )
    print(
        f"reported - true R2: mean {difference.mean():+.4f}, {np.mean(np.abs(difference) <= 0.06):.1%} within .06, "
        f"worst {difference.min():+.3f} and {difference.max():+.3f}"
    )
    within = [abs(r["reported"] - r["true"]) <= 2 * r["error"] for r in imperfect]
    print(f"within two standard errors: R2 {np.mean(within):.1%}", end="")
    for name in ("predictions", *ORDERS):
        shares = [r[name] for r in imperfect if r[name] is not None]
        print(f", {name} {np.mean(shares):.1%} of {len(shares)}", end="")
    print(
        "\n\nkind                   reported - true: mean   worst   R2 within 2 s.e.   " + "  ".join(("pred", *ORDERS))
    )
    for kind in dict.fromkeys(r["game"] for r in told):
        mine = [r for r in told if r["game"] == kind]
        gaps = [r["reported"] - r["true"] for r in mine]
        covers = [abs(g) <= 2 * r["error"] + 1e-3 for g, r in zip(gaps, mine, strict=True)]
        shares = [[r[name] for r in mine if r[name] is not None] for name in ("predictions", *ORDERS)]
        texts = [f"{np.mean(s):.2f}" if s else "   -" for s in shares]
        print(
            f"{kind:24}{np.mean(gaps):+18.3f}{max(gaps, key=abs):+8.3f}{np.mean(covers):16.2f}     " + "  ".join(texts)
        )
    for r in listed:
        print(f"unseen outlier: {r['game']}, {r['design']}, {r['budget']}: reported {r['reported']}, true {r['true']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="number of the first draw")
    parser.add_argument("--again", action="store_true", help="measure also what has been measured before")
    args = parser.parse_args()
    draws = range(args.first, args.first + args.draws)
    games = [game(kind, draw) for kind in args.kinds for draw in draws]
    for design, budget, kind, draw in product(DESIGNS, SIZES, args.kinds, draws):
        played = game(kind, draw)
        if args.again or not RESULTS.has(played, design, budget, draw):
            row = {"game": kind, "design": design, "budget": budget, "draw": draw}
            RESULTS.put(played, row | measure(kind, design, budget, draw, args.method))
    summary([row for played in games for row in RESULTS.rows([played]) if row["draw"] in draws])


if __name__ == "__main__":
    main()

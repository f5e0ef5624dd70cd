"""As many training examples and masks as the datamodels of CIFAR-10: screened, then fitted, without holding the masks.

Synthetic values on random halves of 50,000 examples, of which 80 matter alone and 60 pairs of them together; a quarter
of the variance is noise. Masks are drawn anew from a key for each chunk whenever they are needed.

    python benchmarks/datamodels_size.py
"""

import argparse
import functools
import json
import resource

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS_FOLDER, Stopwatch

import spexjax as sx

NUM_FEATURES, CHUNK, NUM_TEST = 50_000, 128, 64  # test chunks
INFLUENTIAL, PAIRS, KEEP = 80, 60, 128
SHARES = {"linear": 0.6, "pairs": 0.15, "noise": 0.25}  # of the variance


@functools.partial(jax.jit, static_argnums=1)
def chunk(i, seed):
    key = jax.random.fold_in(jax.random.key(seed), i)
    return jax.random.bits(key, (CHUNK, NUM_FEATURES // 8), jnp.uint8)


class Masks:
    """So many chunks of packed masks, made when they are iterated over."""

    def __init__(self, count, seed):
        self.count, self.seed = count, seed

    def __iter__(self):
        return (chunk(i, self.seed) for i in range(self.count))


def truth(rng) -> sx.Spectrum:
    """Effects that decay as a power law; pairs of the influential."""
    features = np.sort(rng.choice(NUM_FEATURES, INFLUENTIAL, replace=False))
    sets = sorted({tuple(sorted(rng.choice(features, 2, replace=False).tolist())) for _ in range(PAIRS)})

    def sizes(count, share):
        size = rng.permutation(np.arange(1, count + 1) ** -0.7) * rng.choice([-1, 1], count)
        return (size * np.sqrt(share / (size**2).sum())).tolist()

    terms = dict(zip(((int(i),) for i in features), sizes(INFLUENTIAL, SHARES["linear"]), strict=True))
    return sx.Spectrum.from_dict(terms | dict(zip(sets, sizes(len(sets), SHARES["pairs"]), strict=True)), NUM_FEATURES)


def restricted(spectrum: sx.Spectrum, features: np.ndarray) -> sx.Spectrum:
    """A spectrum as a function of the features it has, in increasing order."""
    place = {int(i): j for j, i in enumerate(features)}
    terms = {tuple(place[i] for i in s): c for s, c in spectrum.to_dict().items()}
    return sx.Spectrum.from_dict(terms, len(features))


def values_of(spectrum: sx.Spectrum, masks: Masks) -> np.ndarray:
    features = np.unique(sum(spectrum.to_dict(), ()))
    return np.asarray(restricted(spectrum, features)(sx.proxies.columns(masks, features)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", type=int, default=300_000)
    args = parser.parse_args()
    count = -(-args.masks // CHUNK)
    masks, tests, rng = Masks(count, 0), Masks(NUM_TEST, 1), np.random.default_rng(0)
    spectrum, rows = truth(rng), []
    sets = spectrum.to_dict()

    def done(step, watch, **more):
        peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2)
        rows.append({"step": step, **watch.read(), "peak_gb": peak, **more})
        print(rows[-1], flush=True)

    watch = Stopwatch()
    values = values_of(spectrum, masks) + np.sqrt(SHARES["noise"]) * rng.normal(size=count * CHUNK)
    clean = values_of(spectrum, tests)
    done("masks and values (the game, not the method)", watch)

    watch = Stopwatch()
    found = sx.proxies.screen(masks, values, NUM_FEATURES, keep=KEEP)
    features = np.sort(found.features)
    strongest = sorted((abs(c), s[0]) for s, c in sets.items() if len(s) == 1)[::-1]
    recall = {k: float(np.mean([i in features for _, i in strongest[:k]])) for k in (20, 40, INFLUENTIAL)}
    noise = np.delete(np.abs(found.correlations), [i for _, i in strongest]).max()
    done("screen", watch, recall=recall, largest_noise=float(noise), weakest_influential=strongest[-1][0])

    watch = Stopwatch()
    survivors = sx.proxies.columns(masks, features)
    done("columns", watch)
    noisy = clean + np.sqrt(SHARES["noise"]) * rng.normal(size=len(clean))
    for name, method in (("lasso", "lasso"), ("products", sx.proxies.sum_of_products())):
        watch = Stopwatch()
        explanation = sx.fit(survivors, values, method=method, key=jax.random.key(0))
        lifted = sx.proxies.lift(explanation.spectrum, features, NUM_FEATURES)
        predicted = values_of(lifted, tests)
        largest = [s for s in sorted(lifted.to_dict(), key=lambda s: -abs(lifted.to_dict()[s])) if len(s) == 2]
        pairs = [s for s in sets if len(s) == 2]
        done(
            name,
            watch,
            terms=len(lifted) - 1,
            said_r2=explanation.faithfulness.r2,
            r2=sx.metrics.r2(noisy, predicted),
            r2_without_noise=sx.metrics.r2(clean, predicted),
            pairs_found=len(set(largest[: len(pairs)]) & set(pairs)),
            pairs=len(pairs),
        )
    record = {
        "command": f"python benchmarks/datamodels_size.py --masks {args.masks}",
        "device": jax.devices()[0].device_kind,
        "masks": count * CHUNK,
        "num_features": NUM_FEATURES,
        "shares": SHARES,
        "keep": KEEP,
        "rows": rows,
    }
    (RESULTS_FOLDER / "datamodels_size.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How long the differentiable proxy takes to fit: cold, warm, against the authors' ProxySPEX, and in a sweep.

The game has n = 64 features, random pairs and triples, and noise. Every figure is wall time with all cores. The
authors' fit (spectralexplain, its full grid) is measured where that package is installed.

    python benchmarks/kernel_fit.py
"""

import json
import os
import time
from functools import partial
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
from common import RESULTS_FOLDER

import spexjax as sx

NUM_FEATURES, GAMES = 64, 100


def game(rng: np.random.Generator, m: int):
    """Masks, and a function of order three with noise of a tenth of its variance."""
    masks = rng.random((m, NUM_FEATURES)) < 0.5
    values = masks @ rng.normal(size=NUM_FEATURES)
    for order in (2, 2, 2, 2, 3, 3):
        values += 3 * rng.normal() * masks[:, rng.choice(NUM_FEATURES, order, replace=False)].all(1)
    return masks, (values + np.sqrt(0.1) * values.std() * rng.normal(size=m)).astype(np.float32)


def seconds(run) -> float:
    start = time.perf_counter()
    jax.block_until_ready(run())
    return round(time.perf_counter() - start, 2)


def cold_and_warm(run, repeats: int = 3) -> dict:
    cold = seconds(run)
    return {"cold_s": cold, "warm_s": sorted(seconds(run) for _ in range(repeats))[repeats // 2]}


def one_fit(rng, m: int) -> dict:
    """The two kernels alone, and the whole proxy with its cross-validation and spectrum."""
    masks, values = game(rng, m)
    fit = jax.jit(sx.proxies.fit_kernel, static_argnums=0)
    both = cold_and_warm(lambda: [fit(form, masks, values) for form in (sx.proxies.Tied, sx.proxies.Untied)])
    proxy = sx.proxies.kernels()
    whole = cold_and_warm(lambda: proxy(masks, values, jax.random.key(0)).held_out)
    return {"masks": m, "both_kernels": both, "whole_proxy": whole, "authors": authors(masks, values)}


def authors(masks, values) -> dict | None:
    if find_spec("spectralexplain") is None:
        return None
    from peers import authors_and_lightgbm

    return {"warm_s": seconds(lambda: authors_and_lightgbm(masks, values)["authors"][1])}


def sweep(rng, m: int) -> dict:
    """Many games in one program, side by side (`vmap`) or one after the other (`lax.map`), and in a loop."""
    games = [game(rng, m) for _ in range(GAMES)]
    masks, values = (jnp.asarray(np.stack(a)) for a in zip(*games, strict=True))
    fit = partial(sx.proxies.fit_kernel, sx.proxies.Untied)
    together, alone = jax.jit(jax.vmap(fit)), jax.jit(fit)
    in_turn = jax.jit(lambda masks, values: jax.lax.map(lambda game: fit(*game), (masks, values)))
    return {
        "games": GAMES,
        "masks": m,
        "vmap": cold_and_warm(lambda: together(masks, values), repeats=1),
        "map": cold_and_warm(lambda: in_turn(masks, values), repeats=1),
        "loop": cold_and_warm(lambda: [alone(x, f) for x, f in zip(masks, values, strict=True)], repeats=1),
    }


def main():
    rng = np.random.default_rng(0)
    result = {
        "command": "python benchmarks/kernel_fit.py",
        "device": jax.devices()[0].device_kind,
        "cores": os.cpu_count(),
        "num_features": NUM_FEATURES,
        "one_fit": [one_fit(rng, m) for m in (256, 512, 1024)],
        "sweep": sweep(rng, 512),
    }
    (RESULTS_FOLDER / "kernel_fit.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

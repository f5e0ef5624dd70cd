"""SPEX and ProxySPEX on a function of peaks, interactions whose subsets have no effect. Draws the bins of SPEX.

python experiments/spex/run.py
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import spexjax as sx

HERE = Path(__file__).parent
NUM_FEATURES, BUDGET, NOISE = 64, 4000, 1.0
KEY = jax.random.key(0)
COLORS = {"nothing": "0.75", "one coefficient": "tab:blue", "several": "tab:orange"}


def peaks(rng: np.random.Generator, count: int = 40) -> sx.Spectrum:
    """Coefficients of magnitude 1 to 2 and random sign, on `count` random sets of 3 to 5 features."""
    sets = {tuple(sorted(rng.choice(NUM_FEATURES, rng.integers(3, 6), replace=False).tolist())) for _ in range(count)}
    return sx.Spectrum.from_dict({s: rng.choice([-1, 1]) * rng.uniform(1, 2) for s in sorted(sets)}, NUM_FEATURES)


def noisy(truth: sx.Spectrum, masks, rng: np.random.Generator) -> np.ndarray:
    """The function's values, with noise."""
    return np.asarray(truth(masks)) + NOISE * rng.normal(size=len(masks))


def compare(truth: sx.Spectrum, rng: np.random.Generator) -> None:
    """Prints for each method R2 on new masks without noise, and how many peaks it finds."""
    ablation = sx.ablations.host_function(lambda masks: noisy(truth, masks, rng), NUM_FEATURES)
    new = np.asarray(sx.designs.uniform(jax.random.key(1), 4096, NUM_FEATURES))
    sets = truth.to_dict().keys()
    for method in ("auto", "spex", "proxyspex-gp", "proxyspex-fast", "lasso"):
        explanation = sx.explain(ablation, budget=BUDGET, key=KEY, method=method)
        r2 = sx.metrics.r2(np.asarray(truth(new)), explanation.predict(new))
        found = sets & explanation.spectrum.to_dict().keys()
        print(f"{method:22}{len(explanation.masks):6} ablations   R2 {r2:6.3f}   {len(found)} of {len(sets)} peaks")


def draw(truth: sx.Spectrum, rng: np.random.Generator) -> None:
    """Plots the bins of each group before and after peeling, coloured by how many coefficients they hold."""
    design = sx.designs.subsampled(KEY, NUM_FEATURES, bins_log2=5)
    values = jnp.asarray(noisy(truth, design.masks(), rng), jnp.float32)
    decoded = sx.decoder.decode(design, values)
    left = values - decoded.spectrum(design.masks())
    occupants = np.asarray(sx.decoder.bins_of(design, truth.support))
    before, after = (np.sqrt(sx.decoder.to_bins(design, v[None]).energy).reshape(3, -1) for v in (values, left))
    figure, axes = plt.subplots(2, 3, figsize=(10, 4.2), sharex=True, sharey=True, layout="constrained")
    for group in range(3):
        count = np.bincount(occupants[group], minlength=before.shape[1])
        colors = np.array(list(COLORS.values()))[np.minimum(count, 2)]
        for ax, heights in zip(axes[:, group], (before, after), strict=True):
            ax.bar(np.arange(before.shape[1]), heights[group], color=colors, width=0.9)
            ax.spines[["top", "right"]].set_visible(False)
        axes[0, group].set_title(f"group {group + 1}", fontsize=10)
        axes[1, group].set_xlabel("bin")
    axes[0, 0].set_ylabel("before peeling")
    axes[1, 0].set_ylabel("after peeling")
    figure.supylabel("root mean square over the delays", fontsize=9)
    bars = [plt.Rectangle((0, 0), 1, 1, color=color) for color in COLORS.values()]
    figure.legend(bars, COLORS, loc="outside upper center", ncols=3, frameon=False, title="a bin holds")
    figure.savefig(HERE / "bins.png", dpi=110)
    status = sx.decoder.Status(int(decoded.status)).name
    print(f"{len(truth)} coefficients in 3 groups of {before.shape[1]} bins: {status}")


def main():
    """Draws the bins, then compares the methods."""
    rng = np.random.default_rng(0)
    truth = peaks(rng)
    draw(truth, rng)
    compare(truth, rng)


if __name__ == "__main__":
    main()

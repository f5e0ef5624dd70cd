"""spexjax: find the interactions that drive an LLM, from few ablations, in JAX."""

from spexjax import (
    ablations,
    codes,
    decoder,
    designs,
    evaluation,
    gp,
    indices,
    metrics,
    models,
    proxies,
    report,
    subsets,
    transforms,
)
from spexjax._budget import min_budget
from spexjax._explain import explain, fit
from spexjax.evaluation import Store, evaluate
from spexjax.explanation import Explanation, Faithfulness, load
from spexjax.indices import INDICES, Interactions
from spexjax.methods import spex
from spexjax.models import load_model
from spexjax.spectrum import Spectrum

__version__ = "0.1.0"

__all__ = [
    "INDICES",
    "Explanation",
    "Faithfulness",
    "Interactions",
    "Spectrum",
    "Store",
    "ablations",
    "codes",
    "decoder",
    "designs",
    "evaluate",
    "evaluation",
    "explain",
    "fit",
    "gp",
    "indices",
    "load",
    "load_model",
    "metrics",
    "min_budget",
    "models",
    "proxies",
    "report",
    "spex",
    "subsets",
    "transforms",
]

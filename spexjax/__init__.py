"""spexjax: find the interactions that drive an LLM, from few ablations, in JAX."""

from spexjax import (
    ablations,
    codes,
    decoder,
    designs,
    evaluation,
    indices,
    metrics,
    models,
    proxies,
    report,
    subsets,
    surrogate,
    transforms,
)
from spexjax.budget import min_budget
from spexjax.evaluation import Store, evaluate
from spexjax.explain import explain, fit
from spexjax.explanation import Explanation, Faithfulness, load
from spexjax.indices import INDICES, Interactions
from spexjax.models import load_model
from spexjax.spectrum import Spectrum
from spexjax.spex import spex

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
    "surrogate",
    "transforms",
]

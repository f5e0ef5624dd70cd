"""spexjax: find the interactions that drive an LLM, from few ablations, in JAX."""

from spexjax import (
    ablation,
    ablations,
    codes,
    decoder,
    designs,
    evaluation,
    explanation,
    gp,
    indices,
    methods,
    metrics,
    models,
    proxies,
    report,
    spectrum,
    subsets,
    transforms,
)
from spexjax._budget import min_budget
from spexjax._deprecation import renamed as _renamed
from spexjax._explain import explain, fit
from spexjax._many import explain_many, fit_many
from spexjax.ablation import Ablation, Batch, Plan
from spexjax.evaluation import Store, evaluate
from spexjax.explanation import Explanation, Subset, load
from spexjax.gp import Surrogate
from spexjax.indices import Index, Interactions
from spexjax.methods import Method
from spexjax.models import load_model
from spexjax.proxies import Fit, Proxy
from spexjax.spectrum import Spectrum

__version__ = "0.1.0"

__all__ = [
    "Ablation",
    "Batch",
    "Explanation",
    "Fit",
    "Index",
    "Interactions",
    "Method",
    "Plan",
    "Proxy",
    "Spectrum",
    "Store",
    "Subset",
    "Surrogate",
    "ablation",
    "ablations",
    "codes",
    "decoder",
    "designs",
    "evaluate",
    "evaluation",
    "explain",
    "explain_many",
    "explanation",
    "fit",
    "fit_many",
    "gp",
    "indices",
    "load",
    "load_model",
    "methods",
    "metrics",
    "min_budget",
    "models",
    "proxies",
    "report",
    "spectrum",
    "subsets",
    "transforms",
]

_RENAMED = {
    "INDICES": (indices.INDICES, "indices.INDICES"),
    "Faithfulness": (explanation.Faithfulness, "explanation.Faithfulness"),
    "spex": (methods.spex, "methods.spex"),
    "surrogate": (gp, "gp"),
}


def __getattr__(name: str) -> object:
    if name not in _RENAMED:
        raise AttributeError(f"module 'spexjax' has no attribute {name!r}")
    value, new = _RENAMED[name]
    _renamed(f"spexjax.{name}", f"spexjax.{new}")
    return value

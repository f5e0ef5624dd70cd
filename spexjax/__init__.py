"""spexjax: find the interactions that drive an LLM, from few ablations, in JAX."""

from typing import TYPE_CHECKING, Any

from spexjax._deprecation import renamed as _renamed
from spexjax._lazy import lazily

if TYPE_CHECKING:
    from spexjax import (
        ablation,
        ablations,
        codes,
        comparison,
        decoder,
        designs,
        evaluation,
        explanation,
        gp,
        indices,
        interop,
        methods,
        metrics,
        models,
        plots,
        proxies,
        report,
        spectrum,
        subsets,
        sweep,
        transforms,
    )
    from spexjax._budget import min_budget
    from spexjax._each import Explanations, explain_each
    from spexjax._explain import explain, fit
    from spexjax._many import explain_many, fit_many
    from spexjax.ablation import Ablation, Batch, Plan
    from spexjax.comparison import compare
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
    "Explanations",
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
    "compare",
    "comparison",
    "decoder",
    "designs",
    "evaluate",
    "evaluation",
    "explain",
    "explain_each",
    "explain_many",
    "explanation",
    "fit",
    "fit_many",
    "gp",
    "indices",
    "interop",
    "load",
    "load_model",
    "methods",
    "metrics",
    "min_budget",
    "models",
    "plots",
    "proxies",
    "report",
    "spectrum",
    "subsets",
    "sweep",
    "transforms",
]

_HOMES = {
    "Ablation": "ablation",
    "Batch": "ablation",
    "Explanation": "explanation",
    "Fit": "proxies",
    "Index": "indices",
    "Interactions": "indices",
    "Method": "methods",
    "Plan": "ablation",
    "Proxy": "proxies",
    "Spectrum": "spectrum",
    "Store": "evaluation",
    "Subset": "explanation",
    "Surrogate": "gp",
    "compare": "comparison",
    "evaluate": "evaluation",
    "Explanations": "_each",
    "explain": "_explain",
    "explain_each": "_each",
    "explain_many": "_many",
    "fit": "_explain",
    "fit_many": "_many",
    "load": "explanation",
    "load_model": "models",
    "min_budget": "_budget",
}
_RENAMED = {
    "INDICES": "indices.INDICES",
    "Faithfulness": "explanation.Faithfulness",
    "spex": "methods.spex",
    "surrogate": "gp",
}
_load, __dir__ = lazily(globals(), __all__, _HOMES)


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        return _load(name)
    _renamed(f"spexjax.{name}", f"spexjax.{_RENAMED[name]}")
    room, *inner = _RENAMED[name].split(".")
    return getattr(_load(room), *inner) if inner else _load(room)

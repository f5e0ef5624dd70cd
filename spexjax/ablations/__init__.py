"""The lenses: value functions whose components can be removed."""

from spexjax.ablations.components import ComponentAblation, components
from spexjax.ablations.data import DataAblation
from spexjax.ablations.function import FunctionAblation, function, host_function
from spexjax.ablations.linear_probe import ridge
from spexjax.ablations.retraining import margin
from spexjax.ablations.text import TextAblation, text
from spexjax.ablations.training_data import nnx_functions, training_data

__all__ = [
    "ComponentAblation",
    "DataAblation",
    "FunctionAblation",
    "TextAblation",
    "components",
    "function",
    "host_function",
    "margin",
    "nnx_functions",
    "ridge",
    "text",
    "training_data",
]

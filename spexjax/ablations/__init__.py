"""The lenses: value functions whose components can be removed."""

from spexjax.ablations._components._components import ComponentAblation, components
from spexjax.ablations._components._fill import Fill, register_fill
from spexjax.ablations._function import FunctionAblation, function, host_function
from spexjax.ablations._text._removal import Removal, register_removal, removal_names
from spexjax.ablations._text._text import TextAblation, text
from spexjax.ablations._training._data import DataAblation
from spexjax.ablations._training._linear_probe import ridge
from spexjax.ablations._training._retraining import margin
from spexjax.ablations._training._training_data import nnx_functions, training_data

__all__ = [
    "ComponentAblation",
    "DataAblation",
    "Fill",
    "FunctionAblation",
    "Removal",
    "TextAblation",
    "components",
    "function",
    "host_function",
    "margin",
    "nnx_functions",
    "register_fill",
    "register_removal",
    "removal_names",
    "ridge",
    "text",
    "training_data",
]

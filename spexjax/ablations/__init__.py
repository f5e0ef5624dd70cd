"""The lenses: value functions whose components can be removed."""

from typing import TYPE_CHECKING

from spexjax._lazy import lazily

if TYPE_CHECKING:
    from spexjax.ablations._components._components import ComponentAblation, components
    from spexjax.ablations._components._fill import Fill, fill_names, register_fill
    from spexjax.ablations._components._precheck import precheck_components
    from spexjax.ablations._function import FunctionAblation, function, host_function
    from spexjax.ablations._prompts._own_value import Value
    from spexjax.ablations._service._service import ServiceAblation, service
    from spexjax.ablations._text._precheck import precheck_text
    from spexjax.ablations._text._removal import Removal, register_removal, removal_names
    from spexjax.ablations._text._text import TextAblation, text
    from spexjax.ablations._text._text_function import TextFunctionAblation, text_function
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
    "ServiceAblation",
    "TextAblation",
    "TextFunctionAblation",
    "Value",
    "components",
    "fill_names",
    "function",
    "host_function",
    "margin",
    "nnx_functions",
    "precheck_components",
    "precheck_text",
    "register_fill",
    "register_removal",
    "removal_names",
    "ridge",
    "service",
    "text",
    "text_function",
    "training_data",
]

_HOMES = {
    "ComponentAblation": "_components._components",
    "DataAblation": "_training._data",
    "Fill": "_components._fill",
    "FunctionAblation": "_function",
    "Removal": "_text._removal",
    "ServiceAblation": "_service._service",
    "TextAblation": "_text._text",
    "TextFunctionAblation": "_text._text_function",
    "Value": "_prompts._own_value",
    "components": "_components._components",
    "fill_names": "_components._fill",
    "function": "_function",
    "host_function": "_function",
    "margin": "_training._retraining",
    "nnx_functions": "_training._training_data",
    "precheck_components": "_components._precheck",
    "precheck_text": "_text._precheck",
    "register_fill": "_components._fill",
    "register_removal": "_text._removal",
    "removal_names": "_text._removal",
    "ridge": "_training._linear_probe",
    "service": "_service._service",
    "text": "_text._text",
    "text_function": "_text._text_function",
    "training_data": "_training._training_data",
}
# Explaining a function or a table loads no language model, and no Flax.
__getattr__, __dir__ = lazily(globals(), __all__, _HOMES)

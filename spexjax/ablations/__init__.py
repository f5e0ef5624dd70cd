"""The lenses: value functions whose components can be removed."""

from spexjax.ablations.function import FunctionAblation, function, host_function
from spexjax.ablations.text import TextAblation, text

__all__ = ["FunctionAblation", "TextAblation", "function", "host_function", "text"]

"""The picture that suits an explanation."""

from typing import Any

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._bars import bars
from spexjax.plots._heads import heads, is_component
from spexjax.plots._style import Axes
from spexjax.plots._text import text


def plot(source: Explanation | Interactions, **options: Any) -> Axes:
    """Draws the picture that suits an explanation: `text` for a text, `heads` for components of a model, else `bars`.

    Args:
      source: an explanation, or what its `interactions` returned.
      **options: of that picture, such as `index`, `max_order`, `top` and `ax`.

    Returns:
      The axes.

    Raises:
      ValueError: as the picture does.
    """
    if isinstance(source, Explanation) and "pieces" in source.provenance:
        return text(source, **options)
    names = source.feature_names if isinstance(source, Explanation | Interactions) else None
    return (heads if names and all(map(is_component, names)) else bars)(source, **options)

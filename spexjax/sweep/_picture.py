"""The picture of a sweep: R2 against budget, a curve for each model, method and index."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spexjax._durable import write_durably
from spexjax.plots import budget
from spexjax.sweep._summary import Group


def curves(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """The groups of each curve, by its name, in the order of their budgets; those without any R2 are left out.

    Args:
      groups: from `summarise`, one of whose columns is the budget.
    """
    other = [name for name in (groups[0].key if groups else ()) if name != "budget"]
    differ = [name for name in other if len({group.key[name] for group in groups}) > 1]
    found: dict[str, list[Group]] = {}
    for group in groups:
        if not np.isnan(group.r2) and "budget" in group.key:
            found.setdefault(", ".join(str(group.key[name]) for name in differ), []).append(group)
    return {name: sorted(some, key=lambda group: group.key["budget"]) for name, some in found.items()}


def draw(groups: Sequence[Group], path: str | Path) -> Path | None:
    """Draws mean R2 against the budget, with one bootstrap standard error to each side; None if there is no R2.

    Args:
      groups: from `summarise`.
      path: of the picture.

    Raises:
      ImportError: if matplotlib is not installed.
    """
    found = curves(groups)
    if not found:
        return None
    points = {
        name: [(group.key["budget"], group.r2, np.nan_to_num(group.error)) for group in some]
        for name, some in found.items()
    }
    axes: Any = budget(points)
    axes.set_xlabel("budget of ablations")
    figure: Any = axes.figure
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, format=Path(path).suffix[1:] or "png")
    from matplotlib import pyplot

    pyplot.close(figure)
    return write_durably(path, picture.getvalue())

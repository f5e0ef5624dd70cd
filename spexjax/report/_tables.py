"""Interactions as a table on the terminal."""

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from spexjax._printable import labels
from spexjax._status import phase
from spexjax.explanation import Explanation
from spexjax.report._words import cautions, signed, unsigned

_HALF = 8  # cells on each side of a bar's zero


def interaction_table(
    explanation: Explanation,
    index: str | None = None,
    max_order: int = 2,
    top: int = 10,
    *,
    progress: bool | None = None,
) -> Table:
    """The strongest interactions up to an order, as a table for `rich.print`.

    Args:
      explanation: from `explain` or `fit`.
      index: a name of `spexjax.indices.INDICES`; by default FSII, or WBII where `explain(keep=...)` drew the masks.
      max_order: the order of the index.
      top: the most rows.
      progress: as in `explain`.

    Raises:
      ValueError: if the index is unknown or `max_order` is below 1.
    """
    with phase("table", progress):
        interactions = explanation.interactions(index, max_order)
        strongest = interactions.top(top)
        errors = explanation.standard_errors(strongest)
    scale = float(np.abs(strongest.values).max(initial=0))
    names = labels(explanation.feature_names)
    known = any(unsigned(error, scale) for error in errors)
    said = cautions(explanation.faithfulness.r2, explanation.provenance)
    warnings = [*said, interactions.note] if interactions.note else said
    table = Table(
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title=Text(f"{interactions.index} up to order {interactions.max_order} · {explanation.faithfulness}"),
        caption=Text("\n".join(warnings), "bold red") if warnings else None,
    )
    table.add_column("#", justify="right", style="dim")
    table.add_column("features", overflow="fold")
    table.add_column("order", justify="right")
    table.add_column("value", justify="right", no_wrap=True)
    if known:
        table.add_column("± s.e.", justify="right", no_wrap=True, style="dim")
    table.add_column("", no_wrap=True)
    for rank, ((s, value), error) in enumerate(zip(strongest, errors, strict=True), 1):
        features = Text(" × ".join(names[i] for i in s))
        number = Text(signed(value, scale), _colour(value))
        uncertainty = [unsigned(error, scale)] if known else []
        table.add_row(str(rank), features, str(len(s)), number, *uncertainty, _bar(value / scale))
    return table


def _bar(share: float) -> Text:
    """A bar that starts at zero in the middle, drawn in half cells."""
    full, half = divmod(max(1, round(2 * _HALF * abs(share))), 2)
    left = ("╺" * half + "━" * full) if share < 0 else ""
    right = ("━" * full + "╸" * half) if share > 0 else ""
    return Text.assemble(f"{left:>{_HALF}}", ("│", "dim"), f"{right:<{_HALF}}", style=_colour(share))


def _colour(value: float) -> str:
    return "blue" if value > 0 else "red"

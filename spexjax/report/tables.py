"""Interactions as a table on the terminal."""

from rich import box
from rich.table import Table
from rich.text import Text

from spexjax.explanation import Explanation
from spexjax.report.words import caution, labels, signed

_HALF = 8  # cells on each side of a bar's zero


def interaction_table(explanation: Explanation, index: str = "FSII", max_order: int = 2, top: int = 10) -> Table:
    """The strongest interactions of any order, for `rich.print`.

    Args:
      explanation: from `explain` or `fit`.
      index: a name of `spexjax.indices.INDICES`.
      max_order: the order of the index.
      top: how many rows.

    Raises:
      ValueError: if the index is unknown or `max_order` is below 1.
    """
    interactions = explanation.interactions(index, max_order)
    strongest = list(interactions.top(top))
    scale = max((abs(value) for _, value in strongest), default=0.0)
    names = labels(explanation.feature_names)
    warning = caution(explanation.faithfulness.r2)
    table = Table(
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption_justify="left",
        title=Text(f"{interactions.index} up to order {interactions.max_order} · {explanation.faithfulness}"),
        caption=Text(warning, "bold red") if warning else None,
    )
    table.add_column("#", justify="right", style="dim")
    table.add_column("features", overflow="fold")
    table.add_column("order", justify="right")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for rank, (s, value) in enumerate(strongest, 1):
        features = Text(" × ".join(names[i] for i in s))
        number = Text(signed(value, scale), _colour(value))
        table.add_row(str(rank), features, str(len(s)), number, _bar(value / scale))
    return table


def _bar(share: float) -> Text:
    """A bar from the zero in the middle, in half cells."""
    full, half = divmod(max(1, round(2 * _HALF * abs(share))), 2)
    left = ("╺" * half + "━" * full) if share < 0 else ""
    right = ("━" * full + "╸" * half) if share > 0 else ""
    return Text.assemble(f"{left:>{_HALF}}", ("│", "dim"), f"{right:<{_HALF}}", style=_colour(share))


def _colour(value: float) -> str:
    return "blue" if value > 0 else "red"

"""Many explanations side by side: a page that links and ranks them, and the same as a table on the terminal."""

from collections.abc import Mapping, Sequence
from html import escape
from math import isnan
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from spexjax._durable import write_durably
from spexjax._printable import labels, one_line
from spexjax.explanation import Explanation
from spexjax.report._assets import assets, filled
from spexjax.report._data import usual_value
from spexjax.report._words import cautions, signed

_WIDTH, _SHORT = 160, 36  # characters of a text, on the page and on the terminal


class Row(NamedTuple):
    """One explanation in an overview."""

    name: str  # its folder
    text: str  # the beginning of what is explained
    r2: float
    names: tuple[str, ...]  # the features of the strongest interaction; none if there is none
    value: float  # of that interaction
    doubtful: bool  # to be read with care


def overview(explanations: Mapping[str, Explanation], *, index: str | None = None, max_order: int = 2) -> list[Row]:
    """The text, the faithfulness and the strongest interaction of each explanation, the most faithful first.

    Args:
      explanations: by the names of their folders.
      index: a name of `spexjax.indices.INDICES`; by default FSII, or WBII where `explain(keep=...)` drew the masks.
      max_order: the order of the index; with 1 the strongest single features are shown.

    Raises:
      ValueError: if the index is unknown or `max_order` is below 1.
    """
    rows = [_row(name, each, index, max_order) for name, each in explanations.items()]
    return sorted(rows, key=lambda row: (isnan(row.r2), -row.r2))


def overview_table(rows: Sequence[Row], top: int = 10) -> Table:
    """The overview as a table for `rich.print`.

    Args:
      rows: from `overview`.
      top: the most rows.
    """
    scale = _scale(rows)
    title = f"The {top} most faithful of {len(rows)} explanations" if top < len(rows) else f"{len(rows)} explanations"
    table = Table(box=box.SIMPLE_HEAD, title=Text(title), title_justify="left")
    table.add_column("folder", no_wrap=True, style="dim")
    table.add_column("R²", justify="right", no_wrap=True)
    table.add_column("strongest interaction", overflow="fold")
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("text", overflow="fold")
    for row in rows[:top]:
        value = Text(signed(row.value, scale), "blue" if row.value > 0 else "red") if row.names else Text("")
        table.add_row(
            Text(row.name),
            Text(_r2(row.r2)),
            Text(" × ".join(row.names)),
            value,
            Text(one_line(row.text, _SHORT)),
        )
    return table


def write_overview(rows: Sequence[Row], path: str | Path, *, index: str = "FSII", max_order: int = 2) -> Path:
    """Writes a self-contained page that links the page of each explanation, ranked twice.

    Args:
      rows: from `overview`; the page of each is `name`/explanation.html beside this one.
      path: the file; an earlier one is replaced.
      index: as in `overview`, for the heading.
      max_order: as in `overview`.

    Returns:
      The path.
    """
    page, style = assets("overview.html", "page.css")
    scale = _scale(rows)
    strongest = sorted((row for row in rows if row.names), key=lambda row: -abs(row.value))
    doubtful = sum(row.doubtful for row in rows)
    parts = {
        "title": f"{len(rows):,} explanations",
        "subtitle": escape(f"{index} up to order {max_order}"),
        "caution": f'<p class="caution" role="note">{doubtful:,} of them are to be read with care: see their pages.</p>'
        if doubtful
        else "",
        "faithful": "".join(_item(rank, row, _r2(row.r2), row.r2, "pos") for rank, row in enumerate(rows, 1)),
        "strongest": "".join(
            _item(rank, row, signed(row.value, scale), abs(row.value) / scale, "pos" if row.value > 0 else "neg")
            for rank, row in enumerate(strongest, 1)
            if scale
        ),
        "style": style,
    }
    return write_durably(path, filled(page, parts))


def _row(name: str, explanation: Explanation, index: str | None, max_order: int) -> Row:
    table = explanation.interactions(index, max_order)
    usual = [usual_value(table.order(order).values) for order in range(max_order + 1)]
    wanted = [t for t in table.top(len(table)) if len(t[0]) >= min(2, max_order) and t[1] != usual[len(t[0])]]
    members, value = wanted[0] if wanted else ((), 0.0)
    names = labels(explanation.feature_names)
    pieces = explanation.provenance.get("pieces") or [[" ".join(names), -1]]
    text = one_line("".join(piece for piece, _ in pieces), _WIDTH)
    r2 = explanation.faithfulness.r2
    doubtful = bool(cautions(r2, explanation.provenance))
    return Row(name, text, r2, tuple(names[i] for i in members), value, doubtful)


def _item(rank: int, row: Row, number: str, share: float, tone: str) -> str:
    """A row of a ranked list: the text as a link, its strongest interaction, a bar and a number."""
    joined = '<span class="times">×</span>'.join(f"<bdi>{escape(name)}</bdi>" for name in row.names)
    share = 0.0 if isnan(share) else min(max(share, 0.0), 1.0)
    return (
        f'<li class="row"><span class="rank">{rank}</span>'
        f'<span class="names"><a href="{escape(row.name)}/explanation.html" lang="" dir="auto">{escape(row.text)}</a>'
        f"<br><small>{escape(row.name)}{' · ' if joined else ''}{joined}</small></span>"
        f'<span class="bar" aria-hidden="true"><i class="{tone}" style="--share:{share:.3f}"></i></span>'
        f'<span class="value {tone}">{number}</span></li>'
    )


def _r2(r2: float) -> str:
    return "none" if isnan(r2) else f"{r2:.3f}".replace("-", "−")


def _scale(rows: Sequence[Row]) -> float:
    return max((abs(row.value) for row in rows), default=0.0)

"""The page of a sweep: curves with bands, the summary, and a sortable table that links the pages of explanations."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from spexjax._durable import write_durably
from spexjax._numbers import counted
from spexjax._printable import printable
from spexjax.report._assets import assets, filled, script_hash

Point = tuple[float | int, ...]  # budget, mean, and the ends of its interval

_ROW = {
    "text": "text",
    "model": "model",
    "method": "method",
    "index": "index",
    "budget": "budget",
    "seed": "seed",
    "features": "features",
    "ablations": "ablations",
    "r2": "R²",
    "r2_error": "±",
    "strongest": "strongest",
    "strongest_value": "value",
    "seconds": "seconds",
    "error": "failure",
}
_GROUP = {"explanations": "done", "failures": "failed", "r2": "mean R²", "low": "95 % from", "high": "to"}
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 380, 46, 14, 14, 44  # of the picture, in its units
_COLOURS = 6


def write_sweep(
    rows: Sequence[Mapping[str, Any]],
    path: str | Path,
    *,
    links: Mapping[str, str],
    summary: Sequence[Mapping[str, Any]],
    curves: Mapping[str, Sequence[Point]],
) -> Path:
    """Writes a self-contained page of a sweep.

    Args:
      rows: of its table.
      path: the file; an earlier one is replaced.
      links: the page of an explanation, relative to this one, by the id of its row.
      summary: a row for each group.
      curves: budget, mean R2, and the ends of its interval, by the name of the curve.

    Returns:
      The path.
    """
    page, style, script = assets("sweep.html", "page.css", "scripts/sweep.js")
    failures = sum(bool(row["error"]) for row in rows)
    models = sorted({row["model"] for row in rows if row["model"]})
    parts = {
        "title": counted(len(rows), "explanation"),
        "subtitle": escape(printable(", ".join(models))),
        "caution": f'<p class="caution" role="note">{counted(failures, "explanation")} failed; the table says why.</p>'
        if failures
        else "",
        "curves": _picture(curves) if curves else "<p>There is no R² to draw.</p>",
        "summary": _table("Means over inputs, with bootstrap intervals", _headed(summary), summary, {}),
        "table": _table("Press a heading to sort", _told(_ROW, rows), rows, links),
        "style": style,
        "script": script,
        "script_hash": script_hash(script),
    }
    return write_durably(path, filled(page, parts))


def _headed(summary: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The columns of the summary and their headings."""
    return _told({name: _GROUP.get(name, name) for name in (summary[0] if summary else ())}, summary)


def _told(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The columns that say something in some row."""
    return {name: heading for name, heading in columns.items() if any(row[name] != "" for row in rows)}


def _table(
    caption: str, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], links: Mapping[str, str]
) -> str:
    numeric = {name: any(isinstance(row[name], int | float) for row in rows) for name in columns}
    head = "".join(
        f'<th scope="col"{_kind(name, numeric)}><button type="button">{escape(heading)}</button></th>'
        for name, heading in columns.items()
    )
    body = "".join(
        "<tr>" + "".join(_cell(name, row, numeric, links.get(row.get("id", ""))) for name in columns) + "</tr>"
        for row in rows
    )
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _kind(name: str, numeric: Mapping[str, bool]) -> str:
    kind = "number" if numeric[name] else {"text": "text", "error": "failed"}.get(name, "")
    return f' class="{kind}"' if kind else ""


def _cell(name: str, row: Mapping[str, Any], numeric: Mapping[str, bool], link: str | None) -> str:
    value = row[name]
    if isinstance(value, float):
        plain, shown = ("", "") if math.isnan(value) else (repr(value), f"{value:,.4g}".replace("-", "−"))
    else:
        plain, shown = str(value), f"{value:,}" if numeric[name] and name != "seed" else escape(printable(str(value)))
        plain = escape(printable(plain))
    if name == "text":
        shown = f'<a href="{escape(link)}">{shown or "(empty)"}</a>' if link else shown
        shown = f'<span lang="" dir="auto">{shown}</span>'
    return f'<td{_kind(name, numeric)} data-value="{plain}">{shown}</td>'


def _picture(curves: Mapping[str, Sequence[Point]]) -> str:
    """Mean R2 against the budget, whose axis is logarithmic; the bands are the intervals."""
    budgets = sorted({point[0] for points in curves.values() for point in points})
    low = max(-1.0, math.floor(5 * min(0.0, *(point[2] for points in curves.values() for point in points))) / 5)
    first, last = math.log2(budgets[0]), math.log2(budgets[-1])

    def x(budget: float | int) -> float:
        share = (math.log2(budget) - first) / (last - first) if last > first else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(r2: float | int) -> float:
        return _TOP + (1 - max(r2, low)) / (1 - low) * (_HEIGHT - _TOP - _BOTTOM)

    ticks = [i / 5 for i in range(round(5 * low), 6)]
    parts = [
        f'<line class="axis" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y(t):.1f}" y2="{y(t):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{y(t) + 4:.1f}" text-anchor="end">{f"{t:.1f}".replace("-", "−")}</text>'
        for t in ticks
    ]
    bottom = _HEIGHT - _BOTTOM + 18
    parts += [f'<text x="{x(b):.1f}" y="{bottom}" text-anchor="middle">{b:,}</text>' for b in budgets]
    parts.append(f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 6}" text-anchor="middle">budget, ablations</text>')
    for number, points in enumerate(curves.values()):
        upper = [f"{x(p[0]):.1f},{y(p[3]):.1f}" for p in points]
        lower = [f"{x(p[0]):.1f},{y(p[2]):.1f}" for p in reversed(points)]
        line = " ".join(f"{x(p[0]):.1f},{y(p[1]):.1f}" for p in points)
        dots = "".join(f'<circle class="dot" cx="{x(p[0]):.1f}" cy="{y(p[1]):.1f}" r="3.5"/>' for p in points)
        band = f'<polygon class="band" points="{" ".join([*upper, *lower])}"/>'
        parts.append(f'<g class="c{number % _COLOURS}">{band}<polyline class="line" points="{line}"/>{dots}</g>')
    named = [name for name in curves if name]
    height = _HEIGHT + 18 * len(named)
    for number, name in enumerate(named):
        at = _HEIGHT + 18 * number + 6
        key = f'<g class="c{number % _COLOURS}"><circle class="dot" cx="{_LEFT}" cy="{at}" r="5"/></g>'
        parts.append(f'{key}<text x="{_LEFT + 12}" y="{at + 4}">{escape(printable(name))}</text>')
    said = "; ".join(
        f"{name or 'R²'}: " + ", ".join(f"{p[1]:.3f} at {p[0]:,}" for p in ps) for name, ps in curves.items()
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(printable(said))}">{"".join(parts)}</svg>'
    )

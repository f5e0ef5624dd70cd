"""How objects show themselves: a title, facts and ranked numbers, as text, as HTML in a notebook, and by rich."""

import dataclasses
from html import escape
from math import isfinite
from typing import Any, NamedTuple

from spexjax._numbers import is_noise, signed, unsigned
from spexjax._printable import one_line

_WIDTH = 100  # characters of a label on a terminal
_CLASSES = "spexjax tex2jax_ignore mathjax_ignore"  # notebooks would typeset what stands between dollar signs
# Colours that read on white and on black, and differ in grey; text has the notebook's own colour.
_STYLE = """<style>
.spexjax { color: inherit; font: 13px/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; max-width: 60em; }
.spexjax p { margin: 0 0 .3em; }
.spexjax table { font: inherit; color: inherit; border-collapse: collapse; margin: .4em 0; }
.spexjax th, .spexjax td { border: 0; padding: 1px 8px; text-align: right; background: none; color: inherit; }
.spexjax th { font-weight: 600; border-bottom: 1px solid rgba(128, 128, 128, .5); }
.spexjax .label { text-align: left; overflow-wrap: anywhere; }
.spexjax .axis { width: 130px; background: linear-gradient(rgba(128, 128, 128, .6) 0 0) 50% / 1px 100% no-repeat; }
.spexjax .axis i { display: block; height: 10px; border-radius: 2px; }
.spexjax .pos { background: #2563eb; } .spexjax .neg { background: #d97706; }
.spexjax .noise { opacity: .7; } .spexjax .noise i { opacity: .5; }
</style>"""


class Line(NamedTuple):
    """A row of a listing."""

    parts: tuple[str, ...]  # labels of the features; none for the empty set
    values: tuple[float, ...]  # one for each column of numbers
    errors: tuple[float, ...] = ()  # their standard errors: NaN unknown, 0 exact
    note: str = ""

    @property
    def label(self) -> str:
        """The features on one line."""
        return " × ".join(self.parts) or "∅"

    @property
    def noise(self) -> bool:
        """Whether the last number is known to lie within two standard errors of 0."""
        return bool(self.errors) and is_noise(self.values[-1], self.errors[-1])


@dataclasses.dataclass(frozen=True)
class Listing:
    """What an object says of itself; the last column of numbers is what counts, and gets bars."""

    title: str
    facts: tuple[str, ...] = ()
    columns: tuple[str, ...] = ("",)
    lines: tuple[Line, ...] = ()
    rest: str = ""  # what is not listed

    @property
    def scale(self) -> float:
        """The largest absolute number, the empty set's aside, to which all are rounded."""
        numbers = [v for line in self.lines for v in line.values if line.parts and isfinite(v)]
        return max(map(abs, numbers), default=0.0) or max((abs(line.values[-1]) for line in self.lines), default=0.0)

    def __str__(self) -> str:
        cells = [self._cells(line) for line in self.lines]
        heads = [self.columns] if len(self.columns) > 1 and cells else []
        widths = [max(map(len, column)) for column in zip(*heads, *cells, strict=True)]
        rows = ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in (*heads, *cells)]
        for i, line in enumerate(self.lines, len(heads)):
            remark = line.note or ("within 2 s.e. of 0" if line.noise else "")
            rows[i] += f"  {one_line(line.label, _WIDTH)}" + (f"  ({remark})" if remark else "")
        if self.rest:
            rows.append(" " * (sum(widths) + 2 * len(widths)) + self.rest)
        indent = "  " if self.facts else ""
        return "\n".join([self.title, *(f"  {fact}" for fact in self.facts), *(indent + row for row in rows)])

    def html(self) -> str:
        """The listing as a piece of HTML that needs nothing else, for `_repr_html_`; every string is escaped."""
        known = any(unsigned(e, 1.0) for line in self.lines for e in line.errors[-1:])
        heads = [*self.columns, *["± s.e."] * known, "", "features"]
        kinds = [""] * (len(heads) - 1) + [' class="label"']
        head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(heads, kinds, strict=True))
        body = "".join(self._html_row(line, known) for line in self.lines)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self.lines else ""
        facts = "".join(f"<p>{escape(fact)}</p>" for fact in self.facts)
        rest = f"<p>{escape(self.rest)}</p>" if self.rest else ""
        title = f"<p><b>{escape(self.title)}</b></p>"
        return f'{_STYLE}<div class="{_CLASSES}">{title}{facts}{table}{rest}</div>'

    def rich(self) -> Any:
        """The listing as a table of `rich`."""
        from rich import box
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD)
        for name in self.columns:
            table.add_column(Text(name), justify="right", no_wrap=True)
        table.add_column("features", overflow="fold")
        for line in self.lines:
            colour = "blue" if line.values[-1] > 0 else "dark_orange"
            numbers = [Text(cell, "dim" if line.noise else colour) for cell in self._cells(line)]
            table.add_row(*numbers, Text(line.label + (f"  ({line.note})" if line.note else "")))
        rest = [Text(self.rest, "dim")] if self.rest else []
        said = [Text(self.title, "bold"), *map(Text, self.facts)]
        return Group(*said, *([table] if self.lines else []), *rest)

    def _cells(self, line: Line) -> list[str]:
        """The numbers of a line, the last with its standard error."""
        cells = [signed(value, self.scale) for value in line.values]
        errors = [unsigned(each.errors[-1], self.scale) if each.errors else "" for each in self.lines]
        if any(errors):
            own = unsigned(line.errors[-1], self.scale) if line.errors else ""
            cells[-1] += f" ± {own:>{max(map(len, errors))}}" if own else " " * (3 + max(map(len, errors)))
        return cells

    def _html_row(self, line: Line, known: bool) -> str:
        numbers = [signed(value, self.scale).replace("-", "−") for value in line.values]
        numbers += [unsigned(line.errors[-1], self.scale) if line.errors else ""] * known
        share = line.values[-1] / self.scale if line.parts and self.scale and isfinite(line.values[-1]) else 0.0
        width = min(abs(share), 1.0) * 50
        left = 50.0 if share > 0 else 50 - width
        bar = f'<i class="{"pos" if share > 0 else "neg"}" style="margin-left:{left:.1f}%;width:{width:.1f}%"></i>'
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        names = " × ".join(f"<bdi>{escape(part)}</bdi>" for part in line.parts) or "∅"
        note = f" <small>({escape(line.note)})</small>" if line.note else ""
        faded = ' class="noise" title="within 2 standard errors of 0"' if line.noise else ""
        axis = f'<td class="axis" aria-hidden="true">{bar if share else ""}</td>'
        return f'<tr{faded}>{cells}{axis}<td class="label">{names}{note}</td></tr>'


class Shown:
    """An object that shows itself by its listing: on a terminal, in a notebook, and by rich."""

    def _listing(self) -> Listing:
        raise NotImplementedError

    def __repr__(self) -> str:
        return str(self._listing())

    def _repr_html_(self) -> str:
        return self._listing().html()

    def __rich__(self) -> Any:
        return self._listing().rich()

"""An explanation as one self-contained HTML page: no network, no fonts, no libraries.

Text, names, answers and model names are escaped, and the content security policy only allows the page's own script.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from spexjax._durable import write_durably
from spexjax._status import phase
from spexjax.explanation import Explanation, ends_of
from spexjax.report._assets import assets, filled, safe_json, script_hash
from spexjax.report._data import page_data, tables
from spexjax.report._details import details, figures
from spexjax.report._layout import around, layout, unit_name, units
from spexjax.report._several import several
from spexjax.report._verdict import headline, verdict
from spexjax.report._words import cautions, directions, variance_explained

_SCRIPTS = ("basics", "terms", "arcs", "text", "lists", "whatif", "page")  # one after the other make one script


def html(
    explanation: Explanation | Sequence[Explanation],
    *,
    index: str | None = None,
    max_order: int = 2,
    top: int = 20,
    progress: bool | None = None,
) -> str:
    """The explanation as a self-contained page: the verdict in words, the text with arcs, lists, and a what-if panel.

    Args:
      explanation: from `explain` or `fit`; or those of several values, from `explain_each`, one of which is shown at a
        time.
      index: a name of `spexjax.indices.INDICES`, shown first; the page switches to others. By default FSII, or WBII
        where `explain(keep=...)` drew the masks.
      max_order: the order of the index.
      top: how many interactions, and how many single features, are listed.
      progress: as in `explain`.

    Raises:
      ValueError: if the index is unknown, `max_order` is below 1, or there is no explanation.
    """
    if isinstance(explanation, Explanation):
        return _page(explanation, index, max_order, top, progress, "page")[0]

    def one(each: Explanation) -> tuple[str, str]:
        page, script = _page(each, index, max_order, top, progress, "fragment")
        return _framed(page, each, "", lazy=True), script

    return several(explanation, one)


def fragment(
    explanation: Explanation,
    *,
    index: str | None = None,
    max_order: int = 2,
    top: int = 10,
    height: int = 560,
) -> str:
    """The page as an HTML element for a notebook or another page, which can neither style it nor be touched by it.

    An `iframe` whose sandbox allows its own script and nothing else.

    Args:
      explanation: from `explain` or `fit`.
      index: as in `html`, like the others.
      max_order: the order of the index.
      top: how many interactions, and how many single features, are listed.
      height: in CSS pixels; what is longer is scrolled.

    Raises:
      ValueError: as `html`.
    """
    page, _ = _page(explanation, index, max_order, top, False, "fragment")
    return _framed(page, explanation, f' style="width:100%;height:{height}px;border:0"')


def _framed(page: str, explanation: Explanation, style: str, *, lazy: bool = False) -> str:
    """A page within another."""
    title, loading = escape(headline(explanation, ends_of(explanation))), ' loading="lazy"' * lazy
    return f'<iframe title="{title}" sandbox="allow-scripts"{style}{loading} srcdoc="{escape(page)}"></iframe>'


def write_html(
    explanation: Explanation | Sequence[Explanation],
    path: str | Path,
    *,
    index: str | None = None,
    max_order: int = 2,
    top: int = 20,
    progress: bool | None = None,
) -> Path:
    """Writes the page of `html` to a file atomically, replacing an earlier one.

    Args:
      explanation: as in `html`, one or several.
      path: the file.
      index: as in `html`, like the others.
      max_order: the order of the index.
      top: how many interactions, and how many single features, are listed.
      progress: as in `explain`.

    Returns:
      The path.
    """
    page = html(explanation, index=index, max_order=max_order, top=top, progress=progress)
    return write_durably(path, page)


def _page(
    explanation: Explanation, index: str | None, max_order: int, top: int, progress: bool | None, kind: str
) -> tuple[str, str]:
    """The page, and the hash of its script."""
    with phase("report", progress):
        shown = tables(explanation, index, max_order, top)
        how, ends = layout(explanation), ends_of(explanation)
        data = page_data(explanation, shown, top, how.numbered)
    names, words, unit = data["labels"], directions(explanation.provenance), unit_name(explanation)
    joint = next(table for table in shown if table.max_order != 1)
    active = {i for table in shown for s, _ in table.terms for i in s}
    page, style, *scripts = assets("page.html", "page.css", *(f"scripts/{name}.js" for name in _SCRIPTS))
    script = "".join(scripts)
    warnings = cautions(explanation.faithfulness.r2, explanation.provenance)
    parts = {
        "kind": kind,
        "title": escape(headline(explanation, ends)),
        "verdict": verdict(explanation, ends, joint, names),
        "caution": "".join(f'<p class="caution" role="note">{escape(warning)}</p>' for warning in warnings),
        "features_heading": "The text" if "pieces" in explanation.provenance else f"The {len(names):,} {unit}s",
        "layout": how.kind,
        "layout_style": how.style,
        "units": units(explanation, names, how, active),
        "around": around(explanation),
        "unit": unit,
        "indices": "".join(f'<option value="{k}">{escape(table.name)}</option>' for k, table in enumerate(shown)),
        "raises": escape(words[0]),
        "lowers": escape(words[1]),
        "figures": figures(explanation, ends),
        "faithfulness": escape(variance_explained(explanation.faithfulness, explanation.keep_probability)),
        "details": details(explanation, shown[0]),
        "data": safe_json(data),
        "style": style,
        "script": script,
        "script_hash": script_hash(script),
    }
    return filled(page, parts), parts["script_hash"]

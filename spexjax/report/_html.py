"""An explanation as one self-contained HTML page: no network, no fonts, no libraries.

Text, names, answers and model names are escaped, and the content security policy only allows the page's own script.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np

from spexjax._durable import write_durably
from spexjax._status import phase
from spexjax.explanation import Explanation
from spexjax.indices import Interactions, get
from spexjax.report._words import (
    caution,
    directions,
    labels,
    signed,
    unsigned,
    value_in_words,
    variance_explained,
    where_time_went,
)

Terms = list[tuple[tuple[int, ...], float]]

_ARCS = 6  # drawn while the pointer is on no unit
_LINKED = 8  # the strongest interactions kept for each unit
_LONG = 150  # with more units the text is set more tightly
_CHIPS = 500  # without a text, with more features only those with an effect are shown
_MARKER = re.compile(r"\{\{(\w+)\}\}")


def html(
    explanation: Explanation,
    *,
    index: str = "FSII",
    max_order: int = 2,
    top: int = 20,
    progress: bool | None = None,
) -> str:
    """The explanation as a self-contained page: the text with its attributions, arcs, and ranked lists.

    Args:
      explanation: from `explain` or `fit`.
      index: a name of `spexjax.indices.INDICES`.
      max_order: the order of the index.
      top: how many interactions, and how many single features, are listed.
      progress: as in `explain`.

    Raises:
      ValueError: if the index is unknown or `max_order` is below 1.
    """
    with phase("report", progress):
        table = explanation.interactions(index, max_order)
        errors = _standard_errors(explanation, table, top)
    provenance = explanation.provenance
    ranked = list(table.top(len(table)))
    singles, joint = [t for t in ranked if len(t[0]) == 1], [t for t in ranked if len(t[0]) > 1]
    linked = singles[:top] + _linked(joint, top)
    linked += [t for t in singles[top:] if len(explanation.feature_names) <= _CHIPS or "pieces" in provenance]
    names = labels(explanation.feature_names, width=72)
    scale = max((abs(value) for _, value in ranked), default=0.0)
    position = {s: k for k, (s, _) in enumerate(linked)}

    page, style, script = assets("page.html", "page.css", "page.js")
    words = directions(provenance)
    warning = caution(explanation.faithfulness.r2)
    unit = "part of the text" if "pieces" in provenance else "feature"
    data = {
        "labels": names,
        "interactions": [[s, value, signed(value, scale)] for s, value in linked],
        "shown": _ARCS,
    }
    parts = {
        "title": _phrase(value_in_words(provenance) or f"a function of {len(names):,} features"),
        "subtitle": _subtitle(explanation),
        "figures": _figures(explanation),
        "caution": f'<p class="caution" role="note">{escape(warning)}</p>' if warning else "",
        "features_heading": "The text" if "pieces" in provenance else "The features",
        "layout": _layout(explanation),
        "before": _template(provenance.get("before")),
        "after": _template(provenance.get("after")),
        "units": _units(explanation, names, dict(singles), {i for s, _ in linked for i in s}, scale),
        "raises": _phrase(words[0]),
        "lowers": _phrase(words[1]),
        "hint": f"Arcs: the strongest interactions. Point at a {unit}, or tab to it and use the arrow keys, "
        "to see its own.",
        "interactions": _list(joint, top, names, position, scale, errors, "No interaction of two or more features."),
        "singles": _list(singles, top, names, position, scale, errors, "No feature has an effect on its own."),
        "details": _details(explanation, table.index, table.max_order),
        "data": _json(data),
        "style": style,
        "script": script,
        "script_hash": f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    }
    return filled(page, parts)


def write_html(
    explanation: Explanation,
    path: str | Path,
    *,
    index: str = "FSII",
    max_order: int = 2,
    top: int = 20,
    progress: bool | None = None,
) -> Path:
    """Writes the page of `html` to a file atomically, replacing an earlier one.

    Args:
      explanation: from `explain` or `fit`.
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


def assets(*files: str) -> list[str]:
    """The contents of files of this room."""
    folder = resources.files("spexjax.report")
    return [folder.joinpath(file).read_text(encoding="utf-8") for file in files]


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with a part in place of each marker.

    Args:
      page: with markers such as {{title}}.
      parts: by the names of their markers.
    """
    whole = _MARKER.sub(lambda marker: parts[marker[1]], page)  # one pass: markers in an explained text stay
    return whole.encode("utf-8", "replace").decode()  # lone surrogates cannot be written to a file


def _json(data: Any) -> str:
    """JSON that is safe inside a script element: ASCII, without <, > and &."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _linked(joint: Terms, top: int) -> Terms:
    """The strongest `top` interactions, and the strongest few of every feature."""
    kept: Terms = []
    count: dict[int, int] = {}
    for rank, (s, value) in enumerate(joint):
        if rank < top or any(count.get(i, 0) < _LINKED for i in s):
            kept.append((s, value))
            for i in s:
                count[i] = count.get(i, 0) + 1
    return kept


def _phrase(text: str) -> str:
    """Escapes a phrase; no line break after an opening quote."""
    return escape(text).replace("&quot; ", "&quot;&nbsp;")


def _subtitle(explanation: Explanation) -> str:
    model, n = explanation.provenance.get("model"), len(explanation.feature_names)
    phrases = [f"in {escape(str(model))}"] if model else []
    if "pieces" in explanation.provenance:
        phrases.append(f"{n:,} parts of the text, kept or removed")
    if "prompts" in explanation.provenance:
        phrases.append(f"mean over {len(explanation.provenance['prompts']):,} prompts")
        phrases.append(f"{n:,} components of the model, kept or removed")
    return " · ".join(phrases)


def _figures(explanation: Explanation) -> str:
    faithfulness, n = explanation.faithfulness, len(explanation.feature_names)
    scale = float(np.abs(explanation.values).max(initial=0))
    figures = []
    for kept, name in ((True, "Everything kept"), (False, "Everything removed")):
        rows = np.flatnonzero((explanation.masks == kept).all(1))
        if len(rows):
            number = signed(float(explanation.values[rows[0]]), scale)
            figures.append((name, number, "the value that is explained" if kept else "the baseline"))
    figures.append(("Faithfulness R²", f"{faithfulness.r2:.3f}", variance_explained(faithfulness)))
    figures.append(("Ablations", f"{len(explanation.values):,}", f"of 2<sup>{n}</sup> possible ones"))
    items = (
        f"<div><dt>{name}</dt><dd><b>{number}</b><small>{note}</small></dd></div>" for name, number, note in figures
    )
    return f'<dl class="figures">{"".join(items)}</dl>'


def _template(text: str | None) -> str:
    """The part of the prompt around the text, which is never removed."""
    text = (text or "").strip()
    return f'<div class="template" title="never removed" lang="" dir="auto">{escape(text)}</div>' if text else ""


def _layout(explanation: Explanation) -> str:
    if "pieces" not in explanation.provenance:
        return "chips"
    return "running long" if len(explanation.feature_names) > _LONG else "running"


def _units(
    explanation: Explanation,
    names: Sequence[str],
    singles: Mapping[tuple[int, ...], float],
    active: set[int],
    scale: float,
) -> str:
    """The text, or chips if there is none, with every unit coloured by its value."""
    n = len(names)
    strongest = max(map(abs, singles.values()), default=0.0)
    chips = [[names[i], i] for i in range(n) if n <= _CHIPS or i in active]
    parts, first = [], True
    for string, i in explanation.provenance.get("pieces", chips):
        if not 0 <= i < n:
            parts.append(escape(string))
            continue
        value = singles.get((i,), 0.0)
        tone = f' {_sign(value)}" style="--share:{abs(value) / strongest:.3f}' if value else ""
        parts.append(
            f'<span class="unit{tone}" data-feature="{i}" role="button" tabindex="{0 if first else -1}" '
            f'aria-label="{escape(names[i])}, {signed(value, scale)}">{escape(string)}</span>'
        )
        first = False
    return "".join(parts)


def _sign(value: float) -> str:
    return "pos" if value > 0 else "neg"


def _standard_errors(explanation: Explanation, table: Interactions, top: int) -> dict[tuple[int, ...], float]:
    """The standard errors of the interactions that the lists show."""
    strongest = [table.order(order).top(top) for order in sorted(set(table.orders.tolist()) - {0})]
    return {
        s: error
        for part in strongest
        for (s, _), error in zip(part, explanation.standard_errors(part).tolist(), strict=True)
    }


def _list(
    terms: Terms, top: int, names: Sequence[str], position: Mapping, scale: float, errors: Mapping, none: str
) -> str:
    if not terms:
        return f'<p class="rest">{none}</p>'
    rows = []
    for rank, (s, value) in enumerate(terms[:top], 1):
        joined = '<span class="times">×</span>'.join(f"<bdi>{escape(names[i])}</bdi>" for i in s)
        error = unsigned(errors[s], scale)
        title = f' title="standard error {error}"' if error else ""
        uncertainty = f"<small> ±{error}</small>" if error else ""
        rows.append(
            f'<li class="row" data-set="{position[s]}"><span class="rank">{rank}</span>'
            f'<span class="names">{joined}</span><span class="bar" aria-hidden="true">'
            f'<i class="{_sign(value)}" style="--share:{abs(value) / scale:.3f}"></i></span>'
            f'<span class="value {_sign(value)}"{title}>{signed(value, scale)}{uncertainty}</span></li>'
        )
    rest = f'<p class="rest">and {len(terms) - top:,} weaker ones</p>' if len(terms) > top else ""
    return f"<ol>{''.join(rows)}</ol>{rest}"


def _details(explanation: Explanation, index: str, max_order: int | None) -> str:
    provenance = explanation.provenance
    orders = "of all orders" if max_order is None else f"up to order {max_order}"
    rows = [
        ("Index", f"{index} {orders}. {escape(get(index).definition)}."),
        ("Faithfulness", escape(str(explanation.faithfulness))),
        ("Method", "<br>".join(filter(None, (escape(explanation.method), _settings(explanation.diagnostics))))),
        ("Variance by order", _energy(explanation)),
    ]
    cost = {
        k: provenance[k]
        for k in ("budget", "ablations", "reused", "evaluations", "programs", "padding")
        if k in provenance
    }
    rows += [("Cost", _settings(cost))] if cost else []
    rows += [("Where time went", escape(where_time_went(provenance["seconds"])))] if provenance.get("seconds") else []
    rows += [
        (key.capitalize(), f"<code>{escape(str(provenance[key]))}</code>")
        for key in ("removal", "fingerprint")
        if provenance.get(key)
    ]
    rows.append(("Made by", f"spexjax {escape(_version())}"))
    rows.append(
        (
            "Continue in Python",
            "<code>explanation.save(&quot;folder&quot;)</code> writes explanation.json; "
            "<code>spexjax.explanation.load(&quot;folder&quot;)</code> reads it back.",
        )
    )
    return "\n".join(f"<dt>{name}</dt><dd>{content}</dd>" for name, content in rows)


def _settings(settings: Mapping[str, Any]) -> str:
    if "reason" in settings:  # the chosen methods' own settings are in explanation.json
        return escape(settings["reason"])
    return " · ".join(
        f"{escape(str(key).replace('_', ' '))} {escape(value if isinstance(value, str) else json.dumps(value))}"
        for key, value in settings.items()
    )


def _energy(explanation: Explanation) -> str:
    """Each order's share of the variance over all masks, which is the energy of orders >= 1."""
    energy = explanation.spectrum.energy_by_order()[1:]
    if not energy.sum() > 0:
        return "none: the function is constant"
    rows = (
        f'<span>order {order}</span><i style="--share:{share:.4f}"></i><span>{100 * share:.1f} %</span>'
        for order, share in enumerate(energy / energy.sum(), 1)
    )
    return f'<div class="energy">{"".join(rows)}</div>'


def _version() -> str:
    try:
        return metadata.version("spexjax")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "from source"

"""The folded part of the page: how the explanation was made, what it cost and how to go on."""

import json
from collections.abc import Mapping
from html import escape
from importlib import metadata
from typing import Any

from spexjax.explanation import Explanation
from spexjax.indices import get
from spexjax.report._data import Table, energy_by_order
from spexjax.report._words import known_before_in_words, signed, value_in_words, where_time_went


def figures(explanation: Explanation, ends: Mapping[bool, float]) -> str:
    """The large numbers.

    Args:
      explanation: that is shown.
      ends: from `ends_of`.
    """
    faithfulness, n = explanation.faithfulness, len(explanation.feature_names)
    scale = max(map(abs, explanation.values.tolist()), default=0.0)
    notes = {True: ("Everything kept", "the value that is explained"), False: ("Everything removed", "the baseline")}
    found = [(notes[kept][0], signed(value, scale), notes[kept][1]) for kept, value in ends.items()]
    error = f" ± {faithfulness.error:.3f}" if faithfulness.error > 0 else ""
    keep, meaning = explanation.keep_probability, "1 is perfect, 0 no better than the mean"
    meaning += "" if keep is None else f"; on masks that keep each feature with probability {keep:g}"
    found.append(("Faithfulness R²", f"{faithfulness.r2:.3f}{error}", meaning))
    found.append(("Ablations", f"{len(explanation.values):,}", f"of 2<sup>{n}</sup> possible ones"))
    items = (f"<div><dt>{name}</dt><dd><b>{number}</b><small>{note}</small></dd></div>" for name, number, note in found)
    return f'<dl class="figures">{"".join(items)}</dl>'


def details(explanation: Explanation, table: Table) -> str:
    """The provenance, as the items of a list.

    Args:
      explanation: that is shown.
      table: the index that was asked for.
    """
    provenance = explanation.provenance
    orders = "of all orders" if table.max_order is None else f"up to order {table.max_order}"
    value = value_in_words(provenance)
    rows = [("Value", escape(value))] if value else []
    rows += [
        ("Index", f"{table.name} {orders}. {escape(get(table.name).definition)}. {escape(table.note)}".strip()),
        ("Faithfulness", escape(str(explanation.faithfulness))),
        ("Method", "<br>".join(filter(None, (escape(explanation.method), _settings(explanation.diagnostics))))),
        ("Variance by order", _energy(explanation)),
    ]
    known = known_before_in_words(provenance)
    rows += [("Known before", escape(known))] if known else []
    counted = ("budget", "ablations", "reused", "evaluations", "programs", "padding")
    cost = {key: provenance[key] for key in counted if key in provenance}
    rows += [("Cost", _settings(cost))] if cost else []
    rows += [("Where time went", escape(where_time_went(provenance["seconds"])))] if provenance.get("seconds") else []
    rows += [
        (key.capitalize(), f"<code>{escape(str(provenance[key]))}</code>")
        for key in ("model", "removal", "fingerprint")
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
    """Each order's share of the variance over the masks that R2 stands for."""
    energy = energy_by_order(explanation)
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

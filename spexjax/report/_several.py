"""The explanations of several values in one page, one of which is shown at a time."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from math import isnan

from spexjax._printable import one_line
from spexjax.explanation import Explanation
from spexjax.report._assets import assets, filled
from spexjax.report._words import cautions

_NAME = 60  # characters of a name on its button


def several(explanations: Sequence[Explanation], page: Callable[[Explanation], tuple[str, str]]) -> str:
    """A self-contained page with a button for each value; radio buttons and CSS, so that it has no script of its own.

    Args:
      explanations: from `explain_each`, whose names are shown; or any others.
      page: gives the element that shows one of them, and the hash of its script, which is the same for all.

    Raises:
      ValueError: if there are none.
    """
    shown = list(explanations) if isinstance(explanations, Iterable) else [explanations]
    if not shown or not all(isinstance(each, Explanation) for each in shown):
        raise ValueError("There is nothing to show: give an explanation, or a list of explanations.")
    names = getattr(explanations, "names", None) or [f"Explanation {i + 1}" for i in range(len(shown))]
    choices, pages, rules = [], [], []
    script_hash = ""
    for i, (name, explanation) in enumerate(zip(names, shown, strict=True)):
        r2 = explanation.faithfulness.r2
        said = "nothing varies" if isnan(r2) else f"R² {r2:.2f}"
        checked = " checked" * (i == 0)
        label = f"{escape(one_line(name.strip() or repr(name), _NAME))} <small>{said}</small>"
        choices.append(f'<input type="radio" name="value" id="value{i}"{checked}><label for="value{i}">{label}</label>')
        element, script_hash = page(explanation)
        pages.append(f'<div class="page-of" id="page{i}">{element}</div>')
        rules.append(f"#value{i}:checked ~ #page{i} {{ display: block; }}")
    masks, doubtful = len(shown[0].values), sum(bool(cautions(e.faithfulness.r2, e.provenance)) for e in shown)
    caution = f"{doubtful:,} of them are to be read with care: see their pages."
    document, style = assets("several.html", "page.css")
    parts = {
        "title": f"{len(shown):,} explanations",
        "subtitle": escape(_subtitle(shown, masks)),
        "legend": "Explain",
        "caution": f'<p class="caution" role="note">{caution}</p>' if doubtful else "",
        "choices": "\n".join(choices),
        "pages": "\n".join(pages),
        "choice_style": "\n".join(rules),
        "style": style,
        "script_hash": script_hash,
    }
    return filled(document, parts)


def _subtitle(explanations: Sequence[Explanation], masks: int) -> str:
    """The model, what it was asked, and how many ablations all of them rest on."""
    provenance = explanations[0].provenance
    same = {e.provenance.get("fingerprint") for e in explanations}
    shared = f"all from the same {masks:,} ablations" if len(same) == 1 else ""
    model = one_line(str(provenance["model"]), 80) if provenance.get("model") else ""
    return ", ".join(part for part in (model, shared) if part)

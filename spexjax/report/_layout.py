"""How the features are laid out: a running text, a grid of heads, rows of examples, or chips."""

import re
from collections.abc import Sequence
from html import escape
from statistics import mean
from typing import NamedTuple

from spexjax._printable import BREAKS, one_line, printable
from spexjax.explanation import Explanation

_LONG_TEXT = 150  # with more units the text is set more tightly
_LONG_NAME = 28  # mean characters from which a unit gets a number, and a row of its own where there is no text
_CHIPS = 500  # without a text, with more features only those with an effect are shown
_ROW = 400  # characters of a unit where there is no text
_PROMPTS = 3  # shown; the others are folded
_HEAD = re.compile(r"L(\d+)\.(?:H(\d+)|(MLP))")
_EXAMPLE = re.compile(r"(example|group) \d+")


class Layout(NamedTuple):
    """The class of the element that holds the units, its style, and whether units have numbers."""

    kind: str
    style: str
    numbered: bool


def layout(explanation: Explanation) -> Layout:
    """Chooses by the names of the features."""
    names = explanation.feature_names
    long = len(names) > 1 and mean(map(len, names)) > _LONG_NAME
    if "pieces" in explanation.provenance:
        return Layout("running long" if len(names) > _LONG_TEXT else "running", "", long)
    if all(map(_HEAD.fullmatch, names)):
        return Layout("grid", f"--columns:{_columns(names)}", False)
    rows = long or all(_EXAMPLE.fullmatch(name) for name in names)
    return Layout("rows" if rows else "chips", "", long)


def unit_name(explanation: Explanation) -> str:
    """What one feature is called in a sentence."""
    if "pieces" in explanation.provenance:
        return "part" if any(len(name.split()) > 1 for name in explanation.feature_names) else "word"
    return "component" if "prompts" in explanation.provenance else "feature"


def units(explanation: Explanation, names: Sequence[str], how: Layout, active: set[int]) -> str:
    """The text with every unit in an element of its own; or the units alone, if there is no text.

    Args:
      explanation: that is shown.
      names: labels of the features.
      how: from `layout`.
      active: the features with an effect.
    """
    n = len(names)
    if how.kind == "grid":
        return _grid(explanation.feature_names, names)
    chips = [[one_line(explanation.feature_names[i], _ROW), i] for i in range(n) if n <= _CHIPS or i in active]
    parts, first = [], True
    for string, i in explanation.provenance.get("pieces", chips):
        if not 0 <= i < n:
            parts.append(_readable(string))
            continue
        number = f' data-number="{i + 1}"' if how.numbered else ""
        parts.append(_unit(string, i, names[i], first, number))
        first = False
    return "".join(parts)


def around(explanation: Explanation) -> str:
    """What the model is given besides the features: the prompt around a text, folded, or the prompts."""
    provenance = explanation.provenance
    if "prompts" in provenance:
        return _prompts(provenance["prompts"], provenance.get("prompt_answers") or ())
    before, after = ((provenance.get(key) or "").strip() for key in ("before", "after"))
    if not before and not after:
        return ""
    whole = "".join(
        f'<div class="template" lang="" dir="auto">{_readable(text)}</div>' if text else ""
        for text in (before, "[the text]", after)
    )
    return f"<details><summary>The prompt around the text, which is never removed</summary>{whole}</details>"


def _unit(string: str, i: int, name: str, first: bool, attributes: str) -> str:
    return (
        f'<span class="unit" data-feature="{i}" role="button" tabindex="{0 if first else -1}" '
        f'aria-label="{escape(name)}"{attributes}>{_readable(string)}</span>'
    )


def _readable(text: str) -> str:
    """A text as HTML, in which nothing hides or turns the line around."""
    return escape(printable(text, keep=BREAKS))


def _columns(names: Sequence[str]) -> int:
    """How many columns a row of heads has, with one for the MLP if there is any."""
    found = [_HEAD.fullmatch(name) for name in names]
    heads = max((int(match[2]) + 1 for match in found if match and match[2]), default=0)
    return heads + any(match is not None and match[3] is not None for match in found)


def _grid(feature_names: Sequence[str], names: Sequence[str]) -> str:
    """A row for each layer and a column for each head; an MLP stands in the last column."""
    columns, parts, layer = _columns(feature_names), [], None
    for i, (feature, name) in enumerate(zip(feature_names, names, strict=True)):
        match = _HEAD.fullmatch(feature)
        assert match is not None
        if match[1] != layer:
            layer = match[1]
            parts.append(f'<span class="layer">L{layer}</span>')
        column = columns + 1 if match[3] else int(match[2]) + 2
        string = "MLP" if match[3] else f"H{match[2]}"
        parts.append(_unit(string, i, name, i == 0, f' style="grid-column:{column}"'))
    return "".join(parts)


def _prompts(prompts: Sequence[str], answers: Sequence[Sequence[str]]) -> str:
    items = []
    for k, prompt in enumerate(prompts):
        wanted = " / ".join(f"<b>{escape(answer.strip())}</b>" for answer in answers[k]) if k < len(answers) else ""
        items.append(f'<li dir="auto">{_readable(prompt)}{" → " if wanted else ""}{wanted}</li>')
    shown, rest = "".join(items[:_PROMPTS]), "".join(items[_PROMPTS:])
    folded = f"<details><summary>All other prompts</summary><ul>{rest}</ul></details>" if rest else ""
    return f'<div class="prompts"><h3>The prompts</h3><ul lang="">{shown}</ul>{folded}</div>'

"""The verdict in words: what was asked, what the model answered, how sure it is, and which combination decides."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from math import isnan
from typing import Any

import numpy as np

from spexjax._printable import one_line
from spexjax.explanation import Explanation, model_of, probability
from spexjax.report._data import Table, Term, energy_by_order
from spexjax.report._layout import unit_name
from spexjax.report._words import directions, quoted, signed, unsigned

_ASKED = 160  # characters of a question
_ANSWER = 60  # and of an answer
_NAME = 44  # and of a feature


def headline(explanation: Explanation, ends: Mapping[bool, float]) -> str:
    """What the page is about, in a few words: the model and its answer.

    Args:
      explanation: that is shown.
      ends: from `ends_of`.
    """
    provenance, full = explanation.provenance, ends.get(True)
    value, model = provenance.get("value"), model_of(provenance)
    answers: Sequence[str] = provenance.get("answers") or ()
    mean = f", on average over {len(provenance['prompts']):,} prompts" if len(provenance.get("prompts", ())) > 1 else ""
    if value == "logit-difference" and full is not None:
        if len(answers) == 2:
            return f"{model} answers {quoted(answers[int(full < 0)], _ANSWER)}{mean}"
        if "prompts" in provenance:
            return f"{model} prefers {'the right' if full >= 0 else 'a wrong'} answer{mean}"
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        sure = full is not None and probability(value, full) >= 0.5
        said = f"{model} answers" if sure else f"What makes {model} say"
        return f"{said} {quoted(answers[0], _ANSWER)}{mean}"
    if value == "accuracy" and full is not None and "prompts" in provenance:
        return f"{model} answers {100 * full:.0f} % of {len(provenance['prompts']):,} prompts correctly"
    what = f"the {value} of {model}" if value else f"a function of {len(explanation.feature_names):,} features"
    return f"What drives {what}"


def verdict(explanation: Explanation, ends: Mapping[bool, float], table: Table, names: Sequence[str]) -> str:
    """The sentences under the headline, as HTML paragraphs.

    Args:
      explanation: that is shown.
      ends: from `ends_of`.
      table: an index that has values for combinations.
      names: labels of the features.
    """
    found = [asked(explanation.provenance), how_sure(explanation, ends), decides(explanation, table, names)]
    found.append(baseline(explanation, ends))
    paragraphs = "\n".join(f"<p>{sentence}</p>" for sentence in found if sentence)
    return paragraphs + _whole(explanation.provenance.get("answers") or ())


def asked(provenance: Mapping[str, Any]) -> str:
    """The question, without the text that it is about."""
    question = " ".join(str(provenance.get("question") or "").replace("{text}", " … ").split()).strip(" …")
    if len(question) > _ASKED and (sentences := re.findall(r"[^.?!]+\?", question)):
        question = f"… {sentences[-1].strip()} …"  # instructions often stand around the question proper
    return f'Asked: <q class="asked">{escape(one_line(question, _ASKED))}</q>' if question else ""


def how_sure(explanation: Explanation, ends: Mapping[bool, float]) -> str:
    """The probabilities of the answers."""
    provenance, full = explanation.provenance, ends.get(True)
    value, answers = provenance.get("value"), [escape(quoted(a)) for a in provenance.get("answers") or ()]
    if full is None:
        return ""
    if "prompts" in provenance:
        start = "On average, the" if len(provenance["prompts"]) > 1 and not str(value).startswith("sum") else "The"
        return "" if value == "accuracy" else f"{start} {escape(str(value))} is <b>{signed(full, abs(full))}</b>."
    if value == "logit-difference" and len(answers) == 2:
        likelier, other = answers[int(full < 0)], answers[int(full >= 0)]
        p = probability("log-odds", abs(full))
        shares = f"<b>{_percent(p)}</b> for {likelier} and {_percent(1 - p)} for {other}"
        return f"Between the two, {shares}."
    if value in ("log-probability", "log-odds") and len(answers) == 1:
        share = _percent(probability(value, full))
        others = provenance.get("all_answers") or ()
        among = f", out of {len(others):,} answers" if others else ""
        return f"It gives this answer a probability of <b>{share}</b>{among}."
    return ""


def decides(explanation: Explanation, table: Table, names: Sequence[str]) -> str:
    """The strongest combination and the strongest single feature, and what share combinations have."""
    joint = [t for t in table.terms if len(t[0]) > 1 and t[1] and table.stands_out(t)]
    singles = [t for t in table.terms if len(t[0]) == 1 and t[1] and table.stands_out(t)]
    energy = energy_by_order(explanation)
    if not energy.sum() > 0:
        varies = np.ptp(np.asarray(explanation.values, np.float64)) > 0
        return "No effect of a removal could be learned." if varies else "Nothing that was removed changed the value."
    towards = directions(explanation.provenance)
    unit, sentences = unit_name(explanation), []
    if joint:
        sentences.append(f"The combination that counts most: {_named(joint[0], table, names, towards)}.")
    else:
        sentences.append(_no_combination(explanation, table, unit))
    if singles:
        sentences.append(f"The single {unit} that counts most: {_named(singles[0], table, names, towards)}.")
    joint_share = energy[1:].sum() / energy.sum()
    variation = "variation" if explanation.faithfulness.exact else "variation that the fit explains"
    shares = f"{100 * joint_share:.0f}\u00a0% of the {variation}", f"{100 - 100 * joint_share:.0f}\u00a0%"
    sentences.append(f"Combinations carry {shares[0]}, single {unit}s {shares[1]}.")
    return " ".join(sentences)


def _no_combination(explanation: Explanation, table: Table, unit: str) -> str:
    """Why no combination is named."""
    if any(value for s, value in table.terms if len(s) > 1):
        return "No combination stands out from the noise."
    if any(value for order, value in table.usual.items() if order > 1 and not isnan(value)):
        return "No combination stands out: all have the same value."
    exact = explanation.faithfulness.exact
    return "No combination has an effect." if exact else f"The fit has single {unit}s only: it tells no combination."


def baseline(explanation: Explanation, ends: Mapping[bool, float]) -> str:
    """Why the value may be higher where nothing is kept than where everything is; empty if there is nothing to say."""
    if len(ends) < 2:
        return ""
    provenance, (full, empty) = explanation.provenance, (ends[True], ends[False])
    answers, scale = provenance.get("answers") or (), max(abs(full), abs(empty))
    two = provenance.get("value") == "logit-difference" and len(answers) == 2
    sign = -1 if two and full < 0 else 1
    if sign * empty <= sign * full:
        return ""
    numbers = f"{signed(empty, scale)}, against {signed(full, scale)} with everything"
    change = unsigned(abs(full - empty), scale)
    if "pieces" not in provenance:
        return f"The value is higher with everything removed ({numbers}): together, the features lower it by {change}."
    answer = quoted(answers[int(full < 0)]) if two else quoted(answers[0]) if answers else "a high value"
    return (
        f"Without any of the text, the model leans even more to {escape(answer)} ({numbers}): the prompt alone brings "
        f"this answer, and the text as a whole speaks against it, by {change}."
    )


def _named(term: Term, table: Table, names: Sequence[str], towards: tuple[str, str]) -> str:
    s, value = term
    joined = '<span class="times">×</span>'.join(f"<bdi>{escape(one_line(names[i], _NAME))}</bdi>" for i in s)
    error = unsigned(table.error(s), table.scale)
    number = signed(value, table.scale) + (f" ± {error}" if error else "")
    return f'<b class="set">{joined}</b> ({number}, {escape(towards[int(value < 0)])})'


def _whole(answers: Sequence[str]) -> str:
    """The answers in full, folded, where the sentences cut them."""
    if all(len(answer) <= _ANSWER for answer in answers):
        return ""
    blocks = (f'<div class="template" lang="" dir="auto">{escape(answer)}</div>' for answer in answers)
    return f"<details><summary>The whole answer</summary>{''.join(blocks)}</details>"


def _percent(p: float) -> str:
    return f"{100 * p:.3g}\u00a0%"

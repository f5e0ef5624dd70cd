"""What can be said against a request before any model is loaded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spexjax.ablations._prompts._answers import check_answers
from spexjax.ablations._prompts._frame import check_raw, split_question
from spexjax.ablations._prompts._own_value import Value, own_value
from spexjax.ablations._prompts._reading import RAW, VALUES
from spexjax.ablations._prompts._strings import check_text
from spexjax.ablations._text._removal import REMOVALS, check_replacement
from spexjax.ablations._text._units import check_units, split

_LONG = 1 << 20  # characters; a longer text is judged by the model's context, not by cutting it up


def precheck_text(
    text: str,
    *,
    question: str | None = None,
    answers: str | Sequence[str] | None = None,
    features: str | Sequence[tuple[int, int]] = "word",
    removal: str = "delete",
    replacement: str | None = None,
    value: str | Value | Callable[..., Any] | None = None,
    answer_prefix: str = "",
    system: str | None = None,
    template: str | None = "chat",
    chat_template_kwargs: Mapping[str, Any] | None = None,
) -> int | None:
    """Checks the arguments of `ablations.text` as far as that needs no model, which may take minutes to load.

    Args:
      text: what is to be explained.
      question: as in `ablations.text`, like all that follow.
      answers: two, one or none.
      features: the kind of unit, or spans.
      removal: the name of a removal.
      replacement: for the removal "replace"; "_" by default.
      value: what is read off the model.
      answer_prefix: what the answer begins with.
      system: the system turn.
      template: "chat" or None.
      chat_template_kwargs: variables of the template.

    Returns:
      The number of units; None where only the model's tokenizer can tell it.

    Raises:
      ValueError: as `ablations.text` would.

    >>> precheck_text("not bad at all", answers=(" Positive", " Negative"))
    4
    """
    REMOVALS.get(removal)
    given = {"question": question, "answer prefix": answer_prefix, "system turn": system, "replacement": replacement}
    for what, string in {"text": text, **given}.items():
        if string is not None or what == "text":
            check_text(what, string)
    check_replacement(removal, replacement)
    if not text.strip():
        raise ValueError("The text is empty; there is nothing to explain.")
    split_question(question)
    if template is None:
        check_raw("Raw text", system, chat_template_kwargs)
    own_value(value, (*VALUES, RAW), answers)
    read_as = value if isinstance(value, str | None) else "log-probability"
    check_answers(answers if answers or isinstance(answers, str) else "the model's own", read_as, VALUES)
    if (isinstance(features, str) and features == "token") or len(text) > _LONG:
        return None
    units = split(text, features)
    check_units(len(units.cores), features)
    return len(units.cores)

"""From strings to tokens, with the checks that every lens makes: valid text, room in the context, usable answers."""

import re
import warnings
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from spexjax.models import LanguageModel, next_log_probabilities

_DENSE, _SLACK = 6, 64  # characters per token in most texts; tokens that a cut through a word may add
_FAR = 100  # warn if the other spelling of an answer is so many times as likely


def check_text(what: str, string: Any) -> None:
    """Raises if this is not a string, or was decoded from bytes that are not UTF-8.

    Args:
      what: what it is called in the message.
      string: what the user gave.

    Raises:
      ValueError: if so.
    """
    if not isinstance(string, str):
        raise ValueError(f"The {what} must be a string, not {type(string).__name__}.")
    if broken := re.search("[\ud800-\udfff]", string):
        raise ValueError(
            f"The {what} is not valid UTF-8: character {broken.start()} is U+{ord(broken[0]):04X}, half of a pair."
        )


def check_room(model: LanguageModel, string: str, what: str = "text") -> None:
    """Raises if a string is far too long for the model's context, without tokenising all of it.

    Some megabytes would take minutes, and a beginning that is too long is enough to know.

    Args:
      model: has the tokenizer and the context.
      string: of any length.
      what: what it is called in the message.

    Raises:
      ValueError: if it is too long.
    """
    most, seen = model.config.max_length, _DENSE * model.config.max_length
    while seen < len(string):
        tokens = len(model.encode([string[:seen]])[0])
        if tokens > most + _SLACK:
            raise ValueError(
                f"The {what} has {len(string):,} characters; the first {seen:,} of them are {tokens:,} tokens already, "
                f"more than the {most:,} of {model.name}'s context; shorten the {what}."
            )
        seen *= 2


def check_length(model: LanguageModel, length: int, what: str = "The prompt") -> None:
    """Raises if there are more tokens than the model's context holds.

    Args:
      model: has the context.
      length: in tokens.
      what: what it is called in the message.

    Raises:
      ValueError: if there are more.
    """
    if length > model.config.max_length:
        raise ValueError(
            f"{what} has {length} tokens, more than the {model.config.max_length} of {model.name}'s context; "
            "shorten it."
        )


def answer_tokens(model: LanguageModel, prompt: str, ids: Sequence[int], answer: str) -> tuple[int, ...]:
    """Tokenises an answer after its prompt, or alone if together they would change the prompt's tokens.

    Args:
      model: has the tokenizer.
      prompt: what the answer follows.
      ids: the prompt's token ids.
      answer: the string.

    Raises:
      ValueError: if it has no tokens.
    """
    check_text("answer", answer)
    check_room(model, answer, "answer")
    (whole,) = model.encode([prompt + answer])
    tokens = whole[len(ids) :] if whole[: len(ids)] == list(ids) else model.encode([answer])[0]
    if not tokens:
        raise ValueError(f"The answer {answer!r} has no tokens; give at least one character.")
    return tuple(tokens)


def check_beginnings(answers: Sequence[str], tokens: Sequence[Sequence[int]]) -> None:
    """Raises if the first answer and another begin with the same token, as their logits cannot differ.

    Args:
      answers: the strings, the right one first.
      tokens: of each answer.

    Raises:
      ValueError: if so.
    """
    for other, theirs in zip(answers[1:], tokens[1:], strict=True):
        if tokens[0][0] == theirs[0]:
            raise ValueError(
                f"The answers {answers[0]!r} and {other!r} begin with the same token, so their logits cannot differ; "
                "choose answers with different beginnings (a leading space counts)."
            )


def check_different(answers: Sequence[str], tokens: Sequence[Hashable]) -> None:
    """Raises if two answers are the same.

    Args:
      answers: the strings.
      tokens: of each, or the strings.

    Raises:
      ValueError: if so.
    """
    first = [list(tokens).index(one) for one in tokens]
    for i, j in enumerate(first):
        if j < i:
            raise ValueError(f"The answers {answers[j]!r} and {answers[i]!r} are the same; give different ones.")


def check_not_nested(answers: Sequence[str], tokens: Sequence[Sequence[int]]) -> None:
    """Raises if an answer begins another, so that whatever counts for the longer one counts for both.

    Args:
      answers: the strings.
      tokens: of each.

    Raises:
      ValueError: if so.
    """
    for one, short in zip(answers, tokens, strict=True):
        for other, long in zip(answers, tokens, strict=True):
            if one != other and tuple(long[: len(short)]) == tuple(short):
                raise ValueError(
                    f"The answer {one!r} begins the answer {other!r}, so that what is said of one counts for both; "
                    "choose others, such as A and B."
                )


def warn_of_spelling(
    model: LanguageModel, prompt: str, ids: Sequence[int], answers: Sequence[str], *, depth: int
) -> tuple[str, ...]:
    """Warns if the model would rather write an answer with a leading space that it lacks, or without the one it has.

    What is compared is the probability of the first token after the prompt.

    Args:
      model: whose spelling it is.
      prompt: what the answers follow.
      ids: its token ids.
      answers: as the user spelled them.
      depth: stack frames from `warnings.warn` to the user's call.

    Returns:
      What was warned of: a sentence, or none.

    Warns:
      UserWarning: if the other spelling is more than a hundred times as likely.
    """
    others = [answer[1:] if answer.startswith(" ") else " " + answer for answer in answers]
    others = [other if other.strip() else answer for answer, other in zip(answers, others, strict=True)]
    firsts = [answer_tokens(model, prompt, ids, spelling)[0] for spelling in (*answers, *others)]
    here, there = np.split(next_log_probabilities(model, ids, firsts), 2)
    gains = there - here
    if max(gains) <= np.log(_FAR):
        return ()
    meant = [
        other if gain > np.log(_FAR) else answer for answer, other, gain in zip(answers, others, gains, strict=True)
    ]
    at = int(np.argmax(gains))
    doubt = (
        f"The model is {np.exp(min(gains[at], 20)):,.0f} times as likely to begin with {others[at]!r} as with "
        f"{answers[at]!r}; did you mean {' and '.join(map(repr, meant))}?"
    )
    warnings.warn(doubt, stacklevel=depth)
    return (doubt,)

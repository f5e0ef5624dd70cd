"""Answers to prompts: how many of them a value needs, and their tokens in context."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from spexjax._numbers import counted
from spexjax.ablations._prompts._strings import (
    answer_tokens,
    check_beginnings,
    check_different,
    check_length,
    check_not_nested,
    check_text,
    warn_of_spelling,
)
from spexjax.models import LanguageModel

MANY = 1 << 16  # answers: no limit
WHOLE = "log-odds"  # the value that compares all tokens of several answers

Tokens = tuple[int, ...]


class Answers(NamedTuple):
    """The answers to each prompt, the right one first, and the value that is read off them."""

    value: str
    strings: tuple[tuple[str, ...], ...]
    tokens: tuple[tuple[Tokens, ...], ...]
    doubts: tuple[str, ...] = ()  # what was warned of


def read_answers(
    model: LanguageModel,
    prompts: Sequence[str],
    ids: Sequence[Sequence[int]],
    answers: str | Sequence,
    value: str | None,
    counts: Mapping[str, tuple[int, int]],
    *,
    tokens: Tokens | None = None,
    spelling: bool = True,
    depth: int,
) -> Answers:
    """Tokenises answers, and checks that they fit the prompts and the value.

    Args:
      model: answers the prompts.
      prompts: p texts.
      ids: their token ids.
      answers: one string or several, the same for all prompts; or such for each prompt.
      value: a key of `counts`; by default "log-probability" for one answer, and for several "logit-difference", or
        "log-odds" if that does not take so many.
      counts: the fewest and the most answers to a prompt that each value takes.
      tokens: of the one answer, if the model has just generated it.
      spelling: whether the model is asked how it would spell the answers.
      depth: stack frames from `warnings.warn` to the user's call.

    Warns:
      UserWarning: if an answer is far likelier with a leading space that it lacks, or without the one it has.

    Raises:
      ValueError: if an answer has no tokens, their number fits neither prompts nor value, a prompt and its answer
        exceed the context, or the first answer and another begin with the same token (for log-odds: are the same).
    """
    groups, value = check_answers(answers, value, counts, len(prompts))
    if tokens is not None:
        return Answers(value, groups, ((tokens,),))
    found = tuple(
        tuple(answer_tokens(model, prompt, before, answer) for answer in group)
        for prompt, before, group in zip(prompts, ids, groups, strict=True)
    )
    whole = value == WHOLE or len(found[0]) == 1  # of which all tokens count
    forced = [max(map(len, group)) - 1 if whole else 0 for group in found]
    check_length(model, max(len(before) + more for before, more in zip(ids, forced, strict=True)))
    for group, each in zip(groups, found, strict=True):
        if value == WHOLE:
            check_different(group, each)
            check_not_nested(group, each)
        else:
            check_beginnings(group, each)
    doubts = warn_of_spelling(model, prompts[0], ids[0], groups[0], depth=depth) if spelling else ()
    return Answers(value, groups, found, doubts if whole else doubts + _beginnings(model, groups, found))


def _beginnings(
    model: LanguageModel, groups: Sequence[tuple[str, ...]], found: Sequence[tuple[Tokens, ...]]
) -> tuple[str, ...]:
    """A sentence that answers are compared by their first tokens, if one of them has more; else none."""
    pairs = [pair for group, each in zip(groups, found, strict=True) for pair in zip(group, each, strict=True)]
    longer = [(answer, tokens) for answer, tokens in pairs if len(tokens) > 1]
    if not longer:
        return ()
    answer, tokens = longer[0]
    return (f"Answers are compared by their first tokens alone: {model.pieces(tokens)[0]!r} stands for {answer!r}.",)


def check_answers(
    answers: str | Sequence, value: str | None, counts: Mapping[str, tuple[int, int]], num_prompts: int = 1
) -> tuple[tuple[tuple[str, ...], ...], str]:
    """Checks answers as far as that needs no model.

    Args:
      answers: as in `read_answers`.
      value: as in `read_answers`.
      counts: as in `read_answers`.
      num_prompts: p.

    Returns:
      The answers to each prompt, and the value.

    Raises:
      ValueError: if their number fits neither prompts nor value, or one is no valid string or like the first.
    """
    groups = _groups(answers, num_prompts)
    value = value or _usual(len(groups[0]), counts)
    _check_counts(groups, value, counts)
    for group in groups:
        for answer in group:
            check_text("answer", answer)
        check_different(group, group)
    return groups, value


def _usual(num_answers: int, counts: Mapping[str, tuple[int, int]]) -> str:
    """The value that is read off so many answers to a prompt, if none is named."""
    if num_answers == 1:
        return "log-probability"
    return "logit-difference" if num_answers <= counts["logit-difference"][1] else WHOLE


def _groups(answers: str | Sequence, num_prompts: int) -> tuple[tuple[str, ...], ...]:
    """The answers to each prompt."""
    if not answers and not isinstance(answers, str):
        raise ValueError("Give the answers: the right one first, then those it is compared with.")
    answers = (answers,) if isinstance(answers, str) else tuple(answers)
    if not any(isinstance(group, list | tuple) for group in answers):
        return (answers,) * num_prompts
    groups = tuple(tuple(group) if isinstance(group, list | tuple) else (group,) for group in answers)
    if len(groups) != num_prompts:
        raise ValueError(f"There are {num_prompts} prompts but answers for {len(groups)}.")
    return groups


def _check_counts(groups: Sequence[tuple], value: str, counts: Mapping[str, tuple[int, int]]) -> None:
    if value not in list(counts):  # a list: what is given need not be hashable
        raise ValueError(f"The value must be one of {', '.join(counts)}, not {value!r}.")
    (least, most), found = counts[value], sorted({len(group) for group in groups})
    if len(found) > 1:
        raise ValueError(f"Give the same number of answers for each prompt; got {' and '.join(map(str, found))}.")
    if not least <= found[0] <= most:
        wanted = counted(least, "answer") if least == most else f"{least} or more answers"
        raise ValueError(f"Value {value!r} needs {wanted} to a prompt; got {found[0]}.")

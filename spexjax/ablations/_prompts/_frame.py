"""The template around an ablated text: chat markup, question and the beginning of the answer, never ablated."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spexjax.models import RAW, Conversation, Rendered, chat_template, render

STABLE_DATE = "2024-07-26"  # the date that Llama 3's own templates fall back to
_MARK, _SYSTEM = "\ue000", "\ue001"  # private-use characters that stand for the user's turn and for a system turn
_SPACED = f" \n\t{_MARK}\t\n "


@dataclasses.dataclass(frozen=True)
class Frame:
    """A prompt around any text: `opening + turn + closing`, where the turn is `before + text + after`.

    Many templates trim a turn: `strips` says whether they strip white space from its beginning and from its end. If
    nothing is left of the turn, some write a different prompt, `blank`.
    """

    opening: str
    before: str
    after: str
    closing: str
    strips: tuple[bool, bool] = (False, False)
    blank: str | None = None

    def prompt(self, text: str) -> str:
        """What the model is given for this text."""
        turn = self.before + text + self.after
        first, last = self._kept(turn)
        if first == last and self.blank is not None:
            return self.blank
        return self.opening + turn[first:last] + self.closing

    def place(self, text: str) -> tuple[int, int, int]:
        """Where the text stands in its prompt: what to add to its positions, and which of them are there (from, to)."""
        turn = self.before + text + self.after
        first, last = self._kept(turn)
        shift = len(self.opening) + len(self.before) - first
        begin = max(0, first - len(self.before))
        return shift, begin, max(begin, min(len(text), last - len(self.before)))

    def _kept(self, turn: str) -> tuple[int, int]:
        last = len(turn.rstrip()) if self.strips[1] else len(turn)
        return (last - len(turn[:last].lstrip()) if self.strips[0] else 0), last


def frame(
    tokenizer: Any,
    text: str,
    question: str | None = None,
    *,
    answer_prefix: str = "",
    system: str | None = None,
    template: str | None = "chat",
    chat_template_kwargs: Mapping[str, Any] | None = None,
    date: str = STABLE_DATE,
) -> Frame:
    """What stands around `text` in the full prompt.

    With a chat template, one user turn holds question and text and the assistant's turn begins with `answer_prefix`;
    a system turn is there only if asked for, even where the template has a default one. Without a chat template, or
    with `template=None`, the question, the text and `answer_prefix` follow each other on lines of their own.

    Args:
      tokenizer: of the model; its chat template is used where it has one.
      text: what will be ablated; the frame is checked with this text and with none.
      question: may say where the text goes with `{text}`; otherwise the text follows on a new line.
      answer_prefix: what the answer begins with.
      system: the system turn.
      template: "chat" for the model's own, None for none.
      chat_template_kwargs: variables for the chat template.
      date: "YYYY-MM-DD", for a template that asks for today's date.

    Raises:
      ValueError: if the question has more than one `{text}`, if a system turn or variables are given without a chat
        template, or if the template fails, takes too much time or memory, or changes the text.
    """
    if template not in ("chat", None):
        raise ValueError(f"The template must be 'chat', for the model's own, or None, for raw text; not {template!r}.")
    before, after = split_question(question)
    if template and chat_template(tokenizer):
        chat = _Chat(tokenizer, dict(chat_template_kwargs or {}), date)
        found = chat.frame(text, before, after, system)
        blank = None if found.blank is None else found.blank + answer_prefix
        return dataclasses.replace(found, closing=found.closing + answer_prefix, blank=blank)
    check_raw("This model" if template else "Raw text", system, chat_template_kwargs)
    return Frame(beginning(tokenizer), before, after, "\n" + answer_prefix if answer_prefix else "")


def split_question(question: str | None) -> tuple[str, str]:
    """What stands before and after the text.

    Args:
      question: as in `frame`.

    Raises:
      ValueError: if it has more than one `{text}`.
    """
    question = question or "{text}"
    if "{text}" not in question:
        question += "\n{text}"
    if question.count("{text}") > 1:
        raise ValueError("The question may contain {text} only once: it is where the text goes.")
    before, after = question.split("{text}")
    return before, after


def check_raw(kind: str, system: str | None, chat_template_kwargs: Mapping[str, Any] | None) -> None:
    """Raises if something is given that only a chat template could take.

    Args:
      kind: what has no chat template.
      system: as in `frame`.
      chat_template_kwargs: as in `frame`.

    Raises:
      ValueError: if so.
    """
    if system is not None:
        raise ValueError(f"{kind} has no chat template, so it has no system turn; put it into the question.")
    if chat_template_kwargs:
        raise ValueError(
            f"{kind} has no chat template, so there is nothing to give {', '.join(chat_template_kwargs)} to."
        )


def beginning(tokenizer: Any) -> str:
    """The beginning-of-sequence token where the tokenizer puts one."""
    first = tokenizer("", return_attention_mask=False)["input_ids"][:1]
    return tokenizer.bos_token if first == [tokenizer.bos_token_id] else ""


class _UnfitError(ValueError):
    """The template does not write a turn of this form unchanged."""


@dataclasses.dataclass(frozen=True)
class _Chat:
    """A chat template with its variables."""

    tokenizer: Any
    variables: dict
    date: str

    def frame(self, text: str, before: str, after: str, system: str | None) -> Frame:
        """Tries content as a string, then as a list of parts; if the template takes neither, the first error counts."""
        turns = [_MARK, _SPACED, before + text + after, before + after]

        def with_content(content: Callable[[str], Any]) -> Frame:
            return _frame(self._written([content(turn) for turn in turns], content, system), text, before, after)

        try:
            return with_content(lambda words: words)
        except _UnfitError as first:
            try:
                return with_content(lambda words: [{"type": "text", "text": words}])
            except _UnfitError:
                raise first from None

    def _written(self, turns: list, content, system: str | None) -> list[str]:
        """What the template writes for each user turn, with the given system turn or without any."""
        users = [[{"role": "user", "content": turn}] for turn in turns]
        if system is not None:
            head = [{"role": "system", "content": content(system)}]
            whole = self._render([(head + user, True) for user in users])
            if whole[0].error or system.strip() not in (whole[0].text or ""):
                reason = f" ({whole[0].error})" if whole[0].error else ""
                raise _UnfitError(f"This model's chat template has no system turn{reason}; put it into the question.")
            return _texts(whole)
        head = [{"role": "system", "content": content(_SYSTEM)}]
        conversations = [(head, False), *((head + user, True) for user in users), *((user, True) for user in users)]
        opening, *both = self._render(conversations)
        whole, plain = both[: len(users)], both[len(users) :]
        # A system turn is written and cut off again, because some templates insert one where there is none.
        cut, written = opening.text or "", [w.text or "" for w in whole]
        if _SYSTEM not in cut or not all(w.startswith(cut) for w in written):
            return _texts(plain)
        rests, bos = [w.removeprefix(cut) for w in written], self.tokenizer.bos_token or ""
        begins = (plain[0].text or cut).startswith(bos) and not rests[0].startswith(bos)
        return [bos + rest for rest in rests] if begins else rests

    def _render(self, conversations: Sequence[tuple[list, bool]]) -> list[Rendered]:
        jobs = [Conversation(*conversation) for conversation in conversations]
        return render(self.tokenizer, jobs, variables=self.variables, date=self.date)


def _texts(rendered: Sequence[Rendered]) -> list[str]:
    for each in rendered:
        if each.error:
            raise _UnfitError(f"The model's chat template fails ({each.error}); fix it, or {RAW}.")
    return [each.text or "" for each in rendered]


def _frame(written: Sequence[str], text: str, before: str, after: str) -> Frame:
    """The frame that reproduces what the template wrote for the mark, the mark in white space, the text, no text."""
    mark, spaced, whole, bare = written
    if mark.count(_MARK) != 1:
        what = "repeats" if _MARK in mark else "drops"
        raise _UnfitError(f"The model's chat template {what} the user's turn; fix it, or {RAW}.")
    opening, closing = mark.split(_MARK)
    for left, right in itertools.product((False, True), repeat=2):
        alone = Frame(opening, "", "", closing, (left, right))
        found = dataclasses.replace(alone, before=before, after=after)
        if found.prompt("") == opening + closing:  # nothing is left of the turn
            found = dataclasses.replace(found, blank=bare)
        if (alone.prompt(_SPACED), found.prompt(text), found.prompt("")) == (spaced, whole, bare):
            return found
    raise _UnfitError(
        "The model's chat template changes the user's turn by more than trimming it, so it cannot be ablated; "
        f"fix it, or {RAW}."
    )

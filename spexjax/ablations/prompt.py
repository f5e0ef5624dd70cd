"""The template around an ablated text: chat markup, question and the beginning of the answer, never ablated."""

from typing import Any

_MARK = "\ue000"  # a private-use character that stands for the text while the template is rendered


def around(tokenizer: Any, question: str | None, answer_prefix: str, system: str | None) -> tuple[str, str]:
    """What comes before and after the text in the full prompt.

    With a chat template, one user turn holds question and text and the assistant's turn begins with `answer_prefix`;
    a system turn is there only if asked for, even where the template has a default one. Without a chat template the
    question, the text and `answer_prefix` follow each other on lines of their own.

    Args:
      tokenizer: of the model; its chat template is used where it has one.
      question: may say where the text goes with `{text}`; otherwise the text follows on a new line.
      answer_prefix: what the answer begins with.
      system: the system turn.

    Raises:
      ValueError: if the question has more than one `{text}`, there is a system turn but no chat template, or the
        character U+E000 is in one of them.
    """
    if any(_MARK in part for part in (question or "", answer_prefix, system or "")):
        raise ValueError("Take the character U+E000 out of question, answer prefix and system turn: it marks the text.")
    question = question or "{text}"
    if "{text}" not in question:
        question += "\n{text}"
    if question.count("{text}") > 1:
        raise ValueError("The question may contain {text} only once: it is where the text goes.")
    user = question.replace("{text}", _MARK)
    if getattr(tokenizer, "chat_template", None):
        prompt = _chat(tokenizer, user, system) + answer_prefix
    elif system is not None:
        raise ValueError("This model has no chat template, so it has no system turn; put it into the question.")
    else:
        ids = tokenizer("")["input_ids"]
        prompt = (tokenizer.bos_token if ids[:1] == [tokenizer.bos_token_id] else "") + user
        prompt += "\n" + answer_prefix if answer_prefix else ""
    before, after = prompt.split(_MARK)
    return before, after


def _chat(tokenizer: Any, user: str, system: str | None) -> str:
    from jinja2 import TemplateError

    turn, marked = {"role": "user", "content": user}, {"role": "system", "content": "\ue001"}

    def render(*messages: dict, ask: bool = True) -> str:
        return tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=ask)

    if system is not None:
        try:
            whole = render({"role": "system", "content": system}, turn)
        except TemplateError:
            whole = ""
        if system.strip() not in whole:
            raise ValueError("This model's chat template has no system turn; put it into the question.")
        return whole
    plain = render(turn)
    try:  # cut off the system turn, because some templates put one in when there is none
        opening, whole = render(marked, ask=False), render(marked, turn)
    except TemplateError:
        return plain
    if "\ue001" not in opening or not whole.startswith(opening):
        return plain
    bos, rest = tokenizer.bos_token or "", whole[len(opening) :]
    return bos + rest if plain.startswith(bos) and not rest.startswith(bos) else rest

"""Renders a model's chat template in a process with bounded time and memory."""

import datetime
import functools
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spexjax.models._render_template import MEGABYTES, SECONDS, TOO_MUCH

RAW = "give template=None (--no-template) for raw text"
_SCRIPT = Path(__file__).with_name("_render_template.py")
_PATIENCE = 60  # wall-clock seconds, for systems that cannot limit CPU seconds


class Rendered(NamedTuple):
    """What a template writes for one conversation, or why it fails."""

    text: str | None
    error: str | None


class Conversation(NamedTuple):
    """Messages, and whether the template is asked to begin the assistant's turn."""

    messages: Sequence[Mapping[str, Any]]
    ask: bool = True


def chat_template(tokenizer: Any) -> str | None:
    """The tokenizer's chat template, the one named "default" of several; None if it has none.

    Raises:
      ValueError: if it has several without a default, or the template is not a string.
    """
    template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, Mapping):
        if "default" not in template:
            raise ValueError(
                f"The model has chat templates named {', '.join(map(repr, template))} and no default one; set "
                "model.tokenizer.chat_template to one of them, or give template=None for raw text."
            )
        template = template["default"]
    if not isinstance(template, str | None):
        raise ValueError(f"The model's chat template is a {type(template).__name__}, not a string; see its tokenizer.")
    return template or None


def render(
    tokenizer: Any, conversations: Sequence[Conversation], *, variables: Mapping[str, Any], date: str
) -> list[Rendered]:
    """Renders conversations as `tokenizer.apply_chat_template` does, in one process with bounded time and memory.

    Args:
      tokenizer: has a chat template, and the special tokens that it may write.
      conversations: to render.
      variables: of the template, such as `enable_thinking=False`.
      date: "YYYY-MM-DD", for a template that asks for today's date.

    Raises:
      ValueError: if the template takes too much time or memory, or does not know one of the variables.
    """
    try:
        given = json.dumps(dict(variables))
    except (TypeError, ValueError) as error:
        raise ValueError(f"The variables of a chat template must be JSON values: {error}.") from error
    if clash := sorted({"messages", "add_generation_prompt"} & set(variables)):
        raise ValueError(f"The chat template's variable {clash[0]!r} is set by spexjax; leave it out.")
    try:
        datetime.date.fromisoformat(date)
    except (TypeError, ValueError):
        raise ValueError(f"The date must be a string such as '2024-07-26', not {date!r}.") from None
    tokens = {
        name: list(map(str, token)) if isinstance(token, list | tuple) else str(token)
        for name, token in tokenizer.special_tokens_map.items()
    }
    jobs = json.dumps([[list(map(dict, c.messages)), c.ask] for c in conversations])
    unknown, results = _run(chat_template(tokenizer), json.dumps(tokens), given, jobs, date)
    if unknown:
        raise ValueError(f"The model's chat template has no variable {unknown[0]!r}, so it would change nothing.")
    return [Rendered(result.get("text"), result.get("error")) for result in results]


@functools.lru_cache(maxsize=64)
def _run(template: str, tokens: str, given: str, jobs: str, date: str) -> tuple[list[str], list[dict]]:
    variables = json.loads(given)
    request = {
        "path": list(map(str, sys.path)),
        "template": template,
        "variables": {**json.loads(tokens), **variables},
        "today": date,
        "jobs": json.loads(jobs),
        "limit": 1_000_000 + 2 * len(jobs),
    }
    command = [sys.executable, "-I", "-S", str(_SCRIPT)]
    options: dict[str, Any] = {"input": json.dumps(request), "capture_output": True, "text": True, "timeout": _PATIENCE}
    try:
        done = subprocess.run(command, **options)
    except subprocess.TimeoutExpired:
        done = None
    except OSError as error:
        raise ValueError(f"The model's chat template needs a process of its own, which fails: {error}.") from error
    if done is None or done.returncode < 0 or done.returncode == TOO_MUCH:
        raise ValueError(
            f"The model's chat template takes more than {SECONDS} s or {MEGABYTES} MB to render, which no template "
            f"should; {RAW}."
        )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ValueError(f"The model's chat template cannot be rendered ({reason}); {RAW}.")
    answer = json.loads(done.stdout)
    return [name for name in answer["unknown"] if name in variables], answer["results"]

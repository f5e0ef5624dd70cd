"""The options of `service`, checked before anything is asked."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from spexjax._identity import named_identity
from spexjax.ablations._prompts._frame import Frame, split_question
from spexjax.ablations._prompts._strings import check_text
from spexjax.ablations._service._asking import Settings
from spexjax.ablations._service._client import base_of, check_installed, key_in
from spexjax.ablations._service._endpoint import PATHS, Asked, Endpoint, address
from spexjax.ablations._service._reading import Judged, Reading, Shares, TopTokens, check_shares, check_top
from spexjax.ablations._service._retry import Backoff
from spexjax.ablations._service._tally import Price


class Options(NamedTuple):
    """What is asked of the model."""

    question: str | None
    answers: str | Sequence[str] | None
    value: str | None
    system: str | None
    answer_prefix: str
    samples: int | None
    judge: Callable[[str], float] | None
    top: int | None
    max_tokens: int | None
    temperature: float | None


def endpoint_of(url: Any, model: str, kind: str | None, system: str | None, body: Mapping[str, Any] | None) -> Endpoint:
    """Where requests go, and what all of them hold.

    Args:
      url: as in `service`, like all that follow.
      model: its name.
      kind: "chat" or "completions".
      system: the system turn.
      body: further fields.

    Raises:
      ImportError: if httpx is not installed.
      ValueError: if one of them is not as it must be.
    """
    check_installed()
    check_text("model's name", model)
    if not model.strip():
        raise ValueError("The model's name is empty; give the name that the service knows, such as 'gpt-4o-mini'.")
    base, named = address(url if isinstance(url, str) else base_of(url))
    kind = kind or named or "chat"
    if kind not in PATHS:
        raise ValueError(f"The endpoint of a service must be one of {', '.join(PATHS)}, not {kind!r}.")
    if system is not None and kind != "chat":
        raise ValueError("Completions have no system turn; put it into the question.")
    if system is not None:
        check_text("system turn", system)
    try:
        json.dumps(body)
    except (TypeError, ValueError):
        raise ValueError("The body of a request takes fields of JSON values only.") from None
    return Endpoint(base, kind, model, system, dict(body or {}))


def frame_of(kind: str, options: Options) -> Frame:
    """What stands around the text.

    Args:
      kind: of endpoint.
      options: of `service`.

    Raises:
      ValueError: if a chat is to begin its answer, or the question has more than one `{text}`.
    """
    if options.answer_prefix and kind == "chat":
        raise ValueError("A chat begins its answer itself: ask for its form in the question, without answer_prefix.")
    for what, string in (("question", options.question or ""), ("answer prefix", options.answer_prefix)):
        check_text(what, string)
    before, after = split_question(options.question)
    return Frame("", before, after, "\n" + options.answer_prefix if options.answer_prefix else "")


def reading_of(kind: str, options: Options, name: str | None) -> Reading:
    """How values are read off replies.

    Args:
      kind: of endpoint.
      options: of `service`.
      name: the fingerprint that the user gave.

    Raises:
      ValueError: if the options do not fit each other.
    """
    samples = 1 if options.samples is None else _whole("samples", options.samples)
    usual = 256 if options.judge is not None else 16 if options.samples is not None else 1
    longest = usual if options.max_tokens is None else _whole("max_tokens", options.max_tokens)
    heat = options.temperature if options.temperature is not None else float(samples > 1)
    if not 0 <= heat < math.inf:
        raise ValueError(f"The temperature is a number, 0 or more; got {heat!r}.")
    asked = Asked(longest, float(heat), samples=samples)
    if options.top is not None and (options.judge is not None or options.samples is not None):
        raise ValueError("top= is for log-probabilities; leave it out with samples or a judge.")
    if options.judge is not None:
        if not callable(options.judge) or options.answers is not None or options.value is not None:
            raise ValueError("judge= is a function of an answer's text, in place of answers and value.")
        called = str(getattr(options.judge, "__name__", type(options.judge).__name__))
        return Judged(asked, called, options.judge, named_identity(options.judge, name))
    if options.answers is None:
        raise ValueError("Give the answers to compare, or judge=, a function of the answer's text.")
    if options.samples is not None:
        answers, value = check_shares(options.answers, options.value)
        return Shares(asked, value, answers)
    answers, value = check_top(options.answers, options.value)
    top = (20 if kind == "chat" else 5) if options.top is None else _whole("top", options.top)
    return TopTokens(asked._replace(top=top), value, answers)


def settings_of(
    client: Any,
    key_env: str | None,
    at_once: int,
    rate: float | None,
    timeout: float,
    tries: int,
    price: Sequence[float] | None,
    max_cost: float | None,
) -> Settings:
    """How a service is asked.

    Args:
      client: of the user.
      key_env: as in `service`, like all that follow.
      at_once: asks.
      rate: asks per second.
      timeout: seconds.
      tries: of a prompt.
      price: per million tokens.
      max_cost: of all.

    Raises:
      ValueError: if one of them is not as it must be.
    """
    key_in(key_env)
    for what, number in (("rate", rate), ("timeout", timeout), ("max_cost", max_cost)):
        if number is not None and not (isinstance(number, int | float) and 0 < number < math.inf):
            raise ValueError(f"{what} is a number greater than 0; got {number!r}.")
    paid = None
    if price is not None:
        try:
            paid = Price(*map(float, price))
        except (TypeError, ValueError):
            raise ValueError("price is two numbers: of a million prompt tokens, of a million answer tokens.") from None
        if not all(0 <= each < math.inf for each in paid):
            raise ValueError(f"price is two numbers, 0 or more; got {tuple(paid)}.")
    if max_cost is not None and paid is None:
        raise ValueError("max_cost needs price=, of a million prompt tokens and of a million answer tokens.")
    backoff = Backoff(_whole("tries", tries))
    return Settings(client, key_env, _whole("at_once", at_once), timeout, backoff, paid, max_cost)


def _whole(what: str, number: Any) -> int:
    if not isinstance(number, int | np.integer) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{what} is a whole number, at least 1; got {number!r}.")
    return int(number)

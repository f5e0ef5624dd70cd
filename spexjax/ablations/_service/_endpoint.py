"""An OpenAI-compatible endpoint: where it is, what a request holds, and what its answer says."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from spexjax.ablations._service._client import RefusedError
from spexjax.ablations._service._retry import AgainError

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
_ROUNDING = 0.01  # by which a service may exceed the log-probability of certainty
_NOTHING = -9998.0  # log-probabilities below are a service's way to say that it has none


class Reply(NamedTuple):
    """What a service answers to one request."""

    texts: tuple[str, ...]  # of its choices
    top: tuple[tuple[str, float], ...] | None  # likeliest first tokens of the first choice, with log-probabilities
    prompt_tokens: int
    answer_tokens: int


class Asked(NamedTuple):
    """What every request asks for, besides the prompt."""

    max_tokens: int
    temperature: float
    top: int | None = None  # log-probabilities of so many tokens
    samples: int = 1


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One model at one address.

    Attributes:
      base: the address, such as "https://api.example.com/v1"; "" for a client that has one.
      kind: "chat" or "completions".
      model: its name there.
      system: the system turn of a chat.
      body: further fields of every request; None takes a field out.
    """

    base: str
    kind: str
    model: str
    system: str | None
    body: Mapping[str, Any]

    @property
    def url(self) -> str:
        """Where requests go."""
        return self.base + PATHS[self.kind]

    @property
    def host(self) -> str:
        """What the address is called in errors and records."""
        return urlsplit(self.base).netloc or "the client's service"

    def request(self, prompt: str, asked: Asked) -> dict[str, Any]:
        """The body of a request.

        Args:
          prompt: what the model is given.
          asked: what is wanted.
        """
        fields: dict[str, Any] = {"model": self.model, "max_tokens": asked.max_tokens, "temperature": asked.temperature}
        if self.kind == "chat":
            head = [] if self.system is None else [{"role": "system", "content": self.system}]
            fields["messages"] = [*head, {"role": "user", "content": prompt}]
            fields |= {"logprobs": True, "top_logprobs": asked.top} if asked.top else {}
        else:
            fields["prompt"] = prompt
            fields |= {"logprobs": asked.top} if asked.top else {}
        fields |= {"n": asked.samples} if asked.samples > 1 else {}
        return {key: value for key, value in {**fields, **self.body}.items() if value is not None}

    def reply(self, answer: Any) -> Reply:
        """What an answer's JSON says.

        Args:
          answer: the JSON.

        Raises:
          AgainError: if it is not what the protocol says.
          RefusedError: if it gives log-probabilities above 0.
        """
        try:
            choices, usage = answer["choices"], answer.get("usage") or {}
            texts = tuple(self._text(choice) for choice in choices)
            top = self._top(choices[0].get("logprobs")) if choices else None
            return Reply(texts, top, int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            raise AgainError("malformed answer") from None

    def _text(self, choice: Mapping[str, Any]) -> str:
        text = (choice["message"].get("content") or "") if self.kind == "chat" else choice["text"]
        if not isinstance(text, str):
            raise TypeError
        return text

    def _top(self, logprobs: Any) -> tuple[tuple[str, float], ...] | None:
        """Of the first token; None where there are no log-probabilities."""
        if not logprobs:
            return None
        if self.kind == "chat":
            first = (logprobs.get("content") or [{}])[0].get("top_logprobs") or []
            pairs = [(each["token"], each["logprob"]) for each in first]
        else:
            pairs = list(((logprobs.get("top_logprobs") or [{}])[0] or {}).items())
        found = [(str(token), float(p)) for token, p in pairs if p is not None]
        if any(p > _ROUNDING for _, p in found):
            raise RefusedError("gives log-probabilities above 0; take samples= or judge=, which need none")
        return tuple((token, p) for token, p in found if math.isfinite(p) and p > _NOTHING) or None


def address(url: str) -> tuple[str, str | None]:
    """The base of a service's URL, and the kind of endpoint if the URL names one.

    Args:
      url: such as "https://api.example.com/v1", with or without "/chat/completions".

    Raises:
      ValueError: if it is no http or https address, or has a user, a password or a query, which may be secret.

    >>> address("http://localhost:8000/v1/"), address("http://localhost/v1/completions")
    (('http://localhost:8000/v1', None), ('http://localhost/v1', 'completions'))
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine:
        raise ValueError("The URL of a service is like https://api.example.com/v1; the one given is not.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(
            "The URL of a service has no user, password or query, which would be kept in records: put the key into an "
            "environment variable, and its name into key_env."
        )
    base = url.rstrip("/")
    for kind, path in PATHS.items():
        if base.endswith(path):
            return base.removesuffix(path), kind
    return base, None

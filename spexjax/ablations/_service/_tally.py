"""What asking a service has taken so far: asks, retries and failures by reason, tokens and cost."""

import collections
import dataclasses
from typing import Any, NamedTuple

from spexjax._numbers import counted

_BYTES = 3  # of a prompt per token: fewer than in most texts, so that an estimate is rarely too low
_AROUND = 16  # tokens of chat markup
_MILLION = 1e6


class Price(NamedTuple):
    """In one currency, per million tokens."""

    prompt: float
    answer: float

    def of(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What so many tokens cost."""
        return (self.prompt * prompt_tokens + self.answer * answer_tokens) / _MILLION


class Estimate(NamedTuple):
    """What asking will take, before the first ask: tokens are estimated from the bytes of the prompts.

    Attributes:
      asks: how many prompts are sent.
      prompt_tokens: of all of them.
      answer_tokens: at most.
      cost: at the price that was given; None without one.
    """

    asks: int
    prompt_tokens: int
    answer_tokens: int
    cost: float | None

    def __str__(self) -> str:
        cost = "" if self.cost is None else f", about {self.cost:.4g}"
        return f"{counted(self.asks, 'ask')}, about {self.prompt_tokens + self.answer_tokens:,} tokens{cost}"


def estimate(prompts: list[str], answer_tokens: int, price: Price | None) -> Estimate:
    """What it will take to have these prompts answered.

    Args:
      prompts: all that will be sent.
      answer_tokens: the most for each.
      price: if known.
    """
    given = sum(-(-len(prompt.encode()) // _BYTES) + _AROUND for prompt in prompts)
    spent = answer_tokens * len(prompts)
    return Estimate(len(prompts), given, spent, None if price is None else price.of(given, spent))


@dataclasses.dataclass
class Tally:
    """Counts of one process; its `str` is a sentence.

    Attributes:
      asks: requests sent, those included that were sent again.
      answered: prompts that have their answer.
      retried: requests that were sent again, by the reason.
      failed: prompts that were given up, by the reason.
      bounded: prompts of which an answer was not among the top tokens.
      prompt_tokens: as the service counts them.
      answer_tokens: the same.
    """

    asks: int = 0
    answered: int = 0
    retried: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    failed: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    bounded: int = 0
    prompt_tokens: int = 0
    answer_tokens: int = 0

    def record(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {**dataclasses.asdict(self), "retried": dict(self.retried), "failed": dict(self.failed)}

    def cost(self, price: Price | None) -> float:
        """What has been spent, by the tokens that the service counted; 0 without a price."""
        return 0.0 if price is None else price.of(self.prompt_tokens, self.answer_tokens)

    def __str__(self) -> str:
        said = f"{counted(self.answered, 'answer')} by {counted(self.asks, 'ask')}"
        for what, reasons in (("sent again", self.retried), ("given up", self.failed)):
            if reasons:
                said += f"; {reasons.total():,} {what} ({', '.join(f'{k} {v:,}' for k, v in reasons.most_common())})"
        return said

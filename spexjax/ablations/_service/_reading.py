"""From what a service answers to values: log-probabilities of top tokens, shares of samples, or a judge's numbers."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from spexjax.ablations._prompts._answers import MANY, check_answers
from spexjax.ablations._service._endpoint import Asked, Reply

TOP_VALUES = {"logit-difference": (2, 2), "log-probability": (1, 1), "log-odds": (1, MANY)}  # the answers each takes
SHARE_VALUES = {"share-difference": (2, 2), "share": (1, MANY)}


class Read(NamedTuple):
    """The values of one prompt."""

    values: list[float]
    bounded: bool = False  # whether an answer was not among the top tokens


class NoLogProbabilitiesError(Exception):
    """The service answers without them."""


@dataclasses.dataclass(frozen=True)
class TopTokens:
    """Log-probabilities of answers by the first token: of those top tokens that begin this answer, and no other one."""

    asked: Asked
    value: str
    answers: tuple[str, ...]

    @property
    def identity(self) -> list[Any]:
        """What is asked, and how it is read."""
        return ["top", self.asked, self.value, self.answers]

    @property
    def several(self) -> bool:
        """Log-odds of a set have a value for each answer."""
        return self.value == "log-odds" and len(self.answers) > 1

    def read(self, reply: Reply) -> Read:
        """An answer that no top token begins counts as likely as the least of them.

        Args:
          reply: of the service.

        Raises:
          NoLogProbabilitiesError: if it has none.
        """
        if reply.top is None:
            raise NoLogProbabilitiesError
        owners = [begun(token, self.answers) for token, _ in reply.top]
        of_each = [[p for (_, p), owner in zip(reply.top, owners, strict=True) if owner == i] for i in self._numbers]
        least = min(p for _, p in reply.top)
        scores = np.array([logsumexp(found) if found else least for found in of_each])
        return Read(self._values(scores), not all(of_each))

    @property
    def _numbers(self) -> range:
        return range(len(self.answers))

    def _values(self, scores: np.ndarray) -> list[float]:
        if self.value == "logit-difference":
            return [float(scores[0] - scores[1])]
        if self.value == "log-probability":
            return [float(scores[0])]
        if not self.several:
            p = min(float(scores[0]), -1e-9)  # finite where a service rounds to certainty
            return [p - math.log(-math.expm1(p))]
        return [float(scores[i] - logsumexp(np.delete(scores, i))) for i in self._numbers]


@dataclasses.dataclass(frozen=True)
class Shares:
    """The share of samples that begin with an answer, whatever the case; of two answers the difference of shares."""

    asked: Asked
    value: str
    answers: tuple[str, ...]

    @property
    def identity(self) -> list[Any]:
        """What is asked, and how it is read."""
        return ["shares", self.asked, self.value, self.answers]

    @property
    def several(self) -> bool:
        """Shares of a set have a value for each answer."""
        return self.value == "share" and len(self.answers) > 1

    def read(self, reply: Reply) -> Read:
        """Counts the samples.

        Args:
          reply: of the service.
        """
        said = [answered(text, self.answers) for text in reply.texts]
        shares = [said.count(i) / len(said) for i in range(len(self.answers))]
        return Read([shares[0] - shares[1]] if self.value == "share-difference" else shares)


@dataclasses.dataclass(frozen=True)
class Judged:
    """The mean over samples of the number that a function gives for an answer's text."""

    asked: Asked
    value: str
    judge: Callable[[str], float]
    judge_identity: str
    answers: tuple[str, ...] = ()
    several: bool = False

    @property
    def identity(self) -> list[Any]:
        """What is asked, and how it is read."""
        return ["judge", self.asked, self.value, self.judge_identity]

    def read(self, reply: Reply) -> Read:
        """Asks the judge.

        Args:
          reply: of the service.

        Raises:
          ValueError: if the judge does not give a number.
        """
        given = [self.judge(text) for text in reply.texts]
        try:
            number = float(np.mean([float(each) for each in given]))
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"The judge {self.value} must give a finite number for each answer.")
        return Read([number])


Reading = TopTokens | Shares | Judged


def begun(token: str, answers: Sequence[str]) -> int | None:
    """The answer that a token begins, white space before both aside; None if it begins none, or several.

    Args:
      token: as the service writes it.
      answers: the strings.

    >>> [begun(token, ("Yes", "No", "Not sure")) for token in (" Yes", "Ye", "N", "no", "")]
    [0, 0, None, None, None]
    """
    bare = token.lstrip()
    fitting = [i for i, answer in enumerate(answers) if bare and answer.lstrip().startswith(bare)]
    return fitting[0] if len(fitting) == 1 else None


def answered(text: str, answers: Sequence[str]) -> int | None:
    """The answer that a text begins with as a whole word, whatever the case; the longest, if there are several.

    Args:
      text: a sample.
      answers: the strings.

    >>> [answered(text, ("no", "not sure")) for text in ("No.", "Not sure!", "None")]
    [0, 1, None]
    """
    said = text.strip().strip("\"'*").casefold()
    wanted = [answer.strip().casefold() for answer in answers]
    fitting = [i for i, each in enumerate(wanted) if said.startswith(each) and not said[len(each) :][:1].isalnum()]
    return max(fitting, key=lambda i: len(wanted[i])) if fitting else None


def check_top(answers: Sequence[str], value: str | None) -> tuple[tuple[str, ...], str]:
    """Checks answers whose first tokens are compared.

    Args:
      answers: the strings.
      value: a key of `TOP_VALUES`; None for the usual one.

    Returns:
      The answers and the value.

    Raises:
      ValueError: as `ablations.text`, or if one answer begins another.
    """
    (found,), value = check_answers(answers, value, TOP_VALUES)
    for i, one in enumerate(found):
        for j, other in enumerate(found):
            if i != j and other.lstrip().startswith(one.lstrip()):
                raise ValueError(
                    f"The answer {one!r} begins the answer {other!r}, so that first tokens do not tell them apart; "
                    "choose others, such as A and B."
                )
    return found, value


def check_shares(answers: Sequence[str], value: str | None) -> tuple[tuple[str, ...], str]:
    """Checks answers that samples are counted by.

    Args:
      answers: the strings.
      value: a key of `SHARE_VALUES`; None for the usual one.

    Returns:
      The answers and the value.

    Raises:
      ValueError: as `ablations.text`.
    """
    two = not isinstance(answers, str) and len(answers) == 2
    (found,), value = check_answers(answers, value or ("share-difference" if two else "share"), SHARE_VALUES)
    return found, value

"""When a request is sent again, and after how long."""

import dataclasses
import email.utils
import random
import time

AGAIN = {408: "time-out", 409: "conflict", 425: "too early", 429: "limited"}  # and every 5xx


class AgainError(Exception):
    """A request that may succeed if it is sent again.

    Args:
      reason: in a word or two, for the summary.
      wait: how long the service asks to wait, in seconds; None if it does not say.
    """

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.reason, self.wait = reason, wait


@dataclasses.dataclass(frozen=True)
class Backoff:
    """Waits `u * min(longest, first * 2^i)` before the i-th repetition, u uniform in [1/2, 1], or as the service says.

    Attributes:
      tries: how often a request is sent at most.
      first: seconds.
      longest: seconds.
    """

    tries: int
    first: float = 0.5
    longest: float = 30.0

    def wait(self, repetition: int, asked: float | None) -> float:
        """Seconds before the request is sent again.

        Args:
          repetition: 0 for the first.
          asked: what the service asks for; it is never undercut.
        """
        jitter = random.uniform(0.5, 1)
        return max(asked or 0.0, jitter * min(self.longest, self.first * 2.0 ** min(repetition, 60)))


def retry_after(header: str | None, now: float | None = None) -> float | None:
    """The seconds of a Retry-After header, which holds a number or a date; None if it holds neither.

    Args:
      header: its content, if there is one.
      now: seconds since the epoch; by default now.

    >>> retry_after("1.5"), retry_after("Thu, 01 Jan 1970 00:01:00 GMT", now=50.0), retry_after("soon")
    (1.5, 10.0, None)
    """
    if not header:
        return None
    try:
        seconds = float(header)
        return seconds if 0 <= seconds < float("inf") else None
    except ValueError:
        pass
    try:
        at = email.utils.parsedate_to_datetime(header).timestamp()
    except (ValueError, TypeError):
        return None
    return max(0.0, at - (time.time() if now is None else now))

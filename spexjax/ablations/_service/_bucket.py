"""A token bucket: how often a service may be asked."""

import asyncio
import time


class Bucket:
    """Lets through `rate` asks a second on average, and up to one second's worth at once; None lets all through.

    Args:
      rate: asks per second.
    """

    def __init__(self, rate: float | None):
        self._rate = rate
        self._most = max(1.0, rate or 1.0)
        self._tokens, self._at = self._most, time.monotonic()
        self._closed_until = 0.0

    async def take(self) -> None:
        """Waits until an ask may be sent."""
        while (wait := self._wait(time.monotonic())) > 0:
            await asyncio.sleep(wait)
        self._tokens -= 1

    def close(self, seconds: float) -> None:
        """Lets nothing through for a while, as the service has asked.

        Args:
          seconds: from now.
        """
        self._closed_until = max(self._closed_until, time.monotonic() + seconds)

    def _wait(self, now: float) -> float:
        if now < self._closed_until:
            return self._closed_until - now
        if self._rate is None:
            return 0.0
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        return (1 - self._tokens) / self._rate if self._tokens < 1 else 0.0

"""How long JAX compiles while a block runs: tracing, lowering, and XLA's work or reading its result from a disk."""

import contextlib
import time
from collections.abc import Iterator

import jax

_COMPILING = "/jax/core/compile/"  # how the names of JAX's events for tracing, lowering and compiling begin


class Compiling:
    """The stretches of time in which a program was being compiled, on any thread."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._stretches: list[tuple[float, float]] = []

    @property
    def seconds(self) -> float:
        """The time that the stretches cover; they overlap, for a program is traced while the one around it is."""
        total, end = 0.0, self._start
        for first, last in sorted(self._stretches):
            total += max(0.0, last - max(first, end))
            end = max(end, last)
        return total

    def add(self, seconds: float) -> None:
        """Adds a stretch that ends now.

        Args:
          seconds: its length.
        """
        now = time.perf_counter()
        self._stretches.append((now - seconds, now))


@contextlib.contextmanager
def compiling() -> Iterator[Compiling]:
    """Watches the block; `seconds` may be read during it and afterwards.

    >>> with compiling() as watch:
    ...     _ = jax.jit(lambda x: x + 41)(1)
    >>> watch.seconds > 0
    True
    """
    watch = Compiling()
    _watching.append(watch)
    try:
        yield watch
    finally:
        _watching.remove(watch)


def add_stretch(seconds: float) -> None:
    """Tells everyone who watches of a stretch that ends now.

    Args:
      seconds: its length.
    """
    for watch in tuple(_watching):
        watch.add(seconds)


_watching: list[Compiling] = []


def _heard(event: str, duration_secs: float, **_: str | int) -> None:
    if event.startswith(_COMPILING):
        add_stretch(duration_secs)


jax.monitoring.register_event_duration_secs_listener(_heard)  # once, on import

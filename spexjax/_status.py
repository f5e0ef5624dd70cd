"""Says what a long computation is at: a line on standard error for every phase of more than half a second."""

import contextlib
import dataclasses
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from spexjax._compiling import compiling

_PATIENCE = 0.5  # seconds without a word


@dataclasses.dataclass
class Spent:
    """What a phase has taken, once it has ended.

    Attributes:
      seconds: without compiling.
      compile_seconds: of tracing and compiling programs, or reading them from a disk.
    """

    seconds: float = 0.0
    compile_seconds: float = 0.0

    def __str__(self) -> str:
        compiled = f", of which {self.compile_seconds:.1f} s compiling" if self.compile_seconds >= 0.05 else ""
        return f"{self.seconds + self.compile_seconds:.1f} s{compiled}"


@contextlib.contextmanager
def phase(name: str, enabled: bool | None = None) -> Iterator[Spent]:
    """Measures the block, and says its name after half a second and what it took at its end.

    Args:
      name: what the block does, such as "fit".
      enabled: True or False; None says it on a terminal and in a notebook only.

    >>> with phase("fit", enabled=False) as fit:
    ...     _ = sum(range(10))
    >>> fit.seconds > 0, fit.compile_seconds
    (True, 0.0)
    """
    spent, start, stream, timer = Spent(), time.perf_counter(), sys.stderr, None
    watched = is_watched(enabled)
    if watched and _overwrites():
        timer = threading.Timer(_PATIENCE, _write, [stream, f"{name} ..."])
        timer.daemon = True
        timer.start()
    with compiling() as watch:
        try:
            yield spent
        finally:
            if timer is not None:  # nothing is written behind the back of what follows
                timer.cancel()
                timer.join()
            passed = time.perf_counter() - start
            spent.compile_seconds = min(watch.seconds, passed)
            spent.seconds = passed - spent.compile_seconds
            if watched and passed >= _PATIENCE:
                _write(stream, ("\r" if timer is not None else "") + f"{name} {spent}\n")


def seconds_of(fitting: Spent) -> dict[str, float]:
    """The seconds of a fit alone, as a provenance holds them.

    Args:
      fitting: the phase.
    """
    return {"compile": round(fitting.compile_seconds, 3), "fit": round(fitting.seconds, 3)}


def is_watched(enabled: bool | None = None) -> bool:
    """Whether progress is shown: as it is asked for, or else if a terminal or a notebook shows standard error.

    Args:
      enabled: what was asked for; None if nothing was.
    """
    return _overwrites() if enabled is None else enabled


def in_notebook() -> bool:
    """Whether this is a notebook's kernel, as in Jupyter and Colab. IPython is not imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return any(cls.__name__ == "ZMQInteractiveShell" for cls in type(shell).__mro__)  # Colab's is a subclass


def _overwrites() -> bool:
    """Whether a line of standard error can be written over."""
    return sys.stderr is not None and not sys.stderr.closed and (sys.stderr.isatty() or in_notebook())


def _write(stream: Any, text: str) -> None:
    """Writes at once; a stream that takes nothing any more is no reason to fail."""
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.write(text)
            stream.flush()

"""What a sweep is at: a table that is written over on a terminal, a line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from spexjax._numbers import counted
from spexjax._status import is_watched

_EVERY = 10.0  # seconds between lines
Show = Callable[[Sequence[dict[str, Any]], int], None]  # rows that were made, and how many stay as they are


class _State:
    """What has been done since the start."""

    def __init__(self, total: int, whole: int):
        self.total, self.whole, self.start = total, whole, time.perf_counter()
        self.done, self.failed, self.kept, self.written = 0, 0, 0, 0.0
        self.groups: dict[tuple[str, str, int], list[float]] = {}  # done, failures, and R2: how many and their sum

    def add(self, rows: Sequence[dict[str, Any]], kept: int) -> None:
        self.kept += kept
        for row in rows:
            group = self.groups.setdefault((row["model"], row["method"], row["budget"]), [0, 0, 0, 0.0])
            known = not row["error"] and bool(np.isfinite(row["r2"]))
            for i, more in enumerate((1, bool(row["error"]), known, row["r2"] if known else 0.0)):
                group[i] += more
        self.done += len(rows)
        self.failed += sum(bool(row["error"]) for row in rows)

    def line(self) -> str:
        """All in one line."""
        passed, kept = time.perf_counter() - self.start, self.kept + self.whole - self.total
        made = self.total - self.kept  # in the end
        left = passed / self.done * (made - self.done) if self.done else 0.0
        before = f" (and {kept:,} before)" if kept else ""
        failed = f", {counted(self.failed, 'failure')}" if self.failed else ""
        return f"{self.done:,} of {made:,} explanations{before}{failed}, {passed:,.0f} s, about {left:,.0f} s left"

    def table(self) -> Any:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, title=Text(self.line()), title_justify="left")
        for name in ("model", "method", "budget", "done", "failed", "mean R²"):
            table.add_column(name, justify="left" if name in ("model", "method") else "right")
        for (model, method, budget), (done, failed, known, total) in sorted(self.groups.items()):
            mean = f"{total / known:.3f}" if known else ""
            table.add_row(*map(Text, (model, method, f"{budget:,}", f"{done:,.0f}", f"{failed:,.0f}", mean)))
        return table


@contextlib.contextmanager
def live_table(total: int, whole: int, enabled: bool | None = None) -> Iterator[Show]:
    """Shows on standard error what is done.

    Args:
      total: explanations to make, or to hold against model and lens.
      whole: those of the sweep, with what was done before.
      enabled: None shows it only on a terminal and in a notebook; True elsewhere writes a line every ten seconds.
    """
    if not is_watched(enabled) or not total:
        yield lambda rows, kept: None
        return
    state = _State(total, whole)
    if not is_watched():
        yield lambda rows, kept: _write_line(state, rows, kept)
        return
    from rich.console import Console
    from rich.live import Live

    with Live(state.table(), console=Console(stderr=True), refresh_per_second=2, transient=True) as screen:

        def show(rows: Sequence[dict[str, Any]], kept: int) -> None:
            state.add(rows, kept)
            screen.update(state.table())

        yield show


def _write_line(state: _State, rows: Sequence[dict[str, Any]], kept: int) -> None:
    state.add(rows, kept)
    now = time.perf_counter()
    if sys.stderr is not None and (now - state.written >= _EVERY or state.done + state.kept == state.total):
        state.written = now
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{state.line()}\n")
            sys.stderr.flush()

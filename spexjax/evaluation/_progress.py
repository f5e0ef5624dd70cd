"""A progress bar for ablations, with their rate and the time left."""

import contextlib
from collections.abc import Callable, Iterator
from importlib.util import find_spec

from spexjax._status import in_notebook, is_watched

Report = Callable[[int, int], None]  # (masks done since the last report, masks in all)


@contextlib.contextmanager
def progress_bar(enabled: bool | None = None, what: str = "ablations", unit: str = "masks") -> Iterator[Report]:
    """Shows a bar on standard error with the rate and the time left.

    Args:
      enabled: True or False; None shows it only on a terminal and in a notebook.
      what: the name of the bar.
      unit: what is counted.
    """
    if not is_watched(enabled):
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    class Rate(progress.ProgressColumn):
        def render(self, task: progress.Task) -> str:
            return f"{task.finished_speed or task.speed or 0:,.1f} {unit}/s"

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        Rate(),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    plain = True if in_notebook() and find_spec("ipywidgets") is None else None  # rich's bar for notebooks is a widget
    console = Console(stderr=True, force_terminal=plain, force_jupyter=False if plain else None)
    with progress.Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, total=total, advance=done)

        yield report

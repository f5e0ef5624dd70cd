"""The page of a sweep: its summary, curves with bands, and a table that links the page of each explanation."""

from pathlib import Path

import numpy as np

from spexjax.evaluation import progress_bar
from spexjax.explanation import load
from spexjax.report import write_html, write_sweep
from spexjax.sweep._folder import Folder
from spexjax.sweep._picture import curves
from spexjax.sweep._summary import GROUP_BY, Group, summarise


def write_page(folder: str | Path, *, pages: bool = True, progress: bool | None = None) -> Path:
    """Writes report.html, and a page for every explanation that has none yet.

    Args:
      folder: of the sweep, finished or not.
      pages: whether to write those that are missing; the table links the others.
      progress: show a progress bar for them.

    Returns:
      The path of report.html.

    Raises:
      ValueError: if there is no sweep.
    """
    place = Folder(folder)
    rows, grid = place.rows(), place.manifest()["grid"]
    files = {row["id"]: place.explanation(row["id"]) / "explanation.html" for row in rows if not row["error"]}
    missing = [row for row in rows if row["id"] in files and not files[row["id"]].is_file()] if pages else []
    with progress_bar(progress if missing else False, "pages", "pages") as report:
        for row in missing:
            try:
                explanation = load(place.explanation(row["id"]))
            except ValueError as error:
                raise ValueError(f"{error} Delete that folder, and the sweep makes it again.") from error
            asked = {"index": row["index"], "max_order": grid["max_order"]}
            write_html(explanation, files[row["id"]], **asked, progress=False)
            report(1, len(missing))
    links = {name: file.relative_to(place.path).as_posix() for name, file in files.items() if file.is_file()}
    groups = summarise(rows, GROUP_BY)
    points = {
        name: [(g.key["budget"], g.r2, *(np.nan_to_num((g.low, g.high), nan=g.r2))) for g in some]
        for name, some in curves(groups).items()
    }
    shown = [name for name in Group._fields if name not in ("key", "error")]
    summary = [{**group.key, **{name: getattr(group, name) for name in shown}} for group in groups]
    return write_sweep(rows, place.path / "report.html", links=links, summary=summary, curves=points)

"""The pages of several explanations, and the one that links and ranks them."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spexjax.cli._output import say, shown
from spexjax.cli._results import record

if TYPE_CHECKING:
    from spexjax import Explanation


def write_pages(
    args: argparse.Namespace, named: "Mapping[str, Explanation]", out: Path, *, save: bool
) -> tuple[list[Mapping[str, Any]], Path]:
    """Writes a page for each explanation and index.html, and prints the ranking.

    Args:
      args: say which interactions are shown.
      named: the explanations, by the names of their folders.
      out: where these folders are.
      save: whether to write explanation.json, too.

    Returns:
      What --json says of each, and the page that links them.
    """
    from spexjax.evaluation import progress_bar
    from spexjax.report import overview, overview_table, write_html, write_overview

    asked: dict[str, Any] = {"index": args.index, "max_order": args.order}
    records: list[Mapping[str, Any]] = []
    with progress_bar(False if args.quiet else None, "pages", "pages") as report:
        for name, explanation in named.items():
            page = write_html(explanation, out / name / "explanation.html", **asked)
            file = explanation.save(out / name) if save else out / name / "explanation.json"
            if args.json:
                records.append({"folder": name, **record(args, explanation, page, file)})
            report(1, len(named))
    rows = overview(named, **asked)
    indices = {args.index or each.default_index: None for each in named.values()}
    linked = write_overview(rows, out / "index.html", index=", ".join(indices), max_order=args.order)
    say(args, shown(overview_table(rows, args.top)))
    return records, linked

"""`spexjax report`: a saved explanation, or a folder of them, rendered again."""

import argparse
from pathlib import Path

from spexjax._printable import printable
from spexjax.cli._arguments import add_output, add_table
from spexjax.cli._files import check_folder
from spexjax.cli._output import answer, say, shown
from spexjax.cli._pages import write_pages
from spexjax.cli._results import record

HELP = "render a saved explanation again"
_FILE = "explanation.json"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What was saved, and how it is shown now.

    Args:
      command: gets the arguments.
    """
    command.add_argument("saved", type=Path, help="the --out folder of `explain`, `heads` or `batch`")
    add_table(command)
    command.add_argument("--out", type=Path, help="folder for the page (default: where the explanation is)")
    add_output(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Prints the table and writes the page; of several explanations the ranking and all pages.

    Args:
      args: of the command.
      start: when it was called.
    """
    import spexjax as sx
    from spexjax.report import interaction_table, write_html

    sx.indices.check_index(args.index or "FSII", args.order)
    out = args.out or (args.saved if args.saved.is_dir() else args.saved.parent)
    check_folder(out)
    several = [] if (args.saved / _FILE).is_file() else sorted(args.saved.glob(f"*/{_FILE}"))
    if several:
        records, page = write_pages(args, {file.parent.name: sx.load(file) for file in several}, out, save=False)
        answer(args, {"explanations": records, "page": str(page)})
    else:
        explanation, asked = sx.load(args.saved), {"index": args.index, "max_order": args.order, "progress": False}
        table = shown(interaction_table(explanation, top=args.top, **asked))
        page = write_html(explanation, out / "explanation.html", **asked)
        say(args, table)
        file = args.saved / _FILE if args.saved.is_dir() else args.saved
        answer(args, record(args, explanation, page, file))
    say(args, f"page  {printable(str(page))}\n")
    return 0

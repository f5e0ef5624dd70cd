"""`spexjax sweep`: many explanations as one job, what it will cost, and its page."""

import argparse
import time
from pathlib import Path
from typing import Any

from spexjax._printable import printable
from spexjax.cli._arguments import add_output
from spexjax.cli._files import check_folder
from spexjax.cli._output import answer, complain, say, shown

HELP = "explain many texts in many ways, as a YAML file says; or `report FOLDER`"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The file, or the folder of a sweep.

    Args:
      command: gets the arguments.
    """
    command.add_argument("what", metavar="CONFIG", help="a YAML file; or the word report, before a folder")
    command.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="after report: the folder of a sweep")
    command.add_argument("--dry-run", action="store_true", help="count ablations, time and money; evaluate nothing")
    command.add_argument("--share", metavar="K/HOSTS", help="make the blocks of host K, from 0, of so many hosts")
    command.add_argument("--retry", action="store_true", help="try again what failed")
    command.add_argument("--no-pages", action="store_true", help="report: no pages of single explanations")
    add_output(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Runs the sweep and prints its summary; or what it will cost; or writes its page.

    Args:
      args: of the command.
      start: when it was called.
    """
    if args.what == "report":
        return _report(args)
    if args.folder is not None:
        raise ValueError(f"There is one configuration; what is {args.folder}? For the page of a sweep: report FOLDER.")
    from spexjax import sweep

    share = _share(args.share)
    config = sweep.read_config(args.what)
    check_folder(config.folder, "folder")
    if isinstance(config.store, Path):
        check_folder(config.store, "store")
    if args.dry_run:
        which: dict[str, Any] = {"store": config.store, "share": share, "retry": args.retry, **config.prices}
        made = sweep.estimate(config.sweep, config.folder, **which)
        say(args, f"{made}\n")
        answer(args, {**vars(made), "seconds": made.seconds})
        return 0
    how: dict[str, Any] = {"store": config.store, "executor": config.executor, "share": share, "retry": args.retry}
    swept = sweep.run(config.sweep, config.folder, **how, progress=not args.quiet)
    say(args, shown(sweep.summary_table(swept.groups)))
    say(args, f"table {printable(str(swept.folder / 'table.parquet'))}\n")
    say(args, f"page  by spexjax sweep report {printable(str(swept.folder))}\n")
    say(args, f"time  {time.perf_counter() - start:.1f} s\n")
    if swept.failures:
        failed = f"{swept.failures} of {swept.explanations} explanations failed"
        complain(f"{failed}; the column error says why, and --retry tries again. The first: {swept.first_failure}")
    answer(args, {"folder": str(swept.folder), "explanations": swept.explanations, "failures": swept.failures})
    return 2 if swept.failures and swept.failures == swept.explanations else 0


def _report(args: argparse.Namespace) -> int:
    if args.folder is None:
        raise ValueError("Which sweep? Give its folder: spexjax sweep report FOLDER.")
    from spexjax import sweep

    page = sweep.write_page(args.folder, pages=not args.no_pages, progress=False if args.quiet else None)
    say(args, f"page  {printable(str(page))}\n")
    answer(args, {"page": str(page)})
    return 0


def _share(given: str | None) -> tuple[int, int]:
    """The number of this host, and how many there are."""
    if given is None:
        return 0, 1
    k, _, hosts = given.partition("/")
    if not (k.isdecimal() and hosts.isdecimal() and int(k) < int(hosts)):
        raise ValueError(f"--share is K/HOSTS with K from 0, such as 0/4; got {given!r}.")
    return int(k), int(hosts)

"""`spexjax subset`: which features to remove, or to keep, by a saved explanation."""

import argparse
from pathlib import Path

from spexjax.cli._arguments import add_output, number, whole
from spexjax.cli._output import answer, say

HELP = "the most influential features to remove, or to keep, by a saved explanation"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What was saved, and what is looked for.

    Args:
      command: gets the arguments.
    """
    command.add_argument("saved", type=Path, help="the --out folder of `explain` or `heads`")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument("--remove", type=whole, metavar="R", help="the R features whose removal changes the value most")
    which.add_argument(
        "--keep", type=whole, metavar="R", help="the R features that alone come nearest to the full value"
    )
    command.add_argument(
        "--goal",
        choices=["farthest", "nearest", "largest", "smallest"],
        help="what to do to the value instead (default: farthest to remove, nearest to keep)",
    )
    command.add_argument(
        "--search", choices=["auto", "exact", "local"], default="auto", help="with or without a certificate"
    )
    command.add_argument("--time-limit", type=number, default=60.0, help="seconds for the search (default: 60)")
    add_output(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Prints the features, the values without and with them, true where they are known, and whether it is certified.

    Args:
      args: of the command.
      start: when it was called.
    """
    import spexjax as sx

    explanation = sx.load(args.saved)
    options = {"method": args.search, "time_limit": args.time_limit}
    options |= {"goal": args.goal} if args.goal else {}
    keeping = args.keep is not None
    found = explanation.keep(args.keep, **options) if keeping else explanation.remove(args.remove, **options)
    say(args, f"{found}\n")
    answer(
        args,
        {
            "removed": list(found.removed),
            "removed_names": list(found.removed_names),
            "kept": list(found.kept),
            "kept_names": list(found.kept_names),
            "full": float(found.full if found.true_full is None else found.true_full),
            "value": float(found.value if found.true_value is None else found.true_value),
            "evaluated": {"full": found.true_full is not None, "value": found.true_value is not None},
            "gap": float(found.gap),
            "status": found.status,
        },
    )
    return 0

"""`spexjax compare`: two saved explanations of the same features side by side."""

import argparse
from pathlib import Path

from spexjax._printable import printable
from spexjax.cli._arguments import OUT, add_output, add_table
from spexjax.cli._files import check_folder
from spexjax.cli._output import answer, say

HELP = "compare two saved explanations of the same features"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The two, and what of them is compared.

    Args:
      command: gets the arguments.
    """
    command.add_argument("first", type=Path, help="the --out folder of `explain` or `heads`")
    command.add_argument("second", type=Path, help="another one")
    add_table(command)
    command.add_argument("--out", type=Path, default=Path("out"), help=OUT.format("the page compare.html"))
    add_output(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Prints how far the two agree and what changed, and writes the page.

    Args:
      args: of the command.
      start: when it was called.
    """
    import spexjax as sx

    check_folder(args.out)
    sx.indices.check_index(args.index or "FSII", args.order)
    found = sx.compare(sx.load(args.first), sx.load(args.second), args.index, args.order, k=max(1, args.top))
    page = found.write_html(args.out / "compare.html")
    say(args, f"{found}\npage  {printable(str(page))}\n")
    answer(
        args,
        {
            "index": found.a.index,
            "max_order": args.order,
            "k": found.k,
            "top_k_agreement": found.top_k_agreement,
            "pearson": found.pearson,
            "rank_correlation": found.rank_correlation,
            "sign_flips": [list(change.features) for change in found.sign_flips],
            "changes": [
                {"names": list(found.a.names(change.features)), **change._asdict()}
                for change in found.changes(args.top)
            ],
            "page": str(page),
        },
    )
    return 0

"""The explanations of several values, such as three labels: all from the same ablations, in one page."""

import argparse
import shutil
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from spexjax._printable import one_line, printable
from spexjax.cli._output import answer, say, shown
from spexjax.cli._results import record

if TYPE_CHECKING:
    from spexjax import Ablation


def explain_values(args: argparse.Namespace, start: float, ablation: "Ablation", how: Mapping[str, Any]) -> int:
    """Explains every value of an ablation; prints a table for each, and writes one page and a file for each.

    Args:
      args: of the command.
      start: when the command was called.
      ablation: of several values.
      how: the options of `explain`.

    Raises:
      ValueError: if a target is given, or a probability is to be found.
    """
    import spexjax as sx
    from spexjax.evaluation import progress_bar
    from spexjax.report import interaction_table, write_html

    options = dict(how)
    if options.pop("target_faithfulness") is not None:
        raise ValueError("--target is for a single value; for several, give a --budget.")
    each = sx.explain_each(ablation, **options)
    with progress_bar(how["progress"], "fits", "fits") as report:
        for i in range(len(each)):
            each[i]  # is fitted now, and kept
            report(1, len(each))
    asked: dict[str, Any] = {"index": args.index, "max_order": args.order, "progress": False}
    page = write_html(each, args.out / "explanation.html", **asked)
    records = []
    for i, (name, explanation) in enumerate(zip(each.names, each, strict=True)):
        file = explanation.save(args.out / f"value{i}")
        say(args, f"{printable(one_line(name, 100))}\n{shown(interaction_table(explanation, top=args.top, **asked))}")
        if args.json:
            records.append({"name": name, **record(args, explanation, page, file)})
    for stale in args.out.glob("value*/explanation.json"):  # of an earlier run with more values
        if stale.parent.name[5:].isdecimal() and int(stale.parent.name[5:]) >= len(each):
            shutil.rmtree(stale.parent)
    say(args, f"total {time.perf_counter() - start:.1f} s\n")
    say(args, f"page  {printable(str(page))}\nJSON  {printable(str(args.out))}/value0 and so on\n")
    answer(args, {"values": records, "page": str(page)})
    return 0

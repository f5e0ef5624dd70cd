"""`spexjax batch`: many texts of a file, explained together, a folder for each and a page that links them."""

import argparse
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spexjax._lines import Line, check_lines, read_lines
from spexjax._printable import printable
from spexjax.cli._arguments import add_explaining, add_question
from spexjax.cli._files import read_file
from spexjax.cli._output import answer, complain, say
from spexjax.cli._pages import write_pages
from spexjax.cli._requests import check_how, how_to_explain, what_is_asked

if TYPE_CHECKING:
    from spexjax import Ablation

HELP = "explain many texts of a file"
_SHOWN = 5  # lines that are warned of


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The file, and what it leaves out.

    Args:
      command: gets the arguments.
    """
    command.add_argument(
        "batch",
        type=Path,
        metavar="FILE",
        help="""a JSON object a line, such as {"text": "...", "answers": ["Yes", "No"]}; what a line leaves out is as
        the command says""",
    )
    command.add_argument("--column", help="the file is a CSV file with a header; its texts are in this column")
    add_question(command)
    add_explaining(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Explains the texts and writes a folder for each, named after its line, and index.html.

    Args:
      args: of the command.
      start: when it was called.
    """
    lines, asked = read_lines(read_file(args.batch), str(args.batch), args.column), what_is_asked(args)
    import spexjax as sx
    from spexjax._status import phase
    from spexjax.report import where_time_went

    _judge(args, lines, asked)
    how = how_to_explain(args)
    with phase("load the model", how["progress"]):
        model = sx.load_model(args.model, dtype=args.dtype)
    ablations, bad, doubts = [], dict[int, str](), dict[int, str]()
    for number, options in lines:
        try:
            with warnings.catch_warnings(record=True) as caught:
                ablations.append(_of_one_value(sx.ablations.text(model, **{**asked, **options})))
            if caught:
                doubts[number] = str(caught[0].message)
        except ValueError as error:
            bad[number] = str(error)
    check_lines(bad, str(args.batch))
    for number, doubt in list(doubts.items())[:_SHOWN]:
        complain(f"warning: line {number}: {doubt}")
    if len(doubts) > _SHOWN:
        complain(f"warning: and the like for {len(doubts) - _SHOWN} more lines.")
    loaded = time.perf_counter()
    explanations = sx.explain_many(ablations, **how)
    explained = time.perf_counter()
    width = max(4, len(str(lines[-1].number)))
    named = {f"{line.number:0{width}}": each for line, each in zip(lines, explanations, strict=True)}
    records, page = write_pages(args, named, args.out, save=True)
    end = time.perf_counter()
    seconds = {"load": loaded - start, **_sums(explanations), "report": end - explained}
    say(args, f"time  {where_time_went(seconds)} · total {end - start:.1f} s\n")
    say(args, f"page  {printable(str(page))}\nJSON  {printable(str(args.out / '*' / 'explanation.json'))}\n")
    answer(args, {"explanations": records, "page": str(page)})
    return 0


def _of_one_value(ablation: "Ablation") -> "Ablation":
    if ablation.num_values is not None:
        raise ValueError(
            f"{ablation.num_values} values of one text; a batch explains one value of each text. Give one answer or "
            "two, or leave out the value."
        )
    return ablation


def _judge(args: argparse.Namespace, lines: Sequence[Line], asked: dict[str, Any]) -> None:
    """Names the lines that cannot be explained, as far as that needs no model."""
    import spexjax as sx

    check_how(args)
    bad = {}
    for number, options in lines:
        try:
            check_how(args, sx.ablations.precheck_text(**{**asked, **options}))
        except ValueError as error:
            bad[number] = str(error)
    check_lines(bad, str(args.batch))


def _sums(explanations: Sequence[Any]) -> dict[str, float]:
    """The seconds of each phase, over all explanations."""
    each = [explanation.provenance["seconds"] for explanation in explanations]
    return {phase: sum(seconds[phase] for seconds in each) for phase in each[0]}

"""`spexjax explain`: a model's answer to a text."""

import argparse
from pathlib import Path

from spexjax.cli import _batch
from spexjax.cli._arguments import add_explaining, add_question
from spexjax.cli._files import read_file, read_standard_input
from spexjax.cli._requests import check_how, what_is_asked
from spexjax.cli._results import explain_one
from spexjax.cli._service import add_service, explain_service

HELP = "explain a model's answer to a text"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Where the text comes from, what the model is asked about it, and how it is explained.

    Args:
      command: gets the arguments.
    """
    source = command.add_mutually_exclusive_group()
    source.add_argument("text", nargs="?", help="the text; read from standard input if it is given in no other way")
    source.add_argument("--file", type=Path, help="read the text from this file")
    source.add_argument("--batch", type=Path, metavar="FILE", help="explain many texts, as `spexjax batch FILE` does")
    command.add_argument("--column", help="the --batch file is a CSV file with a header; its texts are in this column")
    add_question(command)
    add_service(command)
    add_explaining(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Explains the text, or those of --batch.

    Args:
      args: of the command.
      start: when it was called.
    """
    if args.batch is not None and args.service is not None:
        raise ValueError("--service explains one text at a time; leave --batch out.")
    if args.batch is not None:
        return _batch.run(args, start)
    if args.column is not None:
        raise ValueError("--column names a column of a --batch file; give that file, too.")
    if args.text is not None:
        text = args.text
    else:
        text = read_file(args.file) if args.file is not None else read_standard_input("as an argument, with --file")
    if args.service is not None:
        return explain_service(args, start, text)
    import spexjax as sx

    asked = what_is_asked(args)
    check_how(args, sx.ablations.precheck_text(text, **asked))
    return explain_one(args, start, lambda model: sx.ablations.text(model, text, **asked))

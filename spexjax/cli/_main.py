"""The command line: arguments in, a table on the screen, a page and a JSON file on the disk."""

import argparse
import os
import sys
import time
import warnings
from collections.abc import Sequence

from spexjax import __version__
from spexjax.cli import (
    _batch,
    _compare,
    _completion,
    _demo,
    _doctor,
    _explain,
    _heads,
    _models,
    _report,
    _subset,
    _sweep,
)
from spexjax.cli._arguments import Command
from spexjax.cli._output import complain, write

_COMMANDS = {
    "explain": _explain,
    "batch": _batch,
    "heads": _heads,
    "compare": _compare,
    "report": _report,
    "subset": _subset,
    "sweep": _sweep,
    "models": _models,
    "doctor": _doctor,
    "demo": _demo,
    "completion": _completion,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `spexjax`; returns the exit code.

    0, or 2 with one sentence on standard error where the input is at fault, or 1 where spexjax is. Every error ends
    here: a ValueError, ImportError or OSError says what is wrong with the input, a full memory that it is too large;
    anything else was not foreseen.
    """
    start, debug, in_its_words = time.perf_counter(), False, str
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        args = _parsed(arguments)
        debug, in_its_words = args.debug, args.in_its_words
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: complain(f"warning: {in_its_words(str(message))}")
            return args.run(args, start)
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except (ValueError, ImportError, OSError, MemoryError) as error:
        complain(in_its_words(_reason(error)), debug)
        return 2
    except Exception as error:
        if "RESOURCE_EXHAUSTED" in str(error):  # how devices say that their memory is full
            complain(_reason(MemoryError()), debug)
            return 2
        complain(
            f"this is a fault of spexjax, not of your input ({type(error).__name__}: {error}); please report it to the "
            "project's issue tracker, with the command and what it and `spexjax doctor` print with --debug.",
            debug,
        )
        return 1


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The arguments; SystemExit where argparse has said all, as for --help."""
    try:
        return _parser().parse_args(arguments)
    except SystemExit:
        write("")  # what --help has written, too, may have no reader, or no room on the disk
        raise


def _parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    whole = Command(
        prog="spexjax",
        description="Which combinations of words, sentences, tokens or heads drive an LLM's answer.",
        epilog="Exit code 0: done. 2: something is wrong with the input. 1: a fault of spexjax.",
    )
    whole.add_argument("--version", action="version", version=f"spexjax {__version__}")
    commands = whole.add_subparsers(dest="command", required=True, parser_class=Command, metavar="COMMAND")
    for name, module in _COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP, description=f"{module.HELP[0].upper()}{module.HELP[1:]}.")
        module.add_arguments(command)
        command.set_defaults(run=module.run, parser=whole, in_its_words=command.in_its_words)
    return whole


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error) or "The memory is full; take a shorter text, a smaller model or --dtype bfloat16."


if __name__ == "__main__":
    sys.exit(main())

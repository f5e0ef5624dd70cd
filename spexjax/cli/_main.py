"""The command line: arguments in, a table on the screen, a page and a JSON file on the disk."""

import argparse
import contextlib
import json
import os
import sys
import time
import traceback
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spexjax._printable import printable
from spexjax.cli._batch import Line, explain_lines, how_to_explain, read_lines
from spexjax.cli._demo import ANSWER_PREFIX, ANSWERS, QUESTION, REVIEW

_PLAIN = str.maketrans("−×·±│━╸╺…′₀₁₂₃₄₅₆₇₈₉", "-x-~|=--.'0123456789")  # for terminals without them
_MOST = 256 << 20  # bytes of text that are read at all; far more than any model's context


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `spexjax`; returns the exit code.

    0, or 2 with one sentence on standard error where the input is at fault, or 1 where spexjax is. Every error ends
    here: a ValueError, ImportError or OSError says what is wrong with the input, a MemoryError that it is too large;
    anything else was not foreseen.
    """
    start, debug = time.perf_counter(), False
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        args = _parser().parse_args(arguments)
        debug = args.debug
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: _complain(f"warning: {message}")
            return _explain(args, start)
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except (ValueError, ImportError, OSError, MemoryError) as error:
        _complain(_reason(error), debug)
        return 2
    except Exception as error:
        _complain(
            f"this is a fault of spexjax, not of your input ({type(error).__name__}: {error}); please report it to the "
            "project's issue tracker, with the command and what it prints with --debug.",
            debug,
        )
        return 1
    finally:
        _write(sys.stdout, "")  # what --help has written, too, may have no reader


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}."
    return str(error) or "The memory is full; take a shorter text, a smaller model or --dtype bfloat16."


def _complain(message: str, debug: bool = False) -> None:
    """One line on standard error; before it the traceback if asked for."""
    trace = traceback.format_exc() if debug else ""
    lines = [*trace.splitlines(), f"spexjax: {' '.join(message.split())}"]
    _write(sys.stderr, "".join(f"{printable(line)}\n" for line in lines))  # names may come out of a model's files


def _write(stream: Any, text: str) -> None:
    """Writes at once, whatever the stream's encoding can express, and whether or not somebody still reads it."""
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    if text.encode(encoding, "replace").decode(encoding) != text:
        text = text.translate(_PLAIN).encode(encoding, "replace").decode(encoding)
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # for what is written or flushed later
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            raise OSError(error.errno, error.strerror, "standard output") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spexjax", description="Which combinations of words, sentences or tokens drive an LLM's answer."
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Command)
    demo = commands.add_parser("demo", help="explain SmolLM2's verdict on a film review")
    explain = commands.add_parser("explain", help="explain a model's answer to a text")
    _add_text(explain)
    for command in (demo, explain):
        _add_common(command)
    demo.set_defaults(
        text=REVIEW, file=None, batch=None, column=None, model="smollm2", dtype="float32", question=QUESTION,
        answers=ANSWERS, answer_prefix=ANSWER_PREFIX, value=None, features="word", removal="delete", replacement="_",
        no_template=False, template_kwargs=None,
    )  # fmt: skip
    return parser


def _add_text(explain: argparse.ArgumentParser) -> None:
    """Where the text comes from, and what the model is asked about it."""
    source = explain.add_mutually_exclusive_group()
    source.add_argument("text", nargs="?", help="the text; read from standard input if it is given in no other way")
    source.add_argument("--file", type=Path, help="read the text from this file")
    source.add_argument(
        "--batch",
        type=Path,
        metavar="FILE",
        help="""explain many texts: a JSON object a line, such as {"text": "...", "answers": [" yes", " no"]}; what a
        line leaves out is as the command says""",
    )
    explain.add_argument("--column", help="the --batch file is a CSV file with a header; its texts are in this column")
    explain.add_argument("--model", default="smollm2", help="smollm2, a Hugging Face id, a folder or a .gguf file")
    explain.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    explain.add_argument("--question", help="asked before the text, or around {text}; never ablated")
    explain.add_argument(
        "--answers",
        nargs="+",
        help="two answers (logit difference) or one (log-probability); the model's own by default",
    )
    explain.add_argument("--answer-prefix", default="", help="what the model's turn begins with")
    explain.add_argument(
        "--no-template", action="store_true", help="raw text: without the model's chat template, if it has one"
    )
    explain.add_argument(
        "--template-kwargs",
        type=_json_object,
        metavar="JSON",
        help="""variables for the chat template, such as '{"enable_thinking": false}'""",
    )
    explain.add_argument("--value", help="logit-difference, log-probability or log-odds")
    explain.add_argument("--features", default="word", choices=["word", "sentence", "line", "token"])
    explain.add_argument("--removal", default="delete")
    explain.add_argument("--replacement", default="_", help="what stands for a removed unit with --removal replace")


class _Command(argparse.ArgumentParser):
    """Its help lists methods, indices and removals, for which JAX is loaded; nothing else waits for that."""

    def format_help(self) -> str:
        from spexjax import ablations, indices, methods

        names = {"method": methods.names(), "index": indices.INDICES, "removal": ablations.removal_names()}
        for action in self._actions:
            if action.dest in names:
                action.help = ", ".join(names[action.dest])
        return super().format_help()


def _add_common(command: argparse.ArgumentParser) -> None:
    """The options of every command that explains."""
    command.add_argument("--budget", type=int, default=512, help="ablations to spend (default: 512)")
    command.add_argument(
        "--target",
        type=float,
        help="stop once faithfulness is this; the budget is then the most to spend",
    )
    command.add_argument("--method", default="auto")
    command.add_argument("--index", default="FSII")
    command.add_argument("--order", type=int, default=2, help="largest interaction (default: 2)")
    command.add_argument("--top", type=int, default=10, help="interactions in the table (default: 10)")
    command.add_argument("--seed", type=_seed, default=0, help="a 64-bit whole number (default: 0)")
    command.add_argument("--out", type=Path, default=Path("out"), help="folder for the page and the JSON file")
    command.add_argument("--store", help="folder or bucket where values are kept (default: OUT/values)")
    command.add_argument("--quiet", action="store_true", help="do not say what is being done")
    command.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _explain(args: argparse.Namespace, start: float) -> int:
    lines = _lines(args)
    text = _read(args) if lines is None else ""
    from rich.console import Console

    import spexjax as sx
    from spexjax._budget import check_target
    from spexjax._status import phase
    from spexjax.indices import check_index
    from spexjax.report import interaction_table, where_time_went, write_html

    check_index(args.index, args.order)
    sx.methods.get(args.method)
    if args.target is not None:
        check_target(args.target)
    if lines is not None:
        return explain_lines(args, lines, _what_is_asked(args), start, partial(_write, sys.stdout))
    how = how_to_explain(args)
    progress = how["progress"]
    with phase("load the model", progress) as loading:
        model = sx.load_model(args.model, dtype=args.dtype)
        ablation = sx.ablations.text(model, text, **_what_is_asked(args))
    seconds = {"load": time.perf_counter() - start - loading.compile_seconds}
    explanation = sx.explain(ablation, **how)
    console, asked = Console(), {"index": args.index, "max_order": args.order, "progress": False}
    try:  # the files first, for a terminal may fail; if the files do, the table is still worth a look
        with phase("report", progress) as reporting:
            with console.capture() as table:
                console.print(interaction_table(explanation, top=args.top, **asked))
            page = write_html(explanation, args.out / "explanation.html", **asked)
            record = explanation.save(args.out)
    finally:
        _write(sys.stdout, table.get())
    seconds |= explanation.provenance["seconds"] | {"report": reporting.seconds}
    seconds["compile"] += loading.compile_seconds + reporting.compile_seconds
    _write(sys.stdout, f"time  {where_time_went(seconds)} · total {time.perf_counter() - start:.1f} s\n")
    _write(sys.stdout, f"page  {printable(str(page))}\nJSON  {printable(str(record))}\n")
    return 0


def _what_is_asked(args: argparse.Namespace) -> dict:
    """The options of `ablations.text`."""
    same = ("question", "answers", "features", "removal", "replacement", "value", "answer_prefix")
    return {
        **{name: getattr(args, name) for name in same},
        "template": None if args.no_template else "chat",
        "chat_template_kwargs": args.template_kwargs,
    }


def _lines(args: argparse.Namespace) -> list[Line] | None:
    """The texts of --batch, if it is given."""
    if args.batch is not None:
        return read_lines(_content(args.batch), str(args.batch), args.column)
    if args.column is not None:
        raise ValueError("--column names a column of a --batch file; give that file, too.")
    return None


def _read(args: argparse.Namespace) -> str:
    if args.text is not None:
        return args.text
    if args.file is not None:
        return _content(args.file)
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError("There is no text: give it as an argument, with --file, or on standard input.")
    return _decoded(sys.stdin.buffer.read(_MOST + 1), "Standard input")


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return _decoded(file.read(_MOST + 1), str(path))


def _decoded(content: bytes, name: str) -> str:
    if len(content) > _MOST:
        raise ValueError(f"{name} holds more than {_MOST >> 20} MB, which is more than any model reads; shorten it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}; convert it first, say by iconv."
        ) from error


def _seed(string: str) -> int:
    seed = int(string)
    if not -(1 << 63) <= seed < 1 << 63:
        raise argparse.ArgumentTypeError(f"a seed is a whole number of 64 bits, which {string[:40]} is not")
    return seed


def _json_object(string: str) -> dict[str, Any]:
    try:
        value = json.loads(string)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a JSON object: {string}")
    return value


if __name__ == "__main__":
    sys.exit(main())

"""What a command writes: text or one JSON object on standard output, sentences on standard error."""

import argparse
import contextlib
import json
import os
import sys
import traceback
from collections.abc import Mapping
from math import isfinite
from typing import Any

from spexjax._printable import printable

_PLAIN = str.maketrans("−×·±│━╸╺…′₀₁₂₃₄₅₆₇₈₉", "-x-~|=--.'0123456789")  # for terminals without them


def write(text: str) -> None:
    """Writes to standard output, at once.

    Args:
      text: as it is.
    """
    write_to(sys.stdout, text)


def say(args: argparse.Namespace, text: str) -> None:
    """Writes for people: nothing if the command was asked for JSON.

    Args:
      args: of the command.
      text: as it is.
    """
    if not args.json:
        write(text)


def answer(args: argparse.Namespace, record: Mapping[str, Any]) -> None:
    """Writes for programs, if the command was asked for JSON: one object on one line.

    Args:
      args: of the command.
      record: of JSON values; numbers that are not finite become null.
    """
    if args.json:
        write(json.dumps(_finite(record), allow_nan=False) + "\n")


def complain(message: str, debug: bool = False) -> None:
    """One line on standard error; before it the traceback if asked for.

    Args:
      message: a sentence.
      debug: whether there is an error whose traceback is asked for.
    """
    trace = traceback.format_exc() if debug else ""
    lines = [*trace.splitlines(), f"spexjax: {' '.join(message.split())}"]
    write_to(sys.stderr, "".join(f"{printable(line)}\n" for line in lines))  # names may come out of a model's files


def write_to(stream: Any, text: str) -> None:
    """Writes at once, whatever the stream's encoding can express, and whether or not somebody still reads it.

    Args:
      stream: standard output or standard error; None if the process has none.
      text: to write.
    """
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


def shown(renderable: Any) -> str:
    """What rich draws, as text for `say`.

    Args:
      renderable: a table, say.
    """
    from rich.console import Console

    console = Console()
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value

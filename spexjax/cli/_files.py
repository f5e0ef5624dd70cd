"""Files and folders that a command is given, checked before any work is done."""

import os
import sys
import tempfile
from pathlib import Path

_MOST = 256 << 20  # bytes of text that are read at all; far more than any model's context
_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}  # what a file in this encoding begins with


def read_file(path: Path) -> str:
    """The content of a file.

    Args:
      path: of the file.

    Raises:
      ValueError: if it is not UTF-8, or far too large.
      OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return _decoded(file.read(_MOST + 1), str(path))


def read_standard_input(otherwise: str) -> str:
    """What is piped in.

    Args:
      otherwise: how to give the text in another way, for the error.

    Raises:
      ValueError: if nothing is piped in, it is not UTF-8, or far too large.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise ValueError(f"There is no text: give it {otherwise}, or on standard input.")
    return _decoded(sys.stdin.buffer.read(_MOST + 1), "Standard input")


def check_folder(folder: Path, asked_by: str = "--out") -> None:
    """Raises if files cannot be written to a folder, which need not be there yet.

    Args:
      folder: of the output.
      asked_by: the option or field that names it.

    Raises:
      ValueError: if it is a file, lies in a file, or may not be written.
    """
    there = next((parent for parent in (folder, *folder.absolute().parents) if parent.exists()), folder)
    if not there.is_dir():
        raise ValueError(f"{there} is a file, but {asked_by} takes a folder; name another one.")
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".spexjax-", dir=there))  # permissions alone do not tell: those of /proc, say
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ValueError(f"Nothing can be written to {there} ({reason}); give {asked_by} a folder of yours.") from error


def _decoded(content: bytes, name: str) -> str:
    if len(content) > _MOST:
        raise ValueError(f"{name} holds more than {_MOST >> 20} MB, which is more than any model reads; shorten it.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = _MARKS.get(content[:2], "latin1")
        if encoding == "latin1" and b"\0" in content:
            raise ValueError(f"{name} is no text: it holds zero bytes; give a text file in UTF-8.") from error
        raise ValueError(
            f"{name} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}; convert it first, say by "
            f"iconv -f {encoding} -t utf-8."
        ) from error

"""The texts of a file, a line or a record each; bad ones are named by their numbers."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from spexjax._numbers import counted

_STRINGS = ("question", "features", "removal", "replacement", "value", "answer_prefix", "system")
_SHOWN = 5  # bad lines named in an error


class Line(NamedTuple):
    """A text to explain, and the options of `ablations.text` that its line sets."""

    number: int
    options: Mapping[str, Any]


def read_lines(content: str, name: str, column: str | None) -> list[Line]:
    """Reads the texts of a file: a JSON object a line, or a column of a CSV file with a header.

    Args:
      content: of the file.
      name: of the file, for errors; one that ends in .jsonl holds JSON objects even if there is a column.
      column: where the texts are: a column, or an entry of every object, of which nothing else is read then. None for
        JSON objects with "text" and perhaps options.

    Raises:
      ValueError: naming the lines that cannot be used.
    """
    bad: dict[int, str] = {}
    lines = []
    if column is None and name.lower().endswith(".csv"):
        known = ", ".join(csv.DictReader(io.StringIO(content, newline="")).fieldnames or ()) or "none"
        raise ValueError(f"{name} is a CSV file: give --column, the column of its texts; its columns are {known}.")
    if column is None or name.lower().endswith((".jsonl", ".ndjson", ".json")):
        records = _from_json(content, column)
    else:
        records = _from_csv(content, name, column)
    for number, given in records:
        if isinstance(given, str):
            bad[number] = given
        elif complaint := _complaint(given):
            bad[number] = complaint
        else:
            lines.append(Line(number, given))
    check_lines(bad, name)
    if not lines:
        raise ValueError(f"There is no text in {name}.")
    return lines


def check_lines(bad: Mapping[int, str], name: str) -> None:
    """Raises ValueError if there are bad lines.

    Args:
      bad: what is wrong, by the number of the line.
      name: of the file.
    """
    if bad:
        some = " ".join(f"Line {number}: {complaint}" for number, complaint in list(bad.items())[:_SHOWN])
        more = f" And {len(bad) - _SHOWN} more." if len(bad) > _SHOWN else ""
        raise ValueError(f"{counted(len(bad), 'line')} of {name} cannot be explained. {some}{more}")


def _from_json(content: str, column: str | None) -> Iterator[tuple[int, Any]]:
    """The number and the object of each line that is not empty; a string says what is wrong with it."""
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                given = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, f"it is not JSON ({error})."
            else:
                if not isinstance(given, dict):
                    yield number, "it is no JSON object."
                elif column is not None and column not in given:
                    yield number, f"it has no entry {column!r}; its entries are {', '.join(given) or 'none'}."
                else:
                    yield number, given if column is None else {"text": given[column]}


def _from_csv(content: str, name: str, column: str) -> Iterator[tuple[int, Any]]:
    """The number of the line where each record begins, and its text."""
    reader = csv.DictReader(io.StringIO(content, newline=""))
    try:
        if (count := list(reader.fieldnames or ()).count(column)) != 1:
            known = ", ".join(reader.fieldnames or ()) or "none"
            has = f"{count} columns" if count else "no column"
            raise ValueError(f"{name} has {has} {column!r}; its columns are {known}.")
        before = reader.line_num
        for record in reader:
            yield before + 1, {"text": record[column] or ""}
            before = reader.line_num
    except csv.Error as error:
        raise ValueError(f"{name} is no CSV file: line {reader.line_num}: {error}.") from error


def _complaint(given: Mapping[str, Any]) -> str | None:
    """What is wrong with the entries of a line; None if nothing is."""
    if unknown := [key for key in given if key not in ("text", "answers", *_STRINGS)]:
        return f"{unknown[0]!r} is not one of text, answers, {', '.join(_STRINGS)}."
    if not isinstance(text := given.get("text"), str) or not text.strip():
        return "there is no text."
    answers = given.get("answers", "")
    if not (isinstance(answers, str) or (isinstance(answers, list) and all(isinstance(a, str) for a in answers))):
        return "answers must be a string or a list of strings."
    wrong = [key for key in _STRINGS if key in given and not isinstance(given[key], str)]
    return f"{wrong[0]} must be a string." if wrong else None

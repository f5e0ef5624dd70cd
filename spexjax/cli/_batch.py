"""Many texts in one run: read from a file, explained together, a folder for each and a page that links them."""

import argparse
import csv
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from spexjax._printable import printable

_STRINGS = ("question", "features", "removal", "replacement", "value", "answer_prefix")
_SHOWN = 5  # bad lines named in an error


class Line(NamedTuple):
    """A text to explain, and the options of `ablations.text` that its line sets."""

    number: int
    options: Mapping[str, Any]


def read_lines(content: str, name: str, column: str | None) -> list[Line]:
    """Reads the texts of a file: a JSON object a line, or a column of a CSV file with a header.

    Args:
      content: of the file.
      name: of the file, for errors.
      column: the column; None for JSON lines.

    Raises:
      ValueError: naming the lines that cannot be used.
    """
    bad: dict[int, str] = {}
    lines = []
    for number, given in _from_csv(content, name, column) if column is not None else _from_json(content):
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
        raise ValueError(f"{len(bad)} line(s) of {name} cannot be explained. {some}{more}")


def explain_lines(
    args: argparse.Namespace,
    lines: Sequence[Line],
    asked: Mapping[str, Any],
    start: float,
    write: Callable[[str], None],
) -> int:
    """Explains the texts and writes a folder for each, named after its line, and index.html.

    Args:
      args: of the command.
      lines: from `read_lines`.
      asked: the options of `ablations.text` that the command sets, for lines that do not.
      start: when the command was called.
      write: to standard output.
    """
    from rich.console import Console

    import spexjax as sx
    from spexjax._status import phase
    from spexjax.evaluation import progress_bar
    from spexjax.report import overview, overview_table, where_time_went, write_html, write_overview

    how = how_to_explain(args)  # a store that cannot be used is named before the model is loaded
    progress = how["progress"]
    with phase("load the model", progress):
        model = sx.load_model(args.model, dtype=args.dtype)
    ablations, bad = [], {}
    for number, options in lines:
        try:
            ablations.append(sx.ablations.text(model, **{**asked, **options}))
        except ValueError as error:
            bad[number] = str(error)
    check_lines(bad, str(args.batch))
    loaded = time.perf_counter()
    explanations = sx.explain_many(ablations, **how)
    explained, shown = time.perf_counter(), {"index": args.index, "max_order": args.order}
    width = max(4, len(str(lines[-1].number)))
    named = {f"{line.number:0{width}}": each for line, each in zip(lines, explanations, strict=True)}
    with progress_bar(progress, "pages", "pages") as report:
        for name, explanation in named.items():
            write_html(explanation, args.out / name / "explanation.html", **shown)
            explanation.save(args.out / name)
            report(1, len(named))
    rows = overview(named, **shown)
    page, console = write_overview(rows, args.out / "index.html", **shown), Console()
    with console.capture() as table:
        console.print(overview_table(rows, args.top))
    write(table.get())
    end = time.perf_counter()
    seconds = {"load": loaded - start, **_sums(explanations), "report": end - explained}
    write(f"time  {where_time_went(seconds)} · total {end - start:.1f} s\n")
    write(f"page  {printable(str(page))}\nJSON  {printable(str(args.out / '*' / 'explanation.json'))}\n")
    return 0


def how_to_explain(args: argparse.Namespace) -> dict[str, Any]:
    """The options of `explain` and `explain_many`, but for the ablation."""
    import jax

    import spexjax as sx

    return {
        "budget" if args.target is None else "max_budget": args.budget,
        "target_faithfulness": args.target,
        "index": args.index,
        "key": jax.random.key(args.seed),
        "method": args.method,
        "store": sx.Store(args.store or args.out / "values"),
        "progress": False if args.quiet else None,
    }


def _sums(explanations: Sequence[Any]) -> dict[str, float]:
    """The seconds of each phase, over all explanations."""
    each = [explanation.provenance["seconds"] for explanation in explanations]
    return {phase: sum(seconds[phase] for seconds in each) for phase in each[0]}


def _from_json(content: str) -> Iterator[tuple[int, Any]]:
    """The number and the object of each line that is not empty; a string says what is wrong with it."""
    for number, line in enumerate(content.split("\n"), 1):
        if line.strip():
            try:
                given = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, f"it is not JSON ({error})."
            else:
                yield number, given if isinstance(given, dict) else "it is no JSON object."


def _from_csv(content: str, name: str, column: str) -> Iterator[tuple[int, Any]]:
    """The number of the line where each record begins, and its text."""
    reader = csv.DictReader(io.StringIO(content, newline=""))
    try:
        if column not in (reader.fieldnames or ()):
            known = ", ".join(reader.fieldnames or ()) or "none"
            raise ValueError(f"{name} has no column {column!r}; its columns are {known}.")
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

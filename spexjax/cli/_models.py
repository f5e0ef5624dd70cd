"""`spexjax models`: which models are at hand, and whether they can be explained."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from spexjax._printable import printable
from spexjax.cli._arguments import add_output
from spexjax.cli._output import answer, say, shown

HELP = "list the models at hand, and whether spexjax runs them"


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Which models.

    Args:
      command: gets the arguments.
    """
    command.add_argument(
        "models",
        nargs="*",
        help="folders, .gguf files or smollm2 (default: smollm2 and what the Hugging Face cache holds)",
    )
    add_output(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Reads configs and the headers of weights, but no weights, and downloads nothing.

    Args:
      args: of the command.
      start: when it was called.
    """
    from spexjax.models import architecture_names, model_facts

    rows: list[dict[str, Any]] = []
    named = [(name, name) for name in args.models] or [("smollm2", "smollm2"), *_in_hub_cache()]
    for name, source in named:
        try:
            rows.append({"model": name, **model_facts(source)._asdict(), "problem": None})
        except (ValueError, OSError) as error:
            rows.append({"model": name, "problem": str(error)})
    say(args, shown(_table(rows)))
    say(args, f"families  {', '.join(architecture_names())} (register_architecture adds yours)\n")
    answer(args, {"models": rows, "families": list(architecture_names())})
    return 2 if args.models and any(row["problem"] for row in rows) else 0


def _in_hub_cache() -> Iterator[tuple[str, Path]]:
    """The name and the folder of each model in the hub's cache, in its newest revision."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repository in sorted(repositories, key=lambda each: each.repo_id):
        if repository.repo_type == "model" and repository.revisions:
            newest = max(repository.revisions, key=lambda each: each.last_modified)
            yield repository.repo_id, Path(newest.snapshot_path)


def _table(rows: list[dict[str, Any]]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1))
    table.add_column("model", overflow="fold")
    table.add_column("family")
    for column in ("weights", "layers", "heads", "context", "memory"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    for row in rows:
        if row["problem"]:
            table.add_row(Text(printable(row["model"])), Text("not run", "red"), *[""] * 6)
        else:
            numbers = f"{row['parameters'] / 1e6:,.1f} M", str(row["layers"]), str(row["heads"]), f"{row['context']:,}"
            memory, licence = f"{row['memory'] / 1e6:,.0f} MB", printable(row["licence"] or "not said")
            table.add_row(Text(printable(row["model"])), row["family"], *numbers, memory, Text(licence))
    problems = [Text(f"{printable(row['model'])}: {printable(row['problem'])}") for row in rows if row["problem"]]
    table.caption = Text("\n").join(problems) if problems else None
    table.caption_justify = "left"
    return table

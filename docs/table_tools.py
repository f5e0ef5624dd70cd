"""What the writers of tables share: results in, Markdown out."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BLOCKS: dict[str, Callable[[], str]] = {}


def block(write: Callable[[], str]) -> Callable[[], str]:
    """Makes a function the writer of the block of its name."""
    BLOCKS[write.__name__] = write
    return write


def result(name: str) -> dict:
    """What a benchmark has written."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def span(numbers: Iterable[float], form: str = ".2f") -> str:
    """The smallest and the largest number; one, where they are printed alike."""
    numbers = list(numbers)
    low, high = f"{min(numbers):{form}}", f"{max(numbers):{form}}"
    return low if low == high else f"{low} to {high}"


def grouped(rows: Iterable[dict], keys: tuple[str, ...], value: str) -> dict[tuple, list[float]]:
    """The values of the rows, by their keys."""
    found = defaultdict(list)
    for row in rows:
        found[tuple(row[key] for key in keys)].append(row[value])
    return found

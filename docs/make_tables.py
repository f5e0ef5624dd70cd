"""Writes the tables of docs/benchmarks.md, between `<!-- name -->` and `<!-- /name -->`, from benchmarks/results.

python docs/make_tables.py            # writes the page
python docs/make_tables.py --check    # fails where the page says something else
"""

import re
import sys
from pathlib import Path

import benchmark_tables  # noqa: F401 - registers its writers
from table_tools import BLOCKS

PAGE = Path(__file__).with_name("benchmarks.md")


def page(text: str) -> str:
    """The page with every block as it should be.

    Args:
      text: the page as it is.

    Raises:
      ValueError: if a block has no writer, or a writer no block.
    """
    names = re.findall(r"^<!-- (\w+) -->$", text, re.MULTILINE)
    if sorted(names) != sorted(BLOCKS):
        raise ValueError(f"The page has the blocks {sorted(names)}, but there are writers of {sorted(BLOCKS)}.")
    for name in names:
        marked = re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        text = marked.sub(lambda _, name=name: f"<!-- {name} -->\n\n{BLOCKS[name]()}\n\n<!-- /{name} -->", text)
    return text


if __name__ == "__main__":
    now = PAGE.read_text(encoding="utf-8")
    then = page(now)
    if "--check" in sys.argv and now != then:
        different = [name for name, write in BLOCKS.items() if write() not in now]
        raise SystemExit(f"docs/benchmarks.md and benchmarks/results differ in {', '.join(different)}.")
    PAGE.write_text(then, encoding="utf-8")

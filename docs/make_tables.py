"""Writes what README and docs/benchmarks.md say of benchmarks, between `<!-- name -->` and `<!-- /name -->`.

python docs/make_tables.py            # writes the pages
python docs/make_tables.py --check    # fails where a page says something else than benchmarks/results
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import benchmark_tables  # noqa: F401 - registers its writers
from readme_claims import claims
from table_tools import BLOCKS

HERE = Path(__file__).parent
PAGES = {HERE / "benchmarks.md": BLOCKS, HERE.parent / "README.md": {"claims": claims}}


def page(text: str, writers: Mapping[str, Callable[[], str]]) -> str:
    """The page with every block as it should be.

    Args:
      text: the page as it is.
      writers: of its blocks.

    Raises:
      ValueError: if a block has no writer, or a writer no block.
    """
    names = re.findall(r"^<!-- (\w+) -->$", text, re.MULTILINE)
    if sorted(names) != sorted(writers):
        raise ValueError(f"The page has the blocks {sorted(names)}, but there are writers of {sorted(writers)}.")
    for name in names:
        marked = re.compile(rf"<!-- {name} -->\n.*?<!-- /{name} -->", re.DOTALL)
        text = marked.sub(lambda _, name=name: f"<!-- {name} -->\n\n{writers[name]()}\n\n<!-- /{name} -->", text)
    return text


if __name__ == "__main__":
    for path, writers in PAGES.items():
        now = path.read_text(encoding="utf-8")
        then = page(now, writers)
        if "--check" in sys.argv and now != then:
            different = [name for name, write in writers.items() if write() not in now]
            raise SystemExit(f"{path.name} and benchmarks/results differ in {', '.join(different)}.")
        path.write_text(then, encoding="utf-8")

"""Writes docs/names.md: the public names and the first line of what each docstring says.

python docs/make_names.py
"""

import inspect
import sys
from pathlib import Path
from textwrap import shorten
from types import ModuleType

sys.path.insert(0, str(Path(__file__).parents[1]))  # this tree, even where another one is installed
import spexjax as sx

PAGE = Path(__file__).with_name("names.md")


def page() -> str:
    """The page, as it should be."""
    rooms = [name for name in sx.__all__ if isinstance(getattr(sx, name), ModuleType)]
    rows = [_row(f"sx.{name}", getattr(sx, name)) for name in sx.__all__ if name not in rooms]
    parts = ["# Public names", "", "`import spexjax as sx`. `docs/make_names.py` writes this page from docstrings.", ""]
    parts += ["| name | what it is |", "|---|---|", *rows]
    for room in rooms:
        module = getattr(sx, room)
        parts += ["", f"## sx.{room}", "", _first_line(module), "", "| name | what it is |", "|---|---|"]
        parts += [_row(f"sx.{room}.{name}", getattr(module, name)) for name in _offered(module)]
    return "\n".join(parts) + "\n"


def _offered(module: ModuleType) -> list[str]:
    own = [n for n, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return sorted(getattr(module, "__all__", [n for n in own if not n.startswith("_")]))


def _row(name: str, value: object) -> str:
    return f"| `{name}` | {_first_line(value)} |"


def _first_line(value: object) -> str:
    documented = isinstance(value, ModuleType | type) or callable(value)
    text = inspect.getdoc(value) if documented else f"`{shorten(repr(value), 100)}`"
    return (text or "").split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")

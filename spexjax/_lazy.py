"""Names that a package offers, but imports only when they are asked for (PEP 562)."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(
    package: dict[str, Any], names: Sequence[str], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package.

    Args:
      package: its `globals()`, where a name stays once it has been imported.
      names: all that it offers.
      homes: the module of each name, relative to the package; a name without one is a module itself.
    """

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package['__name__']!r} has no attribute {name!r}")
        module = import_module(f"{package['__name__']}.{homes.get(name, name)}")
        return package.setdefault(name, getattr(module, name) if name in homes else module)

    return load, lambda: sorted({*names, *(name for name in package if name.startswith("__"))})

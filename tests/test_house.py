"""The house rules: who may import whom, and which names are public."""

import ast
import dataclasses
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

import spexjax

PACKAGE = Path(spexjax.__file__).parent
LAYERS = {
    **dict.fromkeys(["typing", "durable", "equality", "printable", "records", "values"], 0),
    **dict.fromkeys(["spectrum", "ends", "surrogate", "codes", "transforms"], 1),
    **dict.fromkeys(["designs", "decoder", "proxies", "indices", "metrics", "subsets", "saved"], 2),
    **dict.fromkeys(["models", "ablations", "evaluation"], 3),
    **dict.fromkeys(["budget", "explanation", "explain", "influence", "methods", "spex"], 4),
    **dict.fromkeys(["report", "interop"], 5),
    **dict.fromkeys(["cli", "demo"], 6),
    "__main__": 7,
}
SIBLINGS = {
    ("decoder", "designs"),
    ("proxies", "metrics"),
    ("subsets", "indices"),
    ("surrogate", "spectrum"),
    ("transforms", "spectrum"),
    ("ablations", "models"),
    ("explain", "budget"),
    ("explain", "explanation"),
    ("explain", "methods"),
    ("explain", "spex"),
    ("methods", "spex"),
    ("explanation", "influence"),
}
LAZY = {"lightgbm": "proxies", "matplotlib": "report", "torch": "", "shapiq": "interop", "ray": ""}
FORBIDDEN = {"explain": {"models"}, "explanation": {"models"}, "evaluation": {"models", "ablations"}}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports(tree, top_level_only=False):
    """Modules imported in a file, and whether at the top level."""
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_downward_only(path):
    here, tree = room(path), ast.parse(path.read_text())
    if here == "__init__":
        return
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] in ("experiments", "benchmarks", "colab"):
            pytest.fail(f"{name} is not for the package")
        if parts[0] in LAZY:
            assert LAZY[parts[0]] == here, f"{parts[0]} is for {LAZY[parts[0]] or 'nobody'}"
        if parts[0] != "spexjax" or len(parts) == 1:
            continue
        there = parts[1]
        if there not in LAYERS:  # a public name out of spexjax/__init__, which only the command line may use
            assert here == "cli", name
        elif there != here:
            lower = LAYERS[there] < LAYERS[here] or (here, there) in SIBLINGS or (here, there) == ("cli", "demo")
            assert lower, f"{here} must not import {there}"
            assert there not in FORBIDDEN.get(here, ()), f"{here} must not know {there}"
    heavy = {"lightgbm", "matplotlib", "torch", "shapiq", "ray", "transformers"}
    at_top = {name.split(".")[0] for name in imports(tree, top_level_only=True)}
    assert not at_top & heavy, "imported lazily, inside the function that needs it"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_numerics_are_pure(path):
    if LAYERS.get(room(path), 9) > 2:
        return
    text = path.read_text()
    assert "numpy.random" not in text
    assert "np.random" not in text
    assert "logging" not in text
    assert not re.search(r"\bprint\(", re.sub(r">>> .*", "", text))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_one_concept_per_file(path):
    assert len(path.read_text().splitlines()) <= 400


def test_files_are_written_durably():
    written = re.compile(r"\.write_(text|bytes)\(|open\([^)]*[\"'][wax]b?[\"']")
    assert [p.name for p in FILES if written.search(p.read_text())] == ["durable.py"], "use durable.write_durably"


def test_dataclasses_that_hold_arrays_can_be_compared():
    for module in {path.relative_to(PACKAGE.parent).with_suffix("") for path in FILES if path.name != "__main__.py"}:
        for cls in vars(importlib.import_module(".".join(module.parts).removesuffix(".__init__"))).values():
            if isinstance(cls, type) and cls.__module__.startswith("spexjax") and dataclasses.is_dataclass(cls):
                arrays = [f for f in dataclasses.fields(cls) if f.type is Any or "jaxtyping" in str(f.type)]
                unequal = arrays and cls.__dataclass_params__.eq and not cls.__name__.startswith("_")
                assert not unequal, f"{cls.__name__} needs eq=False, and by_content"


def test_public_names():
    public = spexjax.__all__
    assert public == sorted(public, key=lambda name: (not name.isupper(), name[0].islower(), name))
    for name in public:
        assert getattr(spexjax, name).__doc__ or name == "INDICES", f"{name} has no docstring"
    readme = (PACKAGE.parent / "README.md").read_text()
    table = set(re.findall(r"^\| `sx\.(\w+)", readme, re.MULTILINE))
    assert table == set(public)
    for room_name in (
        "ablations",
        "codes",
        "decoder",
        "designs",
        "evaluation",
        "indices",
        "metrics",
        "models",
        "proxies",
        "subsets",
        "surrogate",
        "transforms",
    ):
        module = getattr(spexjax, room_name)
        assert all(hasattr(module, name) for name in module.__all__)


def test_version_is_said_once():
    version = re.search(r'^version = "(.*)"', (PACKAGE.parent / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert spexjax.__version__ == version

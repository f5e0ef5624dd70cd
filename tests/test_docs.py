"""What README and docs show is what happens: their code runs, and their commands are understood."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from common import GOLDEN

import spexjax as sx
from spexjax.cli._main import _parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPTIONAL = ("httpx", "pyarrow", "shapiq", "sklearn", "spectralexplain")  # other packages, which need not be there
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    found = [code for kind, code in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]
    return [code for code in found if "--8<--" not in code]  # those files have tests of their own


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A tiny model instead of the real one, with fewer layers and other answers."""
    model, answers = sx.load_model(GOLDEN / "tiny_llama3"), {"answers": ("x", "y")}
    text, components = sx.ablations.text, sx.ablations.components
    monkeypatch.setattr(sx, "load_model", lambda name: model)
    monkeypatch.setattr(
        sx.ablations, "text", lambda *args, **asked: text(*args, **asked | ({} if "value" in asked else answers))
    )
    monkeypatch.setattr(
        sx.ablations,
        "components",
        lambda model, prompts, _, **asked: components(model, prompts, ("x", "y"), **asked | {"layers": None}),
    )
    monkeypatch.chdir(tmp_path)


def run_page(page):
    names = {"__name__": page.stem}
    for code in blocks(page, "python"):
        try:
            exec(compile(code, page.name, "exec"), names)
        except ImportError as error:  # the rest of the page runs
            if not any(package in str(error) for package in OPTIONAL):
                raise


CODE = [p for p in PAGES if blocks(p, "python")]
IN_FULL = ("README", "index", "spex")  # the other pages in full only with -m slow


@pytest.mark.parametrize("page", [p for p in CODE if p.stem in IN_FULL], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tiny):
    run_page(page)


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in CODE if p.stem not in IN_FULL], ids=lambda page: page.stem)
def test_the_code_of_another_page_runs_from_top_to_bottom(page, tiny):
    run_page(page)


@pytest.mark.parametrize("page", [p for p in CODE if p.stem not in IN_FULL], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_with_quick_fits(page, tiny, monkeypatch):
    for name in ("explain", "explain_each", "explain_many"):
        monkeypatch.setattr(sx, name, quick(getattr(sx, name)))
    run_page(page)


def quick(explain):
    """Fits by least squares, for which nothing is compiled, where no method is asked for."""
    return lambda *args, **asked: explain(*args, **{"method": "least-squares"} | asked)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "bash")], ids=lambda page: page.stem)
def test_the_commands_of_a_page_are_understood(page):
    commands = 0
    for code in blocks(page, "bash"):
        for line in code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] == ".venv/bin/spexjax":
                _parser().parse_args(words[1:])
                commands += 1
    assert commands


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)\)", BLOCK.sub("", page.read_text(encoding="utf-8"))):
            if "://" not in target and not target.startswith("images/"):
                assert (page.parent / target).exists(), (page.name, target)


def test_messages_that_are_explained_are_said():
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "spexjax").rglob("*.py"))
    quoted = re.findall(r'^\*\*"(.+?)"\*\*', (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert quoted
    for message in quoted:
        assert message in source, message


def test_the_table_of_indices_is_that_of_the_records():
    indices = (ROOT / "docs" / "concepts" / "indices.md").read_text(encoding="utf-8").replace("\\|", "|")
    for name in sx.indices.INDICES:
        record = sx.indices.get(name)
        assert f"| `{name}` | {record.definition} | {record.reference} |" in indices


@pytest.mark.parametrize("script", ["docs/make_tables.py", "benchmarks/results_page.py"])
def test_benchmarks_are_those_of_the_results(script):
    command = [sys.executable, ROOT / script, "--check"]  # a process of its own: two files are `common`
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}Run python {script}."

"""What README and docs show is what happens: their code runs, and their commands are understood."""

import re
import shlex
from pathlib import Path

import pytest
from common import GOLDEN

import spexjax as sx
from spexjax.cli._main import _parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page, language):
    found = [code for kind, code in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]
    return [code for code in found if "--8<--" not in code]  # those files have tests of their own


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    """With a tiny model instead of the real one, which knows other answers."""
    tiny, text = sx.load_model(GOLDEN / "tiny_llama3"), sx.ablations.text
    monkeypatch.setattr(sx, "load_model", lambda name: tiny)
    monkeypatch.setattr(sx.ablations, "text", lambda *args, **asked: text(*args, **asked | {"answers": ("x", "y")}))
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)


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

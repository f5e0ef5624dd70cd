"""Notebooks run top to bottom, on a smaller budget and without what only a notebook has."""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "colab"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
@pytest.mark.usefixtures("smollm2")
def test_runs_top_to_bottom(path, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and "%pip" not in source and "IPython" not in source:
            exec(compile(source.replace("budget=512", "budget=64"), str(path), "exec"), scope)
    assert "R2" in capsys.readouterr().out
    assert Path("out/explanation.html").exists()
    assert Path("out/explanation.json").exists()

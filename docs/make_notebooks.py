"""Writes colab/NAME.ipynb from the text form beside it, colab/NAME.py: its cells, executed, with their outputs.

python docs/make_notebooks.py              # all of them; minutes each
python docs/make_notebooks.py quickstart   # or some
"""

import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "colab"
METADATA = {
    "accelerator": "TPU",
    "colab": {"provenance": []},
    "jupytext": {"cell_metadata_filter": "-all", "formats": "ipynb,py:percent", "notebook_metadata_filter": "-all"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook(text: Path) -> nbformat.NotebookNode:
    """The cells of a text form, without outputs.

    Args:
      text: a file in jupytext's percent format.
    """
    made = jupytext.read(text, fmt="py:percent")
    made.metadata = nbformat.from_dict(METADATA)
    for i, cell in enumerate(made.cells):
        cell.id, cell.metadata = f"cell-{i}", nbformat.from_dict({})
    return made


def execute(made: nbformat.NotebookNode, folder: Path) -> None:
    """Runs all cells in a kernel of its own, from this tree; their outputs are kept, but for progress.

    Args:
      made: the notebook, changed in place.
      folder: where the kernel starts.

    Raises:
      nbclient.exceptions.CellExecutionError: if a cell fails.
      ValueError: if a cell warns.
    """
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    client = NotebookClient(
        made,
        timeout=1800,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,  # or progress between two prints makes two outputs of them, now and then
    )
    client.execute(env=os.environ | {"PYTHONPATH": path})
    made.metadata = nbformat.from_dict(METADATA)  # not the version of this Python
    for cell in made.cells:
        outputs = cell.get("outputs", [])
        said = "".join(output.text for output in outputs if output.get("name") == "stderr")
        if "Warning" in said:
            raise ValueError(f"A cell warns: {said}")
        if outputs:
            cell.outputs = [output for output in outputs if output.get("name") != "stderr"]


if __name__ == "__main__":
    os.environ.pop("CI", None)  # the full budgets
    for name in sys.argv[1:] or sorted(text.stem for text in FOLDER.glob("*.py")):
        made = notebook(FOLDER / f"{name}.py")
        with tempfile.TemporaryDirectory() as folder:
            execute(made, Path(folder))
        nbformat.write(made, FOLDER / f"{name}.ipynb")
        print(name, f"{(FOLDER / f'{name}.ipynb').stat().st_size / 1e3:.0f} kB", flush=True)

"""The page of results, a table for each question: benchmarks/RESULTS.md from benchmarks/results.

python benchmarks/results_page.py            # writes the page
python benchmarks/results_page.py --check    # fails where the page says something else
"""

import json
import sys
from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "docs"))
import benchmark_tables  # noqa: E402, F401 - registers the writers of tables
import table_tools  # noqa: E402


class Question(NamedTuple):
    """What is asked, the tables that answer it, and the file of results they are written from."""

    asks: str
    tables: tuple[str, ...]
    result: str


QUESTIONS = (
    Question(
        "How well is the model predicted where no ablation was spent?",
        ("faithfulness_held_out", "faithfulness"),
        "faithfulness",
    ),
    Question("How many times the ablations do others need for the same R2?", ("ablations_needed",), "faithfulness"),
    Question("Is it ever worse than the simplest fit?", ("never_worse",), "faithfulness"),
    Question(
        "How far off are Shapley-type and Banzhaf-type indices?",
        ("index_best", "index_error", "index_error_few", "index_losses"),
        "index_error",
    ),
    Question("How long from a text to an explanation that is good enough?", ("equal_quality",), "equal_quality"),
    Question("Can an explanation's own statements be trusted?", ("calibration",), "calibration"),
    Question("What does it help to look at the string that is left?", ("strings",), "strings"),
    Question("What do co-values save?", ("covalues", "covalues_saved"), "covalues"),
    Question("What does a backward pass foresee near the full model?", ("gradient",), "gradient"),
    Question("What does attention foresee where ablations are few?", ("relevances",), "relevances"),
    Question("Do explanations of other inputs help?", ("carry_over",), "carry_over"),
    Question("Does it pay to choose masks on the way?", ("adaptive",), "adaptive"),
    Question("How many ablated texts a second?", ("throughput",), "throughput"),
    Question("How many of other families?", ("family_speed",), "family_speed"),
    Question("Are the logits of a published model right?", ("real_models",), "real_models"),
    Question("How fast is a service asked, and is anything asked twice?", ("service",), "service"),
    Question("How many ablations of heads a second?", ("component_speed",), "component_speed"),
    Question("How many retrainings a second?", ("retraining",), "retraining"),
    Question("How long do people wait?", ("latency",), "latency"),
    Question("How long does another part of an answer take?", ("spans",), "spans"),
    Question("Which signals does SPEX recover?", ("spex_recovery",), "spex_recovery"),
    Question("How many masks does SPEX need, and how fast is it decoded?", ("spex_masks", "spex_speed"), "spex_speed"),
    Question("SPEX or ProxySPEX on real games?", ("spex_games",), "spex_games"),
    Question("What about very many masks?", ("many_masks",), "many_masks"),
    Question("Is the most influential subset found?", ("subsets",), "subsets"),
    Question("What do a store and a long run of masks cost?", ("sweep",), "sweep"),
    Question("How does the time grow with the size of a problem?", ("growth",), "growth"),
    Question("How do a long sweep and a large store grow?", ("store_growth",), "store_growth"),
)
_HEAD = """# Results

Written by `python benchmarks/results_page.py` from `results/`. [docs/benchmarks.md](../docs/benchmarks.md) says how
each was measured, and [games/README.md](games/README.md) which games were looked at while the methods were developed.
What holds on those may not hold on others, so games held out have rows of their own.
"""


def written_page(
    folder: Path, questions: Iterable[Question] = QUESTIONS, failed: Container[str] = (), head: str = _HEAD
) -> str:
    """The page of all questions, written from the results of a folder.

    Args:
      folder: of JSON files.
      questions: in order; one without results is named at the end.
      failed: results of which only a part may be there; their questions are named at the end, too.
      head: what the page begins with.
    """
    before, table_tools.RESULTS = table_tools.RESULTS, folder
    try:
        parts, missing = [head], []
        for asks, tables, result in questions:
            if result in failed or not (folder / f"{result}.json").exists():
                missing.append(asks)
                continue
            parts += [
                f"## {asks}\n",
                *(f"{table_tools.BLOCKS[table]()}\n" for table in tables),
                _origin(folder, result),
            ]
    finally:
        table_tools.RESULTS = before
    if missing:
        parts.append("Not measured here: " + " ".join(missing) + "\n")
    return "\n".join(parts)


def _origin(folder: Path, result: str) -> str:
    """Which file has the numbers, and of which versions and machine they are."""
    record = json.loads((folder / f"{result}.json").read_text())
    versions = ", ".join(f"{name} {number}" for name, number in record.get("versions", {}).items())
    about = [f"`results/{result}.json`", *filter(None, [versions, record.get("machine")])]
    return "; ".join(about) + ".\n"


if __name__ == "__main__":
    path = HERE / "RESULTS.md"
    page = written_page(HERE / "results")
    if "--check" in sys.argv and path.read_text(encoding="utf-8") != page:
        raise SystemExit("benchmarks/RESULTS.md and benchmarks/results differ; run python benchmarks/results_page.py.")
    path.write_text(page, encoding="utf-8")

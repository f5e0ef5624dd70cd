"""One explanation: made, shown, and written as a page and a file."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spexjax._printable import printable
from spexjax.cli._output import answer, say, shown
from spexjax.cli._requests import how_to_explain

if TYPE_CHECKING:
    from spexjax import Ablation, Explanation
    from spexjax.models import LanguageModel

_ASKED = (
    "model",
    "answers",
    "value",
    "removal",
    "service",
    "warnings",
    "ablations",
    "evaluations",
    "seconds",
)  # of the provenance


def explain_one(
    args: argparse.Namespace,
    start: float,
    lens: "Callable[[LanguageModel], Ablation]",
) -> int:
    """Explains an ablation of a model; prints the table, and writes the page and the file. Of several values, each.

    Args:
      args: of the command.
      start: when the command was called.
      lens: makes the ablation.
    """
    import spexjax as sx
    from spexjax._status import phase

    how = how_to_explain(args)
    with phase("load the model", how["progress"]) as loading:
        model = sx.load_model(args.model, dtype=args.dtype)
        ablation = lens(model)
    return explain_made(args, start, ablation, how, loading.compile_seconds)


def explain_made(
    args: argparse.Namespace, start: float, ablation: "Ablation", how: Mapping[str, Any], compile_seconds: float = 0.0
) -> int:
    """Explains an ablation that is made, as `explain_one`.

    Args:
      args: of the command.
      start: when the command was called.
      ablation: what to explain.
      how: the options of `explain`.
      compile_seconds: those of loading the model.
    """
    import spexjax as sx
    from spexjax._status import phase
    from spexjax.report import interaction_table, where_time_went, write_html

    progress = how["progress"]
    if ablation.num_values is not None:
        from spexjax.cli._several import explain_values

        return explain_values(args, start, ablation, how)
    seconds = {"load": time.perf_counter() - start - compile_seconds}
    explanation = sx.explain(ablation, **how)
    asked, table = {"index": args.index, "max_order": args.order, "progress": False}, ""
    try:  # the files first, for a terminal may fail; if the files do, the table is still worth a look
        with phase("report", progress) as reporting:
            table = shown(interaction_table(explanation, top=args.top, **asked))
            page = write_html(explanation, args.out / "explanation.html", **asked)
            file = explanation.save(args.out)
    finally:
        say(args, table)
    seconds |= explanation.provenance["seconds"] | {"report": reporting.seconds}
    seconds["compile"] += compile_seconds + reporting.compile_seconds
    say(args, f"time  {where_time_went(seconds)} · total {time.perf_counter() - start:.1f} s\n")
    say(args, f"page  {printable(str(page))}\nJSON  {printable(str(file))}\n")
    answer(args, record(args, explanation, page, file))
    return 0


def record(args: argparse.Namespace, explanation: "Explanation", page: Path, file: Path) -> Mapping[str, Any]:
    """An explanation for --json.

    Args:
      args: say which interactions.
      explanation: what was found.
      page: its page.
      file: its file.
    """
    from spexjax.indices import rows

    table, faithfulness = explanation.interactions(args.index, args.order), explanation.faithfulness
    return {
        **{name: explanation.provenance[name] for name in _ASKED if name in explanation.provenance},
        "method": explanation.method,
        "feature_names": list(explanation.feature_names),
        "faithfulness": {
            "r2": faithfulness.r2,
            "standard_error": faithfulness.error,
            "exact": faithfulness.exact,
            "scheme": faithfulness.scheme,
            **({} if explanation.keep_probability is None else {"keep": explanation.keep_probability}),
        },
        "index": table.index,
        "max_order": table.max_order,
        **({"note": table.note} if table.note else {}),
        "interactions": rows(table.top(args.top)),
        "page": str(page),
        "file": str(file),
    }

"""What the file of an explanation says to readers that know nothing of spexjax; loading needs none of it."""

from typing import Any

import numpy as np

from spexjax._records import plain
from spexjax.explanation._verdict import verdict
from spexjax.indices import rows

_INDICES = {"SV": 1, "BV": 1, "FSII": 2}  # with their orders
_NEAR = {"WBV": 1, "WBII": 2}  # and these where `explain(keep=...)` drew the masks
_MOST = 100  # interactions of each that are written


def summary(explanation: Any) -> dict[str, Any]:
    """The faithfulness and the strongest values of the main indices with their standard errors, as plain JSON values.

    `docs/explanation.schema.json` describes it, under "summary".

    Args:
      explanation: an Explanation that can be loaded.
    """
    faithfulness = explanation.faithfulness
    with np.errstate(over="ignore", invalid="ignore"):  # of values as large as numbers get, which become null
        wanted = _INDICES if explanation.keep_probability is None else _NEAR | _INDICES
        indices = {name: found for name, order in wanted.items() if (found := _index(explanation, name, order))}
        said = verdict(explanation)
    near = {} if explanation.keep_probability is None else {"keep": explanation.keep_probability}
    return {
        "verdict": [*said],
        "num_features": len(explanation.feature_names),
        "ablations": len(explanation.values),
        "faithfulness": plain(
            {
                "r2": faithfulness.r2,
                "standard_error": faithfulness.error,
                "exact": faithfulness.exact,
                "scheme": faithfulness.scheme,
                "held_out": len(faithfulness.rows),
                **near,
            },
            "faithfulness",
        ),
        "indices": indices,
    }


def _index(explanation: Any, name: str, order: int) -> dict[str, Any] | None:
    try:
        table = explanation._glance(name, order)
    except ValueError:  # the sets of its terms are too many
        return None
    strongest = table.top(_MOST)
    return {
        "max_order": order,
        **({"note": table.note} if table.note else {}),
        "interactions": rows(strongest),
        "left_out": int((table.orders > 0).sum()) - len(strongest),
    }

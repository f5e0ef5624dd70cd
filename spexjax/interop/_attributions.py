"""A matrix of attributions, as Captum's and inseq's plots of language models take it."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from spexjax.explanation import Combination, Explanation
from spexjax.indices import check_same_features


class Attributions(NamedTuple):
    """What each input feature contributes to each output."""

    matrix: Float[np.ndarray, "outputs inputs"]  # Captum's `token_attr`; inseq's is transposed
    standard_errors: Float[np.ndarray, "outputs inputs"]  # NaN where unknown
    input_tokens: tuple[str, ...]
    output_tokens: tuple[str, ...]


def attributions(
    explanations: Explanation | Combination | Iterable[Explanation | Combination],
    index: str = "SV",
    output_tokens: Sequence[str] | None = None,
) -> Attributions:
    """The first-order values of one or more explanations of the same features, one row each.

    Explain one answer for a single row, or every token of an answer for a row each. With Captum,
    `captum.attr.LLMAttributionResult(seq_attr=torch.tensor(m.sum(0)), token_attr=torch.tensor(m), ...)` draws them.

    Args:
      explanations: one or several.
      index: an index that has values for single features.
      output_tokens: what each row explains; by default the answers in the provenance, or "output 0", ...

    Raises:
      ValueError: if there are no explanations, their features differ, or there is not one output token for each.
    """
    several = [explanations] if isinstance(explanations, Explanation | Combination) else list(explanations)
    if not several or not all(isinstance(each, Explanation | Combination) for each in several):
        raise ValueError("attributions takes one or more explanations, from explain, fit or load.")
    names = several[0].feature_names
    for other in several[1:]:
        check_same_features(names, other.feature_names)
    outputs = [_output(each, i) for i, each in enumerate(several)] if output_tokens is None else [*output_tokens]
    if len(outputs) != len(several):
        raise ValueError(f"There are {len(several)} explanations but {len(outputs)} output tokens.")
    matrix = np.zeros((2, len(several), len(names)))
    for i, each in enumerate(several):
        table = each.interactions(index, 1).order(1)
        columns = table.support[:, 0]
        matrix[0, i, columns], matrix[1, i, columns] = table.values, table.standard_errors
    return Attributions(matrix[0], matrix[1], tuple(names), tuple(outputs))


def _output(explanation: Any, i: int) -> str:
    answers = getattr(explanation, "provenance", {}).get("answers") or [f"output {i}"]
    return " - ".join(map(str, answers))

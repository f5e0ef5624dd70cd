"""What can be said against a request to remove components before any model is loaded."""

from collections.abc import Callable, Sequence
from typing import Any

from spexjax.ablations._components._fill import FILLS
from spexjax.ablations._components._prompt_set import AVERAGES
from spexjax.ablations._prompts._answers import check_answers
from spexjax.ablations._prompts._own_value import Value, own_value
from spexjax.ablations._prompts._strings import check_text


def precheck_components(
    prompts: Sequence[str],
    answers: str | Sequence[str] | Sequence[Sequence[str]],
    *,
    units: str = "head",
    fill: str = "zero",
    references: Sequence[str] | None = None,
    rescale: bool = False,
    value: str | Value | Callable[..., Any] | None = None,
) -> None:
    """Checks the arguments of `ablations.components` as far as that needs no model, which may take minutes to load.

    Args:
      prompts: as in `ablations.components`, like all that follow.
      answers: the right one first.
      units: what is removed.
      fill: the name of a fill.
      references: prompts for the fill.
      rescale: whether kept heads are scaled up.
      value: what is averaged over prompts.

    Raises:
      ValueError: as `ablations.components` would.

    >>> precheck_components(["Paris is in"], (" France", " Spain"), fill="mean")
    """
    filling = FILLS.get(fill)
    if rescale and (filling.uses_references or "head" not in units):
        raise ValueError("Rescaling makes up for heads that are missing: it needs head units and fill 'zero'.")
    if units == "expert" and filling.uses_references:
        raise ValueError("Experts are removed, not replaced: units 'expert' need fill 'zero'.")
    if references is not None and not filling.uses_references:
        raise ValueError(f"Fill {fill!r} uses no references; leave them out.")
    if references is not None and (not references or isinstance(references, str)):
        raise ValueError("References must be a list of prompts, at least one.")
    if isinstance(prompts, str) or not prompts:
        raise ValueError("Give a list of prompts, at least one.")
    for prompt in (*prompts, *(references or ())):
        check_text("prompt", prompt)
    own_value(value, AVERAGES, answers)
    read_as = value if isinstance(value, str | None) else "log-probability"
    check_answers(answers, read_as, AVERAGES, len(prompts))

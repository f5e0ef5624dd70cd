"""The lens on text for any callable: lists of ablated strings in, numbers out."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spexjax._identity import fingerprint_of
from spexjax.ablation import Ablation, Plan, plan_rows, unnamed
from spexjax.ablations._prompts._strings import check_text
from spexjax.ablations._text._pieces import Pieces, cut_string, marked
from spexjax.typing import Masks, Values


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TextFunctionAblation(Ablation):
    """f(mask) = what a function makes of the text with only the kept units; made by `text_function`."""

    fn: Callable[[list[str]], Any]
    pieces: Pieces
    removal: str
    batch_size: int
    name: str  # of the function, for the page
    values: tuple[str, ...] | None  # their names, if there are several
    fingerprint: str

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The units."""
        return self.pieces.names

    @property
    def num_values(self) -> int | None:
        """The number of values, if they have names."""
        return None if self.values is None else len(self.values)

    @property
    def value_names(self) -> tuple[str, ...] | None:
        """The names that were given."""
        return self.values

    @property
    def structure(self) -> str:
        """ "sequence" if removed units are deleted, so that others meet."""
        return self.pieces.structure

    def describe(self) -> dict:
        """What is explained, as plain JSON values; the pieces, `[string, feature or -1]`, make up the text."""
        made_of = marked(self.pieces.text, self.pieces.spans)
        return {"model": self.name, "pieces": made_of, "value": self.name, "removal": self.removal}

    def describe_part(self, part: Sequence[int]) -> dict:
        """The values that are explained, by name."""
        return {"value": " + ".join((self.values or ())[i] for i in part)}

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """Cuts the distinct strings into batches; masks that leave the same string share one evaluation."""
        strings = self.pieces.strings(np.asarray(masks))
        index = {string: i for i, string in enumerate(dict.fromkeys(strings))}
        rows = np.array(list(index), object)
        size = self.batch_size
        plan = plan_rows(self._called, rows, batch_size=size, devices=devices, shrink=shrink, compiled=False)
        return plan._replace(owner=np.array([index[string] for string in strings], np.int64))

    def _called(self, _: None, rows: np.ndarray) -> Any:
        strings = rows.tolist()
        try:
            found = self.fn(strings)
        except Exception as error:
            shortest = min(strings, key=len)
            error.add_note(f"while {self.name} was given {len(strings)} strings, the shortest of them {shortest!r}")
            raise
        if hasattr(found, "detach"):  # of torch
            found = found.detach().float().cpu().numpy()
        try:
            shape = getattr(found, "shape", None) or np.shape(found)
        except ValueError:
            raise ValueError(f"{self.name} gives lists of several lengths: return a number for each string.") from None
        if _of_dictionaries(found):
            raise ValueError(
                f"{self.name} gives dictionaries: return a number for each string, such as [d['score'] for d in found]."
            )
        if self.values is None and len(shape) == 2:
            advice = "give value_names=... and take sx.explain_each" if shape[1] > 1 else "return b numbers, not [b, 1]"
            raise ValueError(f"{self.name} gives {shape[1]} values for each string: {advice}.")
        return found


def _of_dictionaries(found: Any) -> bool:
    """Whether this is what pipelines of transformers return: a dictionary for each string, or several."""
    first = found[0] if isinstance(found, list | tuple) and found else found
    return isinstance(first[0] if isinstance(first, list | tuple) and first else first, dict)


def text_function(
    fn: Callable[[list[str]], Values | Sequence[float]],
    text: str,
    *,
    features: str | Sequence[tuple[int, int]] = "word",
    removal: str = "delete",
    replacement: str | None = None,
    batch_size: int = 32,
    value_names: Sequence[str] | None = None,
    name: str | None = None,
    fingerprint: str | None = None,
) -> TextFunctionAblation:
    """Any Python function of strings as a value function: a torch pipeline, a vLLM engine, a classifier, a rule.

    Units, names and removals are those of `text`. Strings that several masks leave are handed over once.

    Args:
      fn: maps a list of b ablated strings to b numbers `[b]`, or `[b, t]` if there are t value names. The string is
        empty where all units are removed.
      text: what is explained.
      features: as in `text`, without "token".
      removal: as in `text`; a removal that gives strings, so not "hide".
      replacement: as in `text`.
      batch_size: the most strings in one call, at least 1.
      value_names: t names, if fn gives t values for each string, for `sx.explain_each`.
      name: what the page calls the function; by default its own name.
      fingerprint: identifies fn, so that another process finds its values in a `Store`; change it whenever fn changes.
        Text, units and removal are added to it. Unique by default: then values are not found again after a restart,
        and a store says so.

    Raises:
      ValueError: if fn is no function, the batch size is no whole number from 1, names are no strings, or the text
        cannot be cut so.

    >>> from spexjax.evaluation import evaluate
    >>> vowels = text_function(lambda strings: [s.count("a") for s in strings], "a bad film", fingerprint="vowels")
    >>> evaluate(vowels, np.array([[True, True, True], [True, False, True]])).tolist()
    [2.0, 1.0]
    """
    if not callable(fn):
        raise ValueError(f"text_function takes a function of a list of strings; got {type(fn).__name__}.")
    if not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"The batch size must be a whole number, at least 1, not {batch_size!r}.")
    if isinstance(value_names, str) or (value_names is not None and not len(value_names)):
        raise ValueError(f"value_names are one or more names, in a list or tuple; got {value_names!r}.")
    names = None if value_names is None else tuple(value_names)
    if len(set(names or ())) < len(names or ()):
        raise ValueError(f"value_names must differ; got {value_names!r}.")
    called = name or str(getattr(fn, "__name__", type(fn).__name__))
    for what, string in {"name": called, "fingerprint": fingerprint or "", **dict.fromkeys(names or (), "")}.items():
        check_text(what, string)
    pieces = cut_string(text, features, removal, replacement)
    whole = fingerprint_of(["text_function", names, pieces.identity], fingerprint or unnamed())
    return TextFunctionAblation(fn, pieces, removal, int(batch_size), called, names, whole)

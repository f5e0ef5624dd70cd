"""`explain_each`: one explanation for every value of an ablation, all from the same evaluations."""

import dataclasses
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax import indices
from spexjax._budget import rounds
from spexjax._compilation_cache import keep_programs
from spexjax._inputs import check_key
from spexjax._printable import one_line
from spexjax._priors import known_of, relevances_of
from spexjax._random import split_key
from spexjax._road import Start, design_of, explained, known_before, recorded, seconds
from spexjax._status import phase
from spexjax.ablation import Ablation, checked_ablation
from spexjax.evaluation import Evaluation, Store, run
from spexjax.explanation import Explanation
from spexjax.methods import Method, Remembering, check_keep
from spexjax.proxies import Proxy
from spexjax.typing import Key

_SHOWN = 8  # names that `repr` lists


class Explanations(Sequence[Explanation]):
    """One explanation for each of t values that the same ablations gave. Each is fitted when it is asked for.

    They have the same masks, so `a - b` is exact where both were evaluated.

    Attributes:
      names: of the t values.
      values: `[m, t]`, at the masks of the explanations.
    """

    def __init__(
        self,
        names: Sequence[str],
        values: Float[np.ndarray, "m t"],
        fit: Callable[[tuple[int, ...]], Explanation],
        *,
        names_make_a_text: bool = False,
    ):
        """From what the ablations gave.

        Args:
          names: one for each value.
          values: the values.
          fit: explains the sum of the values with these numbers, which are in order.
          names_make_a_text: whether a part of all names, read one after another, names the values that it overlaps.
        """
        self.names, self.values, self._fit, self._is_text = tuple(names), values, fit, names_make_a_text
        self._found: dict[tuple[int, ...], Explanation] = {}

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, place: int) -> Explanation: ...
    @overload
    def __getitem__(self, place: slice) -> list[Explanation]: ...
    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        if not -len(self) <= operator.index(place) < len(self):
            raise IndexError(f"There are {len(self)} explanations, so none with the number {place}.")
        return self.of([range(len(self))[place]])

    def __repr__(self) -> str:
        more = ", ..." if len(self) > _SHOWN else ""
        names = ", ".join(repr(one_line(name, 20)) for name in self.names[:_SHOWN])
        return f"Explanations of {len(self):,} values from {len(self.values):,} ablations: {names}{more}"

    def of(self, part: str | Iterable[int]) -> Explanation:
        """Explains the sum of several values, by a fit of its own with a faithfulness of its own.

        The log-probabilities of an answer's tokens add up to that of a part of the answer.

        Args:
          part: the numbers of the values; the name of one; or, if they are the tokens of an answer, a part of it: all
            values whose names, read one after another, overlap the first place where it stands.

        Raises:
          ValueError: if the text is nowhere, or not the name of one value, or the numbers are not different ones of t
            values.
        """
        numbers = self._named(part) if isinstance(part, str) else _numbers(part)
        if not numbers or len(set(numbers)) < len(numbers) or not 0 <= numbers[0] <= numbers[-1] < len(self):
            raise ValueError(f"Give different numbers out of 0..{len(self) - 1}; got {list(numbers)}.")
        if numbers not in self._found:
            self._found[numbers] = self._fit(numbers)
        return self._found[numbers]

    def _named(self, name: str) -> tuple[int, ...]:
        """The values that a text stands for."""
        if self._is_text:
            return self._spanned(name)
        found = [i for i, other in enumerate(self.names) if other == name]
        if len(found) != 1:
            which = f"{len(found)} values are" if found else "no value is"
            raise ValueError(
                f"{which} called {name!r}; give numbers, or one of {one_line(str(list(self.names)), 200)}."
            )
        return tuple(found)

    def _spanned(self, part: str) -> tuple[int, ...]:
        """The values whose names overlap a text."""
        whole = "".join(self.names)
        start = whole.find(part) if part else -1
        if start < 0:
            raise ValueError(f"{part!r} is no part of {one_line(whole, 200)!r}.")
        ends = np.cumsum([len(name) for name in self.names])
        starts = ends - [len(name) for name in self.names]
        return tuple(np.flatnonzero((starts < start + len(part)) & (ends > start)).tolist())


def _numbers(part: Any) -> tuple[int, ...]:
    """Numbers of values, in order."""
    try:
        listed = list(part)
        if any(isinstance(i, bool | np.bool_) for i in listed):
            raise TypeError
        return tuple(sorted(map(operator.index, listed)))
    except TypeError:
        raise ValueError(f"A part is a name or a list of numbers of values; got {one_line(repr(part), 60)}.") from None


def explain_each(
    ablation: Ablation,
    *,
    key: Key,
    budget: int,
    method: str | Method | Proxy = "auto",
    index: str | None = None,
    keep: float | None = None,
    like: Explanation | Iterable[Explanation] = (),
    relevances: bool | str | ArrayLike = "auto",
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> Explanations:
    """Explains every value of an ablation that gives several, from one run of ablations.

    Such as all test points of `ablations.training_data`, the tokens of an answer (`ablations.text` with
    `value="token-log-probability"`), or all that a function returns. All masks are evaluated here; a value is fitted
    when its explanation is asked for, with the others as its co-values unless the ablation has some.

    Args:
      ablation: with `num_values`; for a single value there is `explain`.
      key: PRNG key, consumed.
      budget: ablations to spend in all, as in `explain`, like all that follow.
      method: a name, a `Method` or a `Proxy`.
      index: the interaction index you will ask for.
      keep: the probability of keeping a feature.
      like: explanations of other inputs with the same features.
      relevances: how much each feature is expected to matter, or whether to take what the ablation knows of it.
      mesh: devices.
      store: where values are looked up and kept.
      progress: show a progress bar.

    Raises:
      ValueError: as `explain`, or if the ablation gives a single value, or too few names for its values.
      ImportError: as `explain`.
    """
    keep_programs()
    names = tuple(map(str, checked_ablation(ablation).feature_names))
    count = ablation.num_values
    if count is None:
        raise ValueError("This ablation gives a single value; use sx.explain, or name its values in value_names.")
    titles = ablation.value_names or [f"value {i}" for i in range(count)]
    if len(titles) != count:
        raise ValueError(f"The ablation gives {count} values, but value_names has {len(titles)}.")
    check_key(key)
    chosen, others, _ = known_of(method, like, None, len(names))
    check_keep(chosen, keep)
    if isinstance(keep, str):
        raise ValueError("keep='auto' is for a single value: give explain_each a number, such as keep=0.9.")
    (size,) = rounds(len(names), budget, None, None)
    design_key, fit_key = split_key(key, 2)
    start = Start(keep, np.zeros((0, len(names)), bool), Evaluation.given([]), 0)
    wanted = None if index is None else indices.get(index)
    with phase("design", progress) as designing:
        expected = relevances_of(ablation, chosen, relevances, size).at(size)
        design = design_of(chosen, design_key, len(names), size, wanted, start)
    evaluation = run(ablation, design.masks, mesh=mesh, store=store, progress=progress)
    values = np.asarray(evaluation.values, np.float64)
    covalues = evaluation.covalues if ablation.has_covalues or count == 1 else values
    if isinstance(chosen, Remembering):
        chosen = chosen.remembering()
    known = dataclasses.replace(evaluation, structure=ablation.structure, covalues=covalues, relevances=expected)
    about = recorded(ablation, design, evaluation, budget, others)
    about |= known_before(None, expected, None)

    def fit(part: tuple[int, ...]) -> Explanation:
        some = dataclasses.replace(known, values=values[:, part].sum(1))
        with phase("fit", progress) as fitting:
            found = explained(chosen, design, some, fit_key, names)  # one key for all: the same folds
        spent = {"seconds": seconds(evaluation, designing, [fitting])}
        return dataclasses.replace(found, provenance={**about, **ablation.describe_part(part), **spent})

    return Explanations(titles, values, fit, names_make_a_text=ablation.value_names_make_a_text)

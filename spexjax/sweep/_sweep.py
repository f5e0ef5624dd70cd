"""A sweep: inputs x models x methods x budgets x seeds x indices, checked, and cut into batches."""

import dataclasses
import hashlib
import inspect
import json
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from spexjax import indices, methods
from spexjax._budget import rounds
from spexjax._identity import PACKAGES, identity_of
from spexjax._inputs import named
from spexjax.ablation import Ablation
from spexjax.ablations import precheck_text
from spexjax.sweep._inputs import Input, listed

_ASKED = tuple(inspect.signature(precheck_text).parameters)[1:]  # all but the text
DEFAULT_MODEL = "smollm2"


@dataclasses.dataclass(frozen=True)
class Variant:
    """How an input is explained."""

    method: str
    budget: int
    seed: int
    index: str


class Batch(NamedTuple):
    """Explanations that are made together: inputs that ask one model, all explained in one way.

    `known` has a stamp of what the row of each input rests on, 0 if there is none; empty if there is no row at all.
    """

    model: str
    variant: Variant
    inputs: tuple[Input, ...]
    known: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """Every input, explained in every way that the grid asks for.

    The explanation of input i with seed s is that of `sx.explain(..., key=jax.random.fold_in(jax.random.key(s), i))`:
    it depends neither on the other inputs nor on the rest of the grid, except that a model rounds differently in
    batches that hold other prompts, too.

    Attributes:
      inputs: texts; mappings with a text and other options of `ablations.text`; ablations, which must have a
        fingerprint; or, for a `lens`, anything that JSON holds. A generator is read to its end.
      budgets: ablations to spend on each explanation; one or several, like all that follow.
      models: what `load_model` takes; or objects that the lens is given, by their names. None for ablations.
      methods: names of `methods.names()`, `Method`s or proxies, each of another name.
      seeds: of the keys.
      indices: the interaction indices that decide which masks are drawn, and that are written beside the spectra.
      max_order: the largest interactions that are written.
      lens: makes an `Ablation` with a fingerprint of an input and a model, `lens(input, model)`; `ablations.text` by
        default.
      asked: options of `ablations.text` for every input, such as a question and answers.
      batch: how many inputs are explained together, so that their ablations share batches.

    Warns:
      UserWarning: if nothing but its name tells a method from another one.

    Raises:
      ValueError: in one sentence that names the field, if something cannot be used.
    """

    inputs: Iterable[Any]
    budgets: Any
    models: Sequence[str] | Mapping[str, Any] | None = None
    methods: Any = ("auto",)
    seeds: Any = (0,)
    indices: Sequence[str] = ("FSII",)
    max_order: int = 2
    lens: Callable[[Any, Any], Ablation] | None = None
    asked: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    batch: int = 16

    def __post_init__(self):
        if not (self.lens is None or callable(self.lens)):
            raise ValueError(f"`lens` is a function of an input and a model; got {self.lens!r}.")
        inputs = listed(self.inputs, self.lens is not None)
        object.__setattr__(self, "inputs", inputs)
        of_texts = self.lens is None and not isinstance(inputs[0].given, Ablation)
        for name in ("budgets", "methods", "seeds", "indices"):
            object.__setattr__(self, name, _several(name, getattr(self, name)))
        object.__setattr__(self, "models", _models(self.models, of_texts, self.lens is not None))
        with named("`methods`"):
            object.__setattr__(self, "methods", _methods(self.methods))
        with named("`budgets`"):
            for budget in self.budgets:
                if type(budget) is not int:
                    raise ValueError(f"each is a whole number of ablations; got {budget!r}.")
                if budget >= 1 << 63:
                    raise ValueError("each is below 2^63, so that the table can hold it.")
                rounds(2, budget, None, None)  # two features are the least that will do
        if not all(type(seed) is int and 0 <= seed < 1 << 31 for seed in self.seeds):
            raise ValueError("`seeds` are whole numbers from 0 to 2147483647.")
        with named("`indices`"):
            object.__setattr__(self, "indices", _distinct(tuple(map(indices.check_index, self.indices))))
        self._check_names()
        object.__setattr__(self, "_codes", self._told_apart())
        for name in ("max_order", "batch"):
            object.__setattr__(self, name, _plain(getattr(self, name)))
        with named("`max_order`"):
            indices.check_index(self.indices[0], self.max_order)
        if type(self.batch) is not int or self.batch < 1:
            raise ValueError(f"`batch` is how many inputs are explained together, 1 or more; got {self.batch!r}.")
        self._check_asked(of_texts)

    def _check_names(self) -> None:
        for kind, names in (("methods", self.methods), ("indices", self.indices)):
            if bad := [name for name in names if not name.isprintable()]:
                raise ValueError(f"`{kind}`: {bad[0]!r} cannot be printed; give it another name.")

    def _told_apart(self) -> dict[tuple[str, str], str | None]:
        """For each method and index of the user's a hash of its code; None where only the name is known."""
        records = {name: indices.get(name.partition("(")[0]) for name in self.indices}
        own = {("method", name): found for name, found in self.methods.items() if not methods.is_built_in(found)}
        own |= {("index", name): found for name, found in records.items() if not indices.is_built_in(found)}
        return {which: _code(which[0], found) for which, found in own.items()}

    def _check_asked(self, of_texts: bool) -> None:
        if not isinstance(self.asked, Mapping):
            raise ValueError(f"`asked` maps options of texts to what they are; got {self.asked!r}.")
        if self.asked and not of_texts:
            raise ValueError(f"`{next(iter(self.asked))}` is an option of texts; the lens of these inputs has its own.")
        if unknown := [name for name in self.asked if name not in _ASKED]:
            raise ValueError(f"`{unknown[0]}` is not an option of texts; those are {', '.join(_ASKED)}.")
        try:
            json.dumps({**self.asked})
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`asked` must be of JSON values, so that a restart knows it ({error}); a lens may do what it likes."
            ) from error
        for each in self.inputs if of_texts else ():
            with named(f"`inputs`, number {each.number}"):
                try:
                    precheck_text(**{**self.asked, **each.given})
                except TypeError as error:
                    raise ValueError(f"{error}".replace("precheck_text() ", "the text ")) from error

    def variants(self) -> list[Variant]:
        """Every way in which an input is explained, small budgets first, so that larger ones reuse their values."""
        return [
            Variant(method, budget, seed, index)
            for seed in self.seeds
            for index in self.indices
            for budget in sorted(self.budgets)
            for method in self.methods
        ]

    def blocks(self) -> Iterator[list[Batch]]:
        """Batches that share values, and so are made one after the other; those of two blocks share nothing."""
        inputs: Any = self.inputs
        for model in self.models or ():  # each is loaded once
            for start in range(0, len(inputs), self.batch):
                yield [Batch(model, variant, inputs[start : start + self.batch]) for variant in self.variants()]

    def row_id(self, model: str, variant: Variant, each: Input) -> str:
        """What names one explanation, in the table and on the disk: a hash of all that was asked for.

        What the model and the lens are is not part of it, but is checked against the row.
        """
        whole = [each.number, each.digest, model, *vars(variant).values(), self.max_order, {**self.asked}]
        codes = self._codes  # type: ignore[attr-defined]
        whole += filter(None, [codes.get(("method", variant.method)), codes.get(("index", variant.index))])
        return hashlib.blake2b(json.dumps(whole, sort_keys=True).encode(), digest_size=8).hexdigest()

    def ids(self) -> list[str]:
        """The names of all rows, in the order of the table; of the methods and indices as they are registered now."""
        object.__setattr__(self, "_codes", self._told_apart())
        return [self.row_id(b.model, b.variant, each) for block in self.blocks() for b in block for each in b.inputs]

    def __len__(self) -> int:
        return len(self.variants()) * len(self.models or ()) * len(tuple(self.inputs))

    def __repr__(self) -> str:
        return f"Sweep of {len(self):,} explanations"


def _plain(given: Any) -> Any:
    """Numbers and arrays of NumPy and JAX as those of Python."""
    return given.tolist() if hasattr(given, "tolist") else given


def _methods(given: Iterable[Any]) -> dict[str, methods.Method]:
    """The methods by name."""
    found: dict[str, methods.Method] = {}
    for method in map(methods.get, given):
        if method.name in found:
            raise ValueError(
                f"there are two named {method.name!r}; tell them apart by sx.methods.from_proxy(proxy, name=...)."
            )
        found[method.name] = method
    return found


def _code(kind: str, given: Any) -> str | None:
    """A hash of a user's method or index, which tells it from others of its name; None if only the name does."""
    if (found := identity_of(given, PACKAGES | {"spexjax"})) is None:
        warnings.warn(
            f"Nothing but its name tells the {kind} {given.name!r} from another one in the folder of a sweep: change "
            f"the name whenever you change the {kind}.",
            stacklevel=5,
        )
    return found


def _several(name: str, given: Any) -> tuple[Any, ...]:
    given = _plain(given)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        given = (given,)
    found = tuple(map(_plain, given))
    if not found:
        raise ValueError(f"`{name}` is empty; give at least one.")
    with named(f"`{name}`"):
        return _distinct(found)


def _distinct(found: tuple[Any, ...]) -> tuple[Any, ...]:
    ((one, times),) = Counter(map(repr, found)).most_common(1)
    if times > 1:
        raise ValueError(f"{one} is there twice.")
    return found


def _models(given: Any, of_texts: bool, has_lens: bool) -> Mapping[str, Any]:
    """What is loaded or handed to the lens, by name."""
    if not of_texts and not has_lens:
        if given is not None:
            raise ValueError("`models` is for texts and lenses; ablations know their own.")
        return {"": None}
    if given is None:
        return {"": None} if has_lens else {DEFAULT_MODEL: DEFAULT_MODEL}
    if isinstance(given, Mapping):
        if not given:
            raise ValueError("`models` is empty; give at least one.")
        found, named = tuple(given), {**given}
    else:
        found = _several("models", given)
        named = {name: name for name in found}
    if not all(isinstance(name, str) and name and name.isprintable() for name in found):
        raise ValueError("`models` are names: smollm2, a Hugging Face id, a folder or a .gguf file.")
    return named

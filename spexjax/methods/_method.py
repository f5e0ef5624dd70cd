"""The contract of a method: which masks it wants evaluated, and what it makes of their values."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from spexjax import designs
from spexjax._records import check_notes
from spexjax.evaluation import Evaluation
from spexjax.indices import Index
from spexjax.proxies import Fit
from spexjax.spectrum import checked_masks
from spexjax.typing import Key, Masks


class Look(NamedTuple):
    """A first look at part of a design, after which its method may want other masks.

    Attributes:
      size: how many masks to evaluate before the look.
      revise: maps the held-out R2 of their fit, and its standard error, to the design to go on with, which begins
        with the same masks; None to go on with this one.
    """

    size: int
    revise: Callable[[float, float], "Design | None"]


@dataclasses.dataclass(frozen=True, eq=False)
class Design:
    """The masks to evaluate, in order.

    Attributes:
      name: such as "uniform", for the provenance.
      masks: bool `[m, n]`, True = kept; distinct.
      uniform_rows: the rows that are drawn uniformly.
      by_size: True if the sizes of the masks are not those of uniform masks, so that faithfulness weighs them.
      nested: True if the first masks are a smaller design of the same kind, as rounds need.
      notes: further entries of the provenance, as plain JSON values.
      plan: what else the method wants to know when it fits.
      look: where to look before all is spent; None for nowhere.
      keep: p if masks keep every feature with probability p, and faithfulness is to be that of such masks.
    """

    name: str
    masks: Masks
    uniform_rows: Int[np.ndarray, " u"]
    by_size: bool = False
    nested: bool = True
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    plan: Any = None
    look: Look | None = None
    keep: float | None = None

    @property
    def complete(self) -> bool:
        """True if all 2^n masks are there."""
        return covers_all(*self.masks.shape)

    @property
    def num_uniform(self) -> int:
        """How many of the masks are drawn uniformly."""
        return len(self.uniform_rows)

    def first(self, size: int) -> "Design":
        """The design of the first masks."""
        rows = np.asarray(self.uniform_rows)
        return dataclasses.replace(self, masks=self.masks[:size], uniform_rows=rows[rows < size])

    def after(self, known: Masks) -> "Design":
        """A design of as many masks that begins with known ones of the same kind, none of which is uniform."""
        packed, mine = ({row.tobytes(): i for i, row in enumerate(np.packbits(m, axis=1))} for m in (known, self.masks))
        new = [i for row, i in mine.items() if row not in packed]
        return dataclasses.replace(self, masks=np.concatenate([known, self.masks[new]])[: len(self.masks)])


@runtime_checkable
class Method(Protocol):
    """A way to explain: it draws masks, and fits a spectrum to their values.

    `explain(method=...)` takes one, or the name of one that is registered; `register` adds a name. `from_proxy` makes a
    method of a proxy. A method that fits any masks lets its `design` take `keep=None`, too, and hands it to `draw`;
    `explain(keep=...)` is for such methods.

    >>> class Mean:
    ...     name = "mean"
    ...
    ...     def design(self, key, num_features, budget, index):
    ...         return draw(key, num_features, budget, index)
    ...
    ...     def fit(self, design, evaluation, key):
    ...         f, n = evaluation.values, design.masks.shape[1]
    ...         held_out = (f.sum() - f) / (len(f) - 1)  # the mean of the other values
    ...         return Fit(Spectrum.constant(f.mean(), n), held_out, {})
    >>> from spexjax.spectrum import Spectrum
    >>> isinstance(Mean(), Method)
    True
    """

    @property
    def name(self) -> str:
        """What the method is called."""

    def design(self, key: Key, num_features: int, budget: int, index: Index | None) -> Design:
        """Draws the masks to evaluate.

        Begin with the full and the empty mask. Every index then uses their true values.

        Args:
          key: PRNG key, consumed.
          num_features: n.
          budget: how many masks may be evaluated, 2^n at most.
          index: the index that the user will ask for; None if that is open.

        Raises:
          ValueError: if the budget is too small.
          ImportError: if a package is missing that `fit` will need.
        """

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """Fits the values at the masks of a design. Masks and values are copies, which it may change.

        Args:
          design: the one from `design`, or `first` of it.
          evaluation: the value of each mask, and what the ablation costs.
          key: PRNG key, consumed.
        """


def checked_method(method: Any) -> Method:
    """Returns the method, if it has what `explain` asks of it.

    Args:
      method: what the user gave.

    Raises:
      ValueError: if it is a class, lacks a name, a design or a fit, or these cannot be called as they will be.
    """
    if isinstance(method, type):
        raise ValueError(f"{method.__name__} is a class; give an object of it: {method.__name__}().")
    if missing := [part for part in ("name", "design", "fit") if getattr(method, part, None) is None]:
        raise ValueError(
            f"A method has a name, a design and a fit; {method!r} has no {' and no '.join(missing)}. If it is a proxy, "
            "sx.methods.from_proxy makes a method of it."
        )
    if not isinstance(method.name, str) or not method.name:
        raise ValueError(f"The name of a method is a string with at least one character, not {method.name!r}.")
    calls = {"design": ("key", "num_features", "budget", "index"), "fit": ("design", "evaluation", "key")}
    for part, arguments in calls.items():
        try:
            inspect.signature(getattr(method, part)).bind(*arguments)
        except TypeError as error:
            raise ValueError(
                f"{part} of the method {method.name} must be a function of ({', '.join(arguments)}): {error}."
            ) from error
    return method


def check_keep(method: Method, keep: Any) -> None:
    """Raises ValueError for what `explain(keep=...)` cannot do.

    Args:
      method: checked.
      keep: what the user gave.

    Raises:
      ValueError: if `keep` is not None, "auto" or between 0 and 1, or the method draws masks of its own.
    """
    if keep is None:
        return
    if isinstance(keep, str) and keep != "auto":
        raise ValueError(f"keep is a probability such as 0.9, or 'auto'; got {keep!r}.")
    if keep != "auto":
        designs.checked_keep(keep)
    if "keep" not in inspect.signature(method.design).parameters:
        raise ValueError(
            f"The method {method.name} draws masks of its own, so it cannot be combined with keep; leave keep out, or "
            "use method='auto'."
        )


def draw(key: Key, num_features: int, budget: int, index: Index | None, keep: float | None = None) -> Design:
    """Draws the design of a method that takes any masks: uniform, or by size if the index asks for that.

    Args:
      key: PRNG key, consumed.
      num_features: n.
      budget: how many masks.
      index: the index that will be asked for.
      keep: draw masks that keep each feature with this probability, whatever the index.
    """
    if keep is not None:
        masks, none = np.asarray(designs.biased(key, budget, num_features, keep)), np.zeros(0, np.int64)
        return Design("biased", masks, none, notes={"keep": keep}, keep=keep)
    if index is not None and index.design == "sized":
        masks = np.asarray(designs.informative(key, budget, num_features))
        return Design("informative", masks, designs.uniform_rows(len(masks)), by_size=True)
    masks = np.asarray(designs.uniform(key, budget, num_features))
    return Design("uniform", masks, np.arange(len(masks)))


def covers_all(num_masks: int, num_features: int) -> bool:
    """True if so many different masks are all 2^n.

    Args:
      num_masks: m.
      num_features: n.
    """
    return num_masks == designs.uniform_size(num_masks + 1, num_features)


def checked_design(design: Any, name: str, num_features: int, budget: int, known: Masks | None = None) -> Design:
    """Returns the design of a method with bool masks, if they can be evaluated.

    Args:
      design: what the method returned.
      name: of the method, for the error.
      num_features: n.
      budget: the most masks that may be evaluated.
      known: the masks that have been evaluated, with which it must begin.

    Raises:
      ValueError: if it is no `Design`, its masks are not `[m, n]`, too few, more than the budget or not all
        different, it does not begin with the known masks, it looks at more masks than there are, or another part is
        not as `Design` says.
    """
    if not isinstance(design, Design):
        raise ValueError(f"The design of the method {name} must be an sx.methods.Design; got {type(design).__name__}.")
    try:
        masks = np.asarray(checked_masks(design.masks, num_features))
    except ValueError as error:
        raise ValueError(f"The method {name} draws masks that cannot be evaluated. {error}") from error
    different = len(np.unique(np.packbits(masks, axis=1), axis=0))
    if different < len(masks) or not 2 <= len(masks) <= budget:
        raise ValueError(
            f"The method {name} draws {len(masks)} masks, of which {different} are different; at least 2 and at most "
            f"{budget} must be drawn, all different."
        )
    if known is not None and not np.array_equal(masks[: len(known)], known):
        raise ValueError(
            f"The method {name} revised its design; the new one must begin with the {len(known)} masks that have been "
            "evaluated."
        )
    return dataclasses.replace(_checked_parts(design, name, len(masks)), masks=masks)


def _checked_parts(design: Design, name: str, num_masks: int) -> Design:
    look, rows = design.look, np.asarray(design.uniform_rows)
    if look is not None:
        if not (isinstance(look, Look) and isinstance(look.size, int | np.integer) and callable(look.revise)):
            raise ValueError(f"look of the design of {name} must be None or an sx.methods.Look(size, revise).")
        if not 2 <= look.size <= num_masks:
            raise ValueError(f"The method {name} looks after {look.size} masks, but draws {num_masks}.")
    whole = rows.ndim == 1 and (rows.dtype.kind in "iu" or not rows.size)
    if not whole or rows.min(initial=0) < 0 or rows.max(initial=0) >= num_masks:
        raise ValueError(f"uniform_rows of the design of {name} must be whole numbers, rows 0..{num_masks - 1}.")
    flags = (design.by_size, design.nested)
    if not isinstance(design.name, str) or not all(isinstance(flag, bool | np.bool_) for flag in flags):
        raise ValueError(f"The design of {name} needs a string as name, and True or False as by_size and nested.")
    if design.keep is not None:
        designs.checked_keep(design.keep)
    check_notes(design.notes, f"notes of the design of {name}")
    return dataclasses.replace(design, uniform_rows=rows)

"""The contract of a lens: what the evaluation engine asks of an `Ablation`, and the `Plan` and `Batch`es it gets."""

import abc
import uuid
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Shaped

from spexjax._printable import labels, one_line, printable
from spexjax._records import check_notes
from spexjax.typing import Array, Masks, Relevances

_SHOWN = 8  # features that `repr` names
STRUCTURES = ("sequence", "auto", None)
UNNAMED = "unnamed-"  # prefix of fingerprints that no other process can reproduce


class Batch(NamedTuple):
    """One fixed-shape step of an evaluation.

    `Plan.apply` maps `inputs` to values `[b]`, or `[b, t]` for an ablation with `num_values = t`; and to co-values
    `[b, c]`, too, if the ablation has some. Entry i answers evaluation `slots[i]`; a slot of -1 is padding, whose value
    is dropped.
    """

    slots: Int[np.ndarray, " b"]
    inputs: Any
    work: int  # useful positions in `inputs`, of `capacity`: the rest is padding
    capacity: int


class Plan(NamedTuple):
    """How an ablation will answer a set of masks.

    Attributes:
      owner: the evaluation that answers each mask; masks that lead to the same input share one.
      num_evaluations: how many evaluations there are.
      apply: pure `apply(parameters, inputs) -> Float[b]` or `Float[b, t]`; for an ablation that `has_covalues`, a pair
        of that and `Float[b, c]`. Return the same function object for the same program: `jax.jit` then compiles once
        per shape.
      parameters: a pytree, handed to every call (weights, say).
      batches: the steps, in any order.
      compiled: False if `apply` is ordinary Python, which is neither traced nor sharded.
      partition: `partition(parameters, mesh)` gives a PartitionSpec for each leaf of the parameters; without it, every
        device holds all of them.
    """

    owner: Int[np.ndarray, " m"]
    num_evaluations: int
    apply: Callable[[Any, Any], Any]
    parameters: Any
    batches: Iterator[Batch]
    compiled: bool = True
    partition: Callable[[Any, Any], Any] | None = None


class Ablation(abc.ABC):
    """A value function whose components can be removed; the base class of every lens.

    A subclass sets `feature_names` and `fingerprint`, and defines `plan`. The rest has defaults.

    Attributes:
      feature_names: n names, one for each component.
      fingerprint: identifies the value function across processes. A `Store` finds values by it, so it must change
        whenever a value may. Use `unnamed()` if nothing identifies the function.

    >>> def parity(parameters, masks):  # not made anew in each plan: one function, one compilation
    ...     return masks.sum(1) % 2
    >>> class Parity(Ablation):
    ...     feature_names, fingerprint = ("a", "b", "c"), "parity-of-three"
    ...
    ...     def plan(self, masks, *, devices=1, shrink=1):
    ...         return plan_rows(parity, masks, devices=devices, shrink=shrink)
    >>> from spexjax.evaluation import evaluate
    >>> evaluate(Parity(), np.array([[1, 1, 0], [1, 1, 1]])).tolist()
    [0.0, 1.0]
    """

    if TYPE_CHECKING:  # each may be an attribute or a property, which only type checkers need to be told

        @property
        @abc.abstractmethod
        def feature_names(self) -> Sequence[str]: ...

        @property
        @abc.abstractmethod
        def fingerprint(self) -> str: ...

    @property
    def num_features(self) -> int:
        """n."""
        return len(self.feature_names)

    def __repr__(self) -> str:
        kind, names, notes = type(self).__name__, getattr(self, "feature_names", None), self.describe()
        if not isinstance(names, Sequence):  # not set yet
            return f"{kind} without feature names"
        more = ", ..." if len(names) > _SHOWN else ""
        lines = [f"{kind} of {len(names):,} features: {', '.join(labels(names[:_SHOWN], 20))}{more}"]
        lines += [f"{key}: {said}" for key, note in notes.items() if (said := _brief(note))]
        return "\n  ".join(lines)

    @property
    def num_values(self) -> int | None:
        """t, where an evaluation gives t values; None where it gives a single number."""
        return None

    @property
    def value_names(self) -> Sequence[str] | None:
        """t names, where an evaluation gives t values; by default they are numbered."""
        return None

    @property
    def value_names_make_a_text(self) -> bool:
        """Whether the names of values, read one after another, are a text, so that a part of it names some of them."""
        return False

    def describe_part(self, part: Sequence[int]) -> Mapping[str, Any]:
        """What an explanation records of one of several values, or of the sum of some, in place of notes of `describe`.

        Args:
          part: the numbers of the values, in order.
        """
        names = self.value_names
        return {"value_name": " + ".join(f"value {i}" if names is None else names[i] for i in part)}

    @property
    def has_covalues(self) -> bool:
        """Whether each evaluation also gives c co-values: what else it tells, such as a hidden state of the model.

        They cost nothing and are not explained, but say which features matter; see `proxies.kernels`. They are kept in
        half precision, so scale what may exceed 65,504.
        """
        return False

    @property
    def structure(self) -> str | None:
        """What the order of the features means: one of `STRUCTURES`.

        "sequence" if what is removed is deleted, so that others meet: proxies then look at what stands side by side in
        what is left. None if the order means nothing. By default proxies find out.
        """
        return "auto"

    def gradient(self, keep: float) -> "Ablation | None":
        """An ablation of n values, the derivatives of this one with respect to its gates; None if there are none.

        A gate multiplies what a feature contributes: 1 keeps it, 0 removes it. The derivatives are taken where the
        gates of kept features are `keep`.

        Args:
          keep: in (0, 1].
        """
        return None

    def relevances(self) -> Relevances | None:
        """How much each feature is expected to matter, before any ablation: n numbers, 0 or more; None if unknown.

        Only their ratios count. They are a hint for where ablations are few; see `proxies.kernels`.
        """
        return None

    def describe(self) -> Mapping[str, Any]:
        """What an explanation records of the value function, as plain JSON values."""
        return {}

    @abc.abstractmethod
    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """How these masks will be answered.

        Args:
          masks: bool `[m, n]` on the host, all different.
          devices: how many devices share the work; each gets batches of its own.
          shrink: divide the usual batch size by this number, because usual batches did not fit the device.
        """

    @property
    def batch_group(self) -> Hashable:
        """Ablations of one class with equal groups share batches, by `plan_together`; None shares with no other."""
        return None

    @classmethod
    def plan_together(
        cls, ablations: Sequence[Any], masks: Sequence[Bool[Array, "_ _"]], *, devices: int = 1, shrink: int = 1
    ) -> Plan:
        """How the masks of several ablations of one `batch_group` will be answered, by the same batches.

        Args:
          ablations: two or more; a class that has groups defines this for any number.
          masks: of each ablation, as in `plan`. `Plan.owner` has an entry for each mask, those of the first ablation
            first.
          devices: as in `plan`.
          shrink: as in `plan`.
        """
        raise NotImplementedError(f"{cls.__name__} has a batch_group, so it must define plan_together.")


def _brief(note: Any) -> str:
    """A note of `describe` in a few words; empty where it has no short form."""
    if isinstance(note, str):
        return one_line(note, 60) if note else ""
    if isinstance(note, list | tuple) and all(isinstance(each, str) for each in note):
        more = f" and {len(note) - 3} more" if len(note) > 3 else ""
        return ", ".join(f'"{printable(each[:40])}"' for each in note[:3]) + more
    return str(note) if isinstance(note, bool | int | float) else ""


def plan_rows(
    apply: Callable[[Any, Any], Any],
    rows: Shaped[np.ndarray, "m ..."],
    *,
    parameters: Any = None,
    batch_size: int = 256,
    devices: int = 1,
    shrink: int = 1,
    compiled: bool = True,
) -> Plan:
    """The plan of a function that takes one row of an array for each mask.

    Args:
      apply: `apply(parameters, rows[b, ...]) -> Float[b]`, or `Float[b, t]`.
      rows: one row for each mask, for example the masks themselves.
      parameters: as in `Plan`.
      batch_size: rows per step. If compiled, the last step is padded with its first row.
      devices: as in `Ablation.plan`.
      shrink: as in `Ablation.plan`.
      compiled: as in `Plan`.
    """
    rows = np.asarray(rows)
    per_device = 1 << max(-(-len(rows) // devices) - 1, 0).bit_length()
    size = min(max(1, batch_size // shrink), per_device)

    def batches() -> Iterator[Batch]:
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            missing = size - len(part) if compiled else 0
            slots = np.pad(np.arange(start, start + len(part)), (0, missing), constant_values=-1)
            yield Batch(slots, np.concatenate([part, np.repeat(part[:1], missing, 0)]), len(part), len(slots))

    return Plan(np.arange(len(rows)), len(rows), apply, parameters, batches(), compiled)


def unnamed() -> str:
    """A unique fingerprint, under which no other process finds values."""
    return UNNAMED + uuid.uuid4().hex


def checked_ablation(ablation: Any, *, single: bool = False) -> Ablation:
    """Returns the ablation, if it is one.

    Args:
      ablation: what the user gave.
      single: whether it must give a single value per mask.

    Raises:
      ValueError: if it is not an `Ablation`, lacks names or a fingerprint, describes itself by something that is not
        JSON, or gives several values where one is wanted.
    """
    if not isinstance(ablation, Ablation):
        what = getattr(ablation, "__name__", type(ablation).__name__)
        raise ValueError(
            f"{what} is not an ablation; make one of it with sx.ablations.function or host_function, or derive its "
            "class from sx.Ablation."
        )
    kind, count = type(ablation).__name__, ablation.num_values
    names, fingerprint = getattr(ablation, "feature_names", None), getattr(ablation, "fingerprint", None)
    if not isinstance(names, Sequence) or isinstance(names, str) or not len(names):
        raise ValueError(f"feature_names of {kind} must be one or more names, in a tuple or list; got {names!r}.")
    if not isinstance(fingerprint, str) or not fingerprint or any("\ud800" <= c <= "\udfff" for c in fingerprint):
        raise ValueError(
            f"fingerprint of {kind} must be a string that UTF-8 can hold; got {fingerprint!r}. Use "
            "sx.ablation.unnamed() if nothing identifies the function."
        )
    if count is not None and not (isinstance(count, int | np.integer) and count >= 1):
        raise ValueError(f"num_values of {kind} must be None or a whole number, 1 or more; got {count!r}.")
    if ablation.structure not in STRUCTURES:
        raise ValueError(f"structure of {kind} must be 'sequence', 'auto' or None; got {ablation.structure!r}.")
    if not single:
        return ablation
    check_notes(ablation.describe(), f"describe() of {kind}")
    if count is not None:
        raise ValueError(
            f"This ablation gives {count} values per mask: sx.explain_each explains them all from the same ablations. "
            "Of sx.ablations.training_data, sx.explain takes ablation.only(i)."
        )
    return ablation


def checked_plan(plan: Any, num_masks: int) -> Plan:
    """Returns what `Ablation.plan` gave for so many masks, if each of them has an evaluation.

    Args:
      plan: what the ablation returned.
      num_masks: m.

    Raises:
      ValueError: if it is not a `Plan`, `apply` is no function, or `owner` does not name one of the evaluations for
        each mask. While the batches are drawn: if one is not a `Batch`, or its slots are no evaluations.
    """
    if not isinstance(plan, Plan):
        raise ValueError(f"plan of an ablation must return an sx.Plan; got {type(plan).__name__}.")
    if not callable(plan.apply) or type(plan.apply).__hash__ is None:
        raise ValueError(f"apply of a plan must be a function, or an object with a hash; got {plan.apply!r}.")
    owner, count = np.asarray(plan.owner), plan.num_evaluations
    if not _are_evaluations(owner, count) or owner.shape != (num_masks,) or owner.min(initial=0) < 0:
        raise ValueError(
            f"owner of a plan must give each of the {num_masks} masks one of the {count} evaluations, numbered from 0; "
            f"got {_seen(owner)}."
        )
    if not isinstance(plan.batches, Iterable):
        raise ValueError(f"batches of a plan must be an iterator of sx.Batch; got {type(plan.batches).__name__}.")
    return plan._replace(owner=owner, batches=_checked_batches(plan.batches, count))


def _checked_batches(batches: Iterable[Any], count: int) -> Iterator[Batch]:
    for batch in batches:
        if not isinstance(batch, Batch):
            raise ValueError(f"batches of a plan must be sx.Batch objects; got {type(batch).__name__}.")
        slots = np.asarray(batch.slots)
        if not _are_evaluations(slots, count) or slots.ndim != 1:
            raise ValueError(
                f"slots of a batch must be a row of evaluations, of which there are {count}, numbered from 0, or -1 "
                f"for padding; got {_seen(slots)}."
            )
        yield batch._replace(slots=slots)


def _are_evaluations(numbers: np.ndarray, count: Any) -> bool:
    whole = isinstance(count, int | np.integer) and (numbers.dtype.kind in "iu" or not numbers.size)
    return bool(whole and numbers.max(initial=-1) < count)


def _seen(numbers: np.ndarray) -> str:
    span = f", from {numbers.min()} to {numbers.max()}" if numbers.dtype.kind in "iuf" and numbers.size else ""
    return f"{numbers.dtype} of shape {numbers.shape}{span}"

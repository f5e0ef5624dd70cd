"""Equality of dataclasses that hold arrays, where the `__eq__` that `dataclass` generates would raise."""

import dataclasses
from typing import Any, TypeVar

import jax
import numpy as np

T = TypeVar("T")


def by_content(cls: type[T]) -> type[T]:
    """Lets a dataclass be compared and hashed by its fields: arrays by shape and entries, NaN being equal to NaN.

    >>> @by_content
    ... @dataclasses.dataclass(frozen=True, eq=False)
    ... class Line:
    ...     points: np.ndarray
    >>> Line(np.array([1.0, np.nan])) == Line(np.array([1.0, np.nan])), Line(np.zeros(2)) == Line(np.zeros(3))
    (True, False)
    """

    def __eq__(self: Any, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self is other or all(map(_same, _contents(self), _contents(other)))

    def __hash__(self: Any) -> int:
        return hash((type(self), *map(_hashable, _contents(self))))

    cls.__eq__, cls.__hash__ = __eq__, __hash__  # type: ignore[method-assign]
    return cls


def _contents(one: Any) -> list:
    return [getattr(one, field.name) for field in dataclasses.fields(one)]


def _same(a: Any, b: Any) -> bool:
    a, b = (v.item() if isinstance(v, np.generic) else v for v in (a, b))
    if _is_array(a) or _is_array(b):
        if not all(_is_array(v) or isinstance(v, int | float) for v in (a, b)) or np.shape(a) != np.shape(b):
            return False
        a, b = np.asarray(a), np.asarray(b)
        return bool(((a == b) | ((a != a) & (b != b))).all())
    return bool(a == b or (a != a and b != b))


def _is_array(value: Any) -> bool:
    return isinstance(value, jax.Array | np.ndarray)


def _hashable(value: Any) -> Any:
    """The shape of an array, for equal numbers of two types have different bytes; a number as it is, None for NaN."""
    if _is_array(value):
        value = value.shape or value.item()
    return None if value != value else value

"""The `repr` of pytrees that hold arrays: their content where it is at hand, else the shapes of their leaves."""

import dataclasses
from typing import Any

import jax
import numpy as np

_TERMS = 10


def on_host(*leaves: Any) -> bool:
    """Whether all leaves are arrays that can be read here and now: no tracers, nothing deleted or on another host.

    Args:
      leaves: of a pytree, which a transformation may have replaced by anything.
    """
    return all(isinstance(leaf, np.ndarray | np.generic | float) or _is_held(leaf) for leaf in leaves)


def _is_held(leaf: Any) -> bool:
    concrete = isinstance(leaf, jax.Array) and not isinstance(leaf, jax.core.Tracer)
    return concrete and leaf.is_fully_addressable and not leaf.is_deleted()


def shapes(tree: Any) -> str:
    """A dataclass by its fields, every array as its dtype and shape.

    Args:
      tree: a dataclass.

    >>> @dataclasses.dataclass
    ... class Line:
    ...     points: np.ndarray
    ...     name: str
    >>> shapes(Line(np.zeros((2, 3), np.float32), "a"))
    "Line(points=float32[2, 3], name='a')"
    """
    fields = [f"{field.name}={_short(getattr(tree, field.name))}" for field in dataclasses.fields(tree)]
    return f"{type(tree).__name__}({', '.join(fields)})"


def _short(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{value.dtype}{[*value.shape]}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_short, value))})"
    return repr(value)


class ShownTerms:
    """A spectrum that shows its strongest terms, or the shapes of its leaves where these cannot be read."""

    support: Any
    coefficients: Any
    num_features: int

    def __repr__(self) -> str:
        support, coefficients, n = self.support, self.coefficients, self.num_features
        if not on_host(support, coefficients) or np.ndim(support) != 2 or np.ndim(coefficients) != 1:
            return shapes(self)
        support, coefficients = np.asarray(support), np.asarray(coefficients, np.float64)
        orders = (support < n).sum(1)
        rows = np.argsort(-np.where(orders == 0, np.inf, np.abs(coefficients)), kind="stable")[:_TERMS]
        numbers = [f"{coefficients[row]:+.4g}" for row in rows]
        width = max(map(len, numbers), default=0)
        lines = [f"Spectrum of {n:,} features: {len(support):,} terms up to order {orders.max(initial=0)}"]
        for number, row in zip(numbers, rows, strict=True):
            members = ", ".join(map(str, support[row][: orders[row]].tolist()))
            lines.append(f"{number:>{width}}  " + (f"{{{members}}}" if members else "constant"))
        left = len(support) - len(rows)
        return "\n".join(lines + [f"{'':{width}}  and {left:,} weaker ones"] * bool(left))

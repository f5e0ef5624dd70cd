"""The record of an interaction index, and the indices by name."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from math import comb
from numbers import Rational
from typing import Any

import numpy as np
from jaxtyping import Float

from spexjax._spelling import nearest
from spexjax.designs import checked_keep

Weight = Callable[[int, int, int], Fraction | int]
Measure = tuple[Float[np.ndarray, " q"], Float[np.ndarray, " q"]]
DESIGNS = ("uniform", "sized")
_WITH_KEEP = re.compile(r"(.+)\((.+)\)")


def _no_measure(order: int, max_order: int, num_features: int) -> Measure | None:
    """The measure of an index that has none: None."""
    return None


@dataclasses.dataclass(frozen=True, eq=False)
class Index:
    """An interaction index: `I(S) = sum_{T ⊇ S} w(|S|, |T|) a(T)`, with a the Möbius transform of the function.

    The name and the weights are enough. An index that also gives its `measure` has a closed form for surrogates; one
    without is read off the truncated spectrum. `register` makes an index available by name.

    Let `D_S(t)` be the derivative at S of the multilinear extension where every other feature is kept with probability
    t (`gp.derivatives`). It is the polynomial `sum_{T ⊇ S} a(T) t^{|T|-|S|}`. So if the weights are the moments of a
    measure, `w(s, t) = sum_q mu_q t_q^{t-s}`, then `I(S) = sum_q mu_q D_S(t_q)`.

    Attributes:
      name: such as "SII". Users may write it in any case.
      weight: `weight(s, t, k)` is w(s, t) for `s <= t` and the order k that was asked for. It returns a `Fraction` or
        an integer: the weights are added with alternating signs, which floats do not survive. The weights of an index
        of all orders must not depend on k.
      definition: what I(S) is, in words; the report prints it.
      reference: where the index comes from.
      smallest: the smallest |S| that has a value, 0 or 1.
      max_order: the default k; None stands for all orders.
      single: True if the order is 1 whatever is asked for.
      design: the masks that estimate it best. "sized" if the weights depend on small and large masks as much as on all
        others, as Shapley's do; else "uniform".
      measure: `measure(s, k, n)` gives the nodes t and the weights mu, two arrays `Float[q]`, for sets of `s >= 1` out
        of n features; None where there is no such measure. The empty set then must have the value of the function
        where nothing is kept.
      of_low_orders: True if Fourier terms of more than k features add nothing, as in the best approximation of order k
        where all masks weigh alike. It then follows from BII of order k.
      aliases: other spellings of the name.
      at_keep: for an index of the product measure that keeps every feature with probability p: makes the record for
        another p. `get(name, keep=p)` calls it, and names what it makes "name(p)".

    Raises:
      ValueError: if an attribute is not as described.

    >>> half = Index("half", lambda s, t, k: Fraction(1, 2 ** (t - s)))
    >>> half.weight(1, 3, 2), half.measure(1, 2, 5)
    (Fraction(1, 4), None)
    """

    name: str
    weight: Weight
    definition: str = "the sum over T ⊇ S of w(|S|, |T|) a(T), with a the Möbius transform"
    reference: str = ""
    smallest: int = 1
    max_order: int | None = 2
    single: bool = False
    design: str = "uniform"
    measure: Callable[[int, int, int], Measure | None] = _no_measure
    of_low_orders: bool = False
    aliases: tuple[str, ...] = ()
    at_keep: Callable[[float], "Index"] | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"The name of an index is a string with at least one character, not {self.name!r}.")
        if not isinstance(self.aliases, tuple | list) or not all(isinstance(name, str) for name in self.aliases):
            raise ValueError(f"The aliases of {self.name} must be a tuple of names; got {self.aliases!r}.")
        if self.design not in DESIGNS:
            raise ValueError(f"The design of {self.name} must be one of {', '.join(DESIGNS)}; got {self.design!r}.")
        if self.smallest not in (0, 1) or not (self.max_order is None or _is_order(self.max_order)):
            raise ValueError(f"{self.name} needs a smallest order of 0 or 1, and a max_order of 1 or more, or None.")
        k = self.max_order or 3
        pairs = [(s, t) for s in range(self.smallest, k + 1) for t in range(s, k + 3)]
        at_any_order = (k, k + 1) if self.max_order is None else (k, k)
        try:
            weights, later = ({(s, t): self.weight(s, t, order) for s, t in pairs} for order in at_any_order)
        except Exception as error:  # the user's code may raise anything
            raise ValueError(
                f"weight(s, t, k) of {self.name} fails for some {self.smallest} <= s <= t: {error}."
            ) from error
        if not all(isinstance(w, Rational) for w in weights.values()):
            raise ValueError(
                f"The weights of {self.name} must be exact, as they are added with alternating signs: return a "
                "fractions.Fraction or an integer."
            )
        if weights != later:
            raise ValueError(f"{self.name} is of all orders (max_order=None), so its weights must not depend on k.")
        if self.of_low_orders and not _of_low_orders(weights, self.smallest, k):
            raise ValueError(
                f"{self.name} has of_low_orders=True, but Fourier terms of {k + 1} or {k + 2} features change its "
                f"values of order {k}; leave of_low_orders out."
            )
        self._check_measure(weights, k)

    def _check_measure(self, weights: Mapping[tuple[int, int], Any], k: int) -> None:
        """Raises if the measure does not have the weights as its moments."""
        at_nothing = all(w == (t == 0) for (s, t), w in weights.items() if s == 0)
        if self.measure is not _no_measure and not at_nothing:
            raise ValueError(
                f"{self.name} has a measure, so the empty set must have the value of the function where nothing is "
                "kept: w(0, 0) = 1 and w(0, t) = 0. Or set smallest=1, or leave the measure out."
            )
        for s in range(1, k + 1):
            wanted = moments = [float(weights[s, t]) for t in range(s, k + 3)]
            try:
                if (measure := self.measure(s, k, k + 2)) is not None:
                    at, mu = measure
                    moments = [float(mu @ at ** (t - s)) for t in range(s, k + 3)]
            except Exception as error:  # the user's code may raise anything
                raise ValueError(
                    f"measure(s, k, n) of {self.name} must give the nodes and the weights, two arrays of one length, "
                    f"or None; for s = {s} it fails: {error}."
                ) from error
            if not np.allclose(moments, wanted):
                raise ValueError(
                    f"The measure of {self.name} must have the weights as its moments: for s = {s} the sum over mu_q "
                    "t_q^(t-s) is not w(s, t)."
                )


def _of_low_orders(weights: Mapping[tuple[int, int], Any], smallest: int, k: int) -> bool:
    """Whether Fourier terms of k + 1 and k + 2 features add nothing to order k.

    The term of a set U has the Möbius transform `a(T) = (-2)^|T|` for all T ⊆ U.
    """
    return all(
        sum(comb(u - s, t - s) * (-2) ** t * weights[s, t] for t in range(s, u + 1)) == 0
        for s in range(smallest, k + 1)
        for u in (k + 1, k + 2)
    )


def _is_order(order: object) -> bool:
    return isinstance(order, int | np.integer) and not isinstance(order, bool) and bool(order >= 1)


_INDICES: dict[str, Index] = {}
_SPELLINGS: dict[str, str] = {}  # in lower case
INDICES = _INDICES.keys()  # the names, those that users register included


def register(index: Index) -> Index:
    """Makes an index available by its name, everywhere an index is asked for.

    Args:
      index: replaces one of the same name.

    Returns:
      The index.

    Raises:
      ValueError: if it is no `Index`, or another index has a name that differs only in case.
    """
    if not isinstance(index, Index):
        raise ValueError(f"register takes a spexjax.indices.Index; got {index!r}.")
    spellings = {name.lower(): index.name for name in (index.name, *index.aliases)}
    if taken := sorted({_SPELLINGS[s] for s in spellings if s in _SPELLINGS} - {index.name}):
        raise ValueError(f"{index.name} would be confused with the index {taken[0]}; choose another name.")
    _INDICES[index.name] = index
    _SPELLINGS.update(spellings)
    return index


def get(name: str, keep: float | None = None) -> Index:
    """Returns the index of a name.

    Args:
      name: a name of `INDICES`, in any case. "WBII(0.9)" is WBII where features are kept with probability 0.9.
      keep: that probability, for WBV and WBII; 1/2 by default.

    Raises:
      ValueError: if there is no such index, it has no such probability, or it is not between 0 and 1.

    >>> get("sii").reference
    'Grabisch & Roubens 1999, An axiomatic approach to the concept of interaction among players in cooperative games'
    >>> get("wbii", keep=0.9).name
    'WBII(0.9)'
    """
    found, own = _found(name)
    if keep is not None and own not in (None, checked_keep(keep)):
        raise ValueError(f"{name} keeps features with probability {own:g}, and keep is {keep:g}; give one of the two.")
    at = own if keep is None else checked_keep(keep)
    if at is None:
        return found
    if found.at_keep is None:
        able = " and ".join(other.name for other in _INDICES.values() if other.at_keep is not None)
        raise ValueError(f"{found.name} has no probability of keeping a feature; keep is for {able}.")
    return _at_keep(found, at)


def full_name(name: str, keep: float | None = None, default: float | None = None) -> str:
    """The name of an index with its probability, if it has one.

    Args:
      name: as in `get`.
      keep: as in `get`.
      default: what `keep` is where neither it nor the name gives one.

    Raises:
      ValueError: as `get`.

    >>> full_name("WBV", default=0.9), full_name("sv", default=0.9), full_name("WBV(0.8)", default=0.9)
    ('WBV(0.9)', 'SV', 'WBV(0.8)')
    """
    index = get(name, keep)
    return get(name, default).name if index.at_keep is not None else index.name


@cache
def _at_keep(index: Index, keep: float) -> Index:
    """The same record each time, by which exact sums of weights are cached."""
    assert index.at_keep is not None
    return dataclasses.replace(index.at_keep(keep), name=f"{index.name}({keep})", aliases=(), at_keep=None)


def _found(name: str) -> tuple[Index, float | None]:
    """The record of a name, and the probability that the name gives."""
    if isinstance(name, Index):
        raise ValueError(f"An index is asked for by its name: sx.indices.register it, and give {name.name!r}.")
    spelling = name.lower() if isinstance(name, str) else ""
    if spelling in _SPELLINGS:
        return _INDICES[_SPELLINGS[spelling]], None
    if (match := _WITH_KEEP.fullmatch(spelling)) and match[1] in _SPELLINGS:
        try:
            keep = float(match[2])
        except ValueError:
            keep = float("nan")
        return _INDICES[_SPELLINGS[match[1]]], checked_keep(keep)
    near = nearest(spelling, _SPELLINGS)
    hint = f" (did you mean {_SPELLINGS[near]}?)" if near is not None else ""
    raise ValueError(f"{name!r} is not an index{hint}; the known ones are {', '.join(INDICES)}.")


def check_index(index: str, max_order: int | None = None) -> str:
    """Returns the name in `INDICES` that is meant.

    Args:
      index: a name, in any case.
      max_order: the order that is asked for.

    Raises:
      ValueError: if there is no such index, or `max_order` is not a whole number of at least 1.

    >>> check_index("k-sii", 3)
    'k-SII'
    """
    if max_order is not None and not _is_order(max_order):
        raise ValueError(f"max_order is the largest interaction's size, a whole number, 1 or more; got {max_order}.")
    return get(index).name

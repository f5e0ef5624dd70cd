"""The sparse Fourier spectrum of a value function, and the convention that the whole package follows.

`f(x) = sum_S F(S) (-1)^{|S ∩ x|}`, `F(S) = 2^-n sum_x f(x) (-1)^{|S ∩ x|}`, with `x_i = 1` for a kept component.
"""

import dataclasses
import operator
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import ArrayLike

from spexjax._buckets import bucket, pad
from spexjax._equality import by_content
from spexjax._shown import ShownTerms
from spexjax.typing import Array, Leaf, Masks, Values

EMPTY_SET = np.zeros((1, 0), np.int32)  # a support of one row
_SMALL = 1 << 24  # entries, rows times columns times places, up to which numpy is as fast as a program
_BLOCK = 1 << 22  # entries of the [k, rows] block of signs, and of the [rows, n] block of masks, held at once


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Spectrum(ShownTerms):
    """A function on `{0,1}^n` with few Fourier coefficients: `f(x) = sum_S F(S) (-1)^{|S ∩ x|}`.

    A row of `support` lists the features of one S in increasing order, padded at the end with `num_features`;
    a row of padding alone stands for the constant. Rows are distinct, except that a fixed-shape result may end in
    constants with coefficient 0.

    Coefficients fitted on the host are float64 numpy arrays, so that a constant far larger than all other terms costs
    them no digits. Under a JAX transformation they have JAX's precision.

    >>> xor = Spectrum.from_dict({(): 0.5, (0, 2): -0.5}, num_features=3)
    >>> xor(np.array([[1, 0, 0], [1, 0, 1]], bool)).tolist()
    [1.0, 0.0]
    """

    support: Leaf  # Int[k, d]
    coefficients: Leaf  # Float[k]
    num_features: int = dataclasses.field(metadata={"static": True})

    def __call__(self, masks: ArrayLike) -> Values:
        """Evaluates f at each mask, `Float[m]`; see `evaluate`."""
        return evaluate(self, masks)

    def __len__(self) -> int:
        return self.support.shape[0]

    @property
    def orders(self) -> Int[Array, " k"]:
        """|S| of each term."""
        return (self.support < self.num_features).sum(-1)

    def scale(self, factor: float) -> "Spectrum":
        """The spectrum of `factor * f`."""
        return dataclasses.replace(self, coefficients=self.coefficients * factor)

    def merge(self, *others: "Spectrum") -> "Spectrum":
        """The spectrum of the sum of the functions, in float64 on the host: coefficients of equal S are added.

        Raises:
          ValueError: if the functions have different numbers of features.
        """
        spectra = (self, *others)
        if len(set(sizes := [s.num_features for s in spectra])) > 1:
            raise ValueError(f"Only functions of the same features can be added; got n = {sizes}.")
        support, inverse = unique_rows(joined_supports([s.support for s in spectra], self.num_features))
        sums = np.zeros(len(support))
        np.add.at(sums, inverse, np.concatenate([np.asarray(s.coefficients, np.float64) for s in spectra]))
        return Spectrum(support, sums, self.num_features)

    def truncate(self, max_terms: int) -> "Spectrum":
        """The `max_terms` terms of largest |F(S)|, strongest first. The constant is always kept."""
        strength = np.abs(np.asarray(self.coefficients, np.float64))
        strength = np.where(np.asarray(self.orders) == 0, np.inf, strength)
        keep = np.argsort(-strength, kind="stable")[:max_terms]
        return Spectrum(self.support[keep], self.coefficients[keep], self.num_features)

    def energy_by_order(self) -> Float[np.ndarray, " _"]:
        """`sum_{|S| = o} F(S)^2` for o = 0..d. By Parseval, entries 1.. sum to the variance of f over uniform masks."""
        weights = np.asarray(self.coefficients, np.float64) ** 2
        return np.bincount(np.asarray(self.orders), weights=weights, minlength=self.support.shape[1] + 1)

    @classmethod
    def from_dict(cls, terms: Mapping[tuple[int, ...], float], num_features: int) -> "Spectrum":
        """Builds a spectrum from `{S: F(S)}`.

        Args:
          terms: maps each S, a tuple of feature indices in any order, to its coefficient; `()` is the constant.
          num_features: n.

        Raises:
          ValueError: if an S is no tuple of whole numbers, repeats a feature, names one outside `0..n-1`, or appears
            twice in another order, or a coefficient is not a number.
        """
        try:
            sets = [tuple(sorted(map(operator.index, s))) for s in terms]
            coefficients = np.array([float(value) for value in terms.values()])
        except TypeError as error:
            raise ValueError(f"Terms map tuples of features to numbers, such as {{(0, 2): 1.5}}: {error}.") from error
        for s in sets:
            if len(set(s)) != len(s) or (s and not 0 <= s[0] <= s[-1] < num_features):
                raise ValueError(f"{s} is not a set of features out of 0..{num_features - 1}.")
        if len(set(sets)) != len(sets):
            raise ValueError("The same interaction is given twice in different orders; give each once.")
        support = np.full((len(sets), max(map(len, sets), default=0)), num_features, np.int32)
        for row, s in zip(support, sets, strict=True):
            row[: len(s)] = s
        return cls(support, coefficients, num_features)

    @classmethod
    def constant(cls, value: float, num_features: int) -> "Spectrum":
        """The function that has the same value at every mask.

        Args:
          value: that value.
          num_features: n.
        """
        return cls(padded_support(EMPTY_SET, num_features, 1), np.array([float(value)]), num_features)

    def to_dict(self) -> dict[tuple[int, ...], float]:
        """`{S: F(S)}`, with S as a sorted tuple; repeated rows are added."""
        terms: dict[tuple[int, ...], float] = {}
        coefficients = np.asarray(self.coefficients, np.float64).tolist()
        for row, value in zip(np.asarray(self.support).tolist(), coefficients, strict=True):
            s = tuple(i for i in row if i < self.num_features)
            terms[s] = terms.get(s, 0.0) + value
        return terms


def padded_support(
    support: Int[Array, "k d"], num_features: int, width: int | None = None, rows: int | None = None
) -> Int[Array, "_ _"]:
    """Pads sets with n, and adds empty sets at the end.

    Args:
      support: k sets of features in increasing order, padded with n.
      num_features: n.
      width: the least number of columns; d by default.
      rows: the least number of sets; k by default.

    >>> padded_support(np.array([[0, 1]]), num_features=4, width=3, rows=2).tolist()
    [[0, 1, 4], [4, 4, 4]]
    """
    k, d = support.shape
    missing = (0, max((rows or k) - k, 0)), (0, max((width or d) - d, 0))
    return (jnp if isinstance(support, jax.Array) else np).pad(support, missing, constant_values=num_features)


def joined_supports(supports: Sequence[Int[Array, "_ _"]], num_features: int) -> Int[np.ndarray, "k d"]:
    """All sets of several supports, in order; as wide as the widest.

    Args:
      supports: `[k_i, d_i]` sets of features in increasing order, padded with n. `EMPTY_SET` is one of them.
      num_features: n.

    >>> joined_supports([EMPTY_SET, np.array([[0, 1], [2, 4]])], num_features=4).tolist()
    [[4, 4], [0, 1], [2, 4]]
    """
    width = max((s.shape[1] for s in supports), default=0)
    rows = [np.asarray(padded_support(s, num_features, width)) for s in supports]
    return np.concatenate(rows) if rows else np.zeros((0, 0), np.int32)


def unique_rows(rows: Shaped[np.ndarray, "k d"]) -> tuple[Shaped[np.ndarray, "u d"], Int[np.ndarray, " k"]]:
    """The distinct rows in lexicographic order, and for each given row its position among them."""
    if rows.shape[1] == 0:
        return rows[:1], np.zeros(len(rows), np.int64)
    order = np.lexsort(rows.T[::-1])
    new = np.ones(len(rows), bool)
    new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(1)
    inverse = np.empty(len(rows), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return rows[order[new]], inverse


def mask_numbers(masks: Masks) -> Int[np.ndarray, " m"]:
    """The number `sum_i x_i 2^i` of each mask of at most 62 features.

    >>> mask_numbers(np.array([[1, 0, 0], [0, 1, 1]], bool)).tolist()
    [1, 6]
    """
    masks = np.asarray(masks)
    return masks @ (1 << np.arange(masks.shape[1]))


def numbered_masks(numbers: Int[np.ndarray, " m"], num_features: int) -> Bool[np.ndarray, "m n"]:
    """The masks of these numbers, the inverse of `mask_numbers`.

    Args:
      numbers: `sum_i x_i 2^i` of each mask.
      num_features: n.

    >>> numbered_masks(np.array([1, 6]), 3).astype(int).tolist()
    [[1, 0, 0], [0, 1, 1]]
    """
    return (numbers[:, None] >> np.arange(num_features) & 1).astype(bool)


def characters(support: Int[Array, "k d"], masks: Masks) -> Float[Array, "m k"]:
    """The Fourier characters `(-1)^{|S ∩ x|}` of every mask and support row.

    Args:
      support: k sets of feature indices, padded with n.
      masks: bool `[m, n]`, True = kept.
    """
    return _signs(jnp.asarray(support), jnp.asarray(masks)).T


def host_characters(support: Int[Array, "k d"], masks: Masks) -> Float[np.ndarray, "m k"]:
    """`characters` by numpy, in double precision: for few sets, where a program of their shape would not pay.

    Args:
      support: k sets of feature indices, padded with n.
      masks: bool `[m, n]`, True = kept.
    """
    columns = np.pad(np.asarray(masks), ((0, 0), (0, 1)))  # padding counts as removed
    odd = np.zeros((len(masks), len(support)), bool)
    for places in np.minimum(support, masks.shape[1]).T:
        odd ^= columns[:, places]
    return np.where(odd, -1.0, 1.0)


def checked_masks(masks: ArrayLike, num_features: int) -> Masks:
    """Returns masks as bool `[m, n]`.

    Args:
      masks: `[m, n]`, bool or numbers that are all 0 or 1.
      num_features: n.

    Raises:
      ValueError: if the shape is wrong or a number is neither 0 nor 1. Inside `jax.jit` and other transformations
        numbers cannot be checked, so masks must be bool there.
    """
    masks, n = masks if isinstance(masks, jax.Array) else np.asarray(masks), num_features
    if masks.ndim != 2 or masks.shape[1] != n:
        raise ValueError(f"Masks must be [m, {n}], for {n} features, one mask x being x[None]; got {masks.shape}.")
    if masks.dtype != bool:
        if isinstance(masks, jax.core.Tracer):
            raise ValueError(f"Masks must be bool inside a JAX transformation; got {masks.dtype}.")
        if not np.isin(masks, (0, 1)).all():
            raise ValueError("Masks must be True or 1 (kept) or False or 0 (removed); got something else.")
    return masks.astype(bool)


def evaluate(spectrum: Spectrum, masks: ArrayLike) -> Values:
    """Evaluates `f(x) = sum_S F(S) (-1)^{|S ∩ x|}` at each mask, in bounded memory.

    Float64 coefficients on the host give float64 values. Small sums are taken there. For large ones the device sums all
    terms but the constant, in units of the largest, so that a large constant or an extreme unit costs no digits.

    Masks are taken in blocks, so that no intermediate array has more than 4 million entries. Within a block, parities
    come from d gathers, or from one matmul if n is small relative to d; where to switch depends on the device.

    Args:
      spectrum: k terms of order at most d over n features.
      masks: bool `[m, n]`.

    Returns:
      `Float[m]`, in the dtype of the coefficients.

    Raises:
      ValueError: as `checked_masks`.
    """
    masks, coefficients = checked_masks(masks, spectrum.num_features), spectrum.coefficients
    on_host = isinstance(coefficients, np.ndarray) and coefficients.dtype == np.float64
    if not on_host or isinstance(masks, jax.core.Tracer):
        return _evaluate(spectrum, jnp.asarray(masks))
    (k, d), m = spectrum.support.shape, len(masks)
    if k * m * max(d, 1) <= _SMALL:
        return host_characters(spectrum.support, masks) @ coefficients
    constant = np.asarray(spectrum.orders) == 0
    others = np.where(constant, 0, coefficients)
    unit = np.abs(others).max(initial=0) or 1.0
    found = np.asarray(_evaluate(*_padded(spectrum, others / unit, masks)), np.float64)[:m]
    return coefficients[constant].sum() + unit * found


def _padded(
    spectrum: Spectrum, coefficients: Float[np.ndarray, " k"], masks: Masks
) -> tuple[Spectrum, Bool[Array, "M N"]]:
    """A spectrum with other coefficients, and masks, both padded: few shapes, few programs."""
    n, (k, d) = bucket(spectrum.num_features), spectrum.support.shape
    support = np.where(np.asarray(spectrum.support) < spectrum.num_features, spectrum.support, n)
    padded = pad(support.astype(np.int32), bucket(k), bucket(d), fill=n)
    some = Spectrum(padded, pad(coefficients.astype(np.float32), bucket(k)), n)
    return some, pad(np.asarray(masks), bucket(len(masks)), n, fill=False)


@jax.jit
def _evaluate(spectrum: Spectrum, masks: Bool[Array, "m n"]) -> Float[Array, " m"]:
    m, n = masks.shape
    values = jnp.zeros(m, spectrum.coefficients.dtype)
    if m == 0 or len(spectrum) == 0:
        return values
    rows = min(m, max(1, _BLOCK // max(len(spectrum), n)))

    def block(i: Int[Array, ""], values: Float[Array, " m"]) -> Float[Array, " m"]:
        # The last block is clamped to end at m and repeats a few rows, which saves a ragged second program.
        x = jax.lax.dynamic_slice_in_dim(masks, i * rows, rows)
        signs = _signs(spectrum.support, x, spectrum.coefficients.dtype)
        y = jnp.matmul(spectrum.coefficients, signs, precision="highest")
        return jax.lax.dynamic_update_slice_in_dim(values, y, i * rows, 0)

    return jax.lax.fori_loop(0, -(-m // rows), block, values)


def _signs(support: Int[Array, "k d"], masks: Bool[Array, "m n"], dtype=None) -> Float[Array, "k m"]:
    """`(-1)^{|S ∩ x|}`, one row per S."""

    # Measured: a CPU gathers contiguous rows faster than it multiplies; accelerators the other way round.
    def fastest(columns_per_gather: int) -> Callable[[Array, Array], Bool[Array, "k m"]]:
        return _odd_by_matmul if masks.shape[1] <= support.shape[1] * columns_per_gather else _odd_by_gathers

    odd = jax.lax.platform_dependent(support, masks, cpu=fastest(1), cuda=fastest(32), default=fastest(128))
    one = jnp.ones((), dtype)
    return jnp.where(odd, -one, one)


def _odd_by_matmul(support: Int[Array, "k d"], masks: Bool[Array, "m n"]) -> Bool[Array, "k m"]:
    """Whether `|S ∩ x|` is odd: one product of the matrices of sets and masks."""
    k, n = len(support), masks.shape[1]
    member = jnp.zeros((k, n)).at[jnp.arange(k)[:, None], support].set(1.0, mode="drop")
    overlap = jnp.matmul(member, masks.T.astype(member.dtype), precision="highest")
    return (overlap.astype(jnp.int32) & 1).astype(bool)


def _odd_by_gathers(support: Int[Array, "k d"], masks: Bool[Array, "m n"]) -> Bool[Array, "k m"]:
    """Whether `|S ∩ x|` is odd: one gather for each place of a set."""
    columns, odd = jnp.asarray(masks).T, jnp.zeros((len(support), len(masks)), bool)
    for j in range(support.shape[1]):
        odd ^= columns.at[support[:, j]].get(mode="fill", fill_value=False)
    return odd

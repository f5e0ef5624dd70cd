"""Masks on which many characters are summed at once: affine subspaces, by the fast Walsh-Hadamard transform."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._random import uniforms
from spexjax.spectrum import host_characters
from spexjax.transforms import host_walsh_hadamard
from spexjax.typing import Key, Masks


class Cosets(NamedTuple):
    """Several sets of `2^d` masks: `start + sum_i c_i directions_i` over GF(2), for every c in {0, 1}^d.

    On such a set a character `(-1)^{|S ∩ x|}` is one of c, up to its sign. So a sum of k characters takes `k + d 2^d`
    additions instead of `k 2^d`.
    """

    start: Bool[np.ndarray, "b n"]
    directions: Bool[np.ndarray, "b d n"]

    @property
    def num_masks(self) -> int:
        """Of all sets together, b 2^d."""
        return self.directions.shape[0] << self.directions.shape[1]

    def masks(self) -> Masks:
        """All masks `[b 2^d, n]`, set by set, little-endian: bit i of the place is c_i."""
        masks = self.start[:, None]
        for i in range(self.directions.shape[1]):
            masks = np.concatenate([masks, masks ^ self.directions[:, i, None]], axis=1)
        return masks.reshape(-1, masks.shape[-1])


def draw_cosets(key: Key, shares: Float[np.ndarray, " b"], d: int, n: int) -> Cosets:
    """Draws one set for each share, so that every mask keeps each feature independently with that probability.

    A feature is fixed with probability `|2 share - 1|`; the others are free, and any two masks of a set are independent
    in them.

    Args:
      key: PRNG key, consumed.
      shares: the probabilities.
      d: each set has 2^d masks, not all distinct if few features are free.
      n: number of features.
    """
    draws = uniforms(key, len(shares), d + 2, n)
    free = draws[:, 0] >= np.abs(2 * shares - 1)[:, None]
    start = np.where(free, draws[:, 1] < 0.5, shares[:, None] > 0.5)
    return Cosets(start, (draws[:, 2:] < 0.5) & free[:, None])


class Characters:
    """The characters of k supports on the masks of `Cosets`, as a linear map `X`: `[b 2^d, k]`."""

    def __init__(self, support: Int[np.ndarray, "k d"], cosets: Cosets):
        """Finds the place and the sign of every character in the transform of each set."""
        (b, d, n), k = cosets.directions.shape, len(support)
        odd = (host_characters(support, cosets.directions.reshape(-1, n)) < 0).reshape(b, d, k)
        first = (np.arange(b) << d)[:, None]
        self._places = first + np.einsum("bdk,d->bk", odd, 1 << np.arange(d))
        self._signs = host_characters(support, cosets.start)
        self._shape = b, 1 << d

    def times(self, weights: Float[np.ndarray, " k"]) -> Float[np.ndarray, " m"]:
        """`X w`: the sum of the weighted characters at every mask."""
        sums = np.bincount(self._places.ravel(), (self._signs * weights).ravel(), np.prod(self._shape))
        return host_walsh_hadamard(sums.reshape(self._shape)).ravel()

    def projected(self, values: Float[np.ndarray, " m"]) -> Float[np.ndarray, " k"]:
        """`X' u`: the inner product of the values with every character."""
        transform = host_walsh_hadamard(values.reshape(self._shape)).ravel()
        return np.einsum("bk,bk->k", self._signs, transform[self._places])

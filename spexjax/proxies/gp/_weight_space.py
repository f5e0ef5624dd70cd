"""Gaussian process regression on the likeliest terms of the prior, for more masks than a kernel matrix can hold."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Float, Int

from spexjax.gp import ProductKernel, prior_variances
from spexjax.spectrum import characters
from spexjax.typing import Array, Masks

_ROWS = 1024  # masks whose characters exist at a time


class WeightSpace:
    """Posterior means of the coefficients of k terms given m masks; memory grows with k^2 instead of m^2.

    Under the prior `F(S) ~ N(0, v_S)` with noise, and with `A = X'X` for the characters `X_iS = (-1)^{|S ∩ x_i|}`,

        F = (A + noise diag(1 / v))^-1 X'y,

    For all 2^n terms this is the posterior mean of the Gaussian process (Rasmussen and Williams, section 2.1). A and
    X'y are summed over blocks of masks for each fold separately, so that fits without a fold need no second pass.
    """

    def __init__(
        self, support: Int[np.ndarray, "k d"], masks: Masks, y: Float[np.ndarray, " m"], fold: Int[np.ndarray, " m"]
    ):
        """Sums A and X'y over the masks.

        Args:
          support: the k terms, as in `Spectrum.support`.
          masks: bool `[m, n]`.
          y: the values there, of mean 0.
          fold: the fold of each mask, `0..K-1`.
        """
        self.support, self.masks, self.fold = jnp.asarray(support), np.asarray(masks), fold
        sums = [self._sums(np.flatnonzero(fold == k), np.asarray(y, np.float32)) for k in range(fold.max() + 1)]
        self._products, self._moments = (np.stack(parts) for parts in zip(*sums, strict=True))

    def coefficients(self, kernel: ProductKernel, noise: float, without: int | None = None) -> Float[np.ndarray, " k"]:
        """The posterior mean of the coefficients.

        Args:
          kernel: the prior.
          noise: variance of the noise.
          without: a fold to leave out; None uses all masks.
        """
        kept = [k for k in range(len(self._products)) if k != without]
        scale = np.sqrt(np.asarray(prior_variances(kernel, self.support), np.float64))
        system = self._products[kept].sum(0, dtype=np.float64) * scale * scale[:, None]
        system[np.diag_indices_from(system)] += noise
        moments = self._moments[kept].sum(0, dtype=np.float64) * scale
        return scale * scipy.linalg.solve(system, moments, assume_a="pos", overwrite_a=True)

    def held_out(self, kernel: ProductKernel, noise: float) -> Float[np.ndarray, " m"]:
        """Predicts each mask by the fit without its fold; arguments as in `coefficients`."""
        found = np.empty(len(self.masks))
        for k in range(len(self._products)):
            rows = np.flatnonzero(self.fold == k)
            weights = jnp.asarray(self.coefficients(kernel, noise, without=k), jnp.float32)
            parts = [_characters(self.support, block) @ weights for block in self._blocks(rows)]
            found[rows] = np.concatenate(parts)[: len(rows)]
        return found

    def _sums(self, rows: Int[np.ndarray, " r"], y: Float[np.ndarray, " m"]):
        """`X'X` and `X'y` over some masks."""
        k = len(self.support)
        products, moments = jnp.zeros((k, k)), jnp.zeros(k)
        padded = np.pad(y[rows], (0, -len(rows) % _ROWS))
        used = np.pad(np.ones(len(rows), np.float32), (0, -len(rows) % _ROWS))
        for i, block in enumerate(self._blocks(rows)):
            part = slice(i * _ROWS, (i + 1) * _ROWS)
            products, moments = _add(products, moments, self.support, block, used[part], padded[part])
        return np.asarray(products), np.asarray(moments)

    def _blocks(self, rows: Int[np.ndarray, " r"]) -> list[np.ndarray]:
        """The masks in blocks of equal size, the last one padded."""
        return np.split(np.pad(self.masks[rows], ((0, -len(rows) % _ROWS), (0, 0))), -(-len(rows) // _ROWS))


_characters = jax.jit(characters)


@partial(jax.jit, donate_argnums=(0, 1))
@jax.default_matmul_precision("highest")
def _add(products, moments, support: Int[Array, "k d"], masks: Masks, used: Float[Array, " r"], y: Float[Array, " r"]):
    x = characters(support, masks) * used[:, None]
    return products + x.T @ x, moments + y @ x

"""The surrogate: the function that stands for the model in an explanation."""

import dataclasses
from collections.abc import Sequence
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from spexjax._equality import by_content
from spexjax._shown import on_host, shapes
from spexjax.gp import _programs as programs
from spexjax.gp._by_size import index_factor
from spexjax.gp._fourier import strongest_of_all
from spexjax.gp._kernel import signs
from spexjax.gp._process import Process
from spexjax.spectrum import Spectrum, checked_masks, host_characters
from spexjax.typing import Array, Leaf, Values

_ROWS = 4096  # new masks whose covariances with the known ones exist at a time


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Surrogate:
    """A function of masks: `rest(x) + spread * sum_e share_e sum_j alpha_ej k_e(x, x_j)`, e running over all members.

    The sum of Gaussian process posteriors and a sparse spectrum. Its spectrum, its interaction indices and their
    standard errors have closed forms, so that nothing of size 2^n is ever needed.

    Calls work under `jax.jit`, `jax.vmap` and `jax.grad`. The methods run on the host, partly in double precision.
    """

    masks: Leaf  # Bool[m, n]: the x_j
    processes: tuple[Process, ...]
    rest: Spectrum
    deviation: Leaf  # Float[]: the standard deviation that a covariance of 1 stands for, from held-out residuals
    spread: Leaf = 1.0  # Float[]: the unit of the processes, so that single precision holds their weights
    by_size: Leaf | None = None  # Float[n + 1]: factors of the variance at masks of 0..n features; 1 by default

    @property
    def shares(self) -> Float[Array, " e"]:
        """The weight of every member."""
        xp = np if all(isinstance(p.shares, np.ndarray) for p in self.processes) else jnp
        return xp.concatenate([p.shares for p in self.processes])

    def scale(self, factor: float, *others: Spectrum) -> "Surrogate":
        """The surrogate of `factor * f`, plus some spectra.

        Args:
          factor: a number of any sign.
          others: spectra to add.
        """
        processes = tuple(dataclasses.replace(p, alphas=p.alphas * np.sign(factor)) for p in self.processes)
        rest, size = self.rest.scale(factor).merge(*others), abs(factor)
        return Surrogate(self.masks, processes, rest, self.deviation * size, self.spread * (size or 1), self.by_size)

    def __repr__(self) -> str:
        if not on_host(self.masks, self.deviation, *(p.shares for p in self.processes)):
            return shapes(self)
        m, n = self.masks.shape
        return (
            f"Surrogate of {n:,} features: {len(self.shares)} members of {len(self.processes)} kinds of kernel given "
            f"{m:,} masks, and {len(self.rest):,} Fourier terms; deviation {float(self.deviation):.4g}"
        )

    def __call__(self, masks: ArrayLike) -> Values:
        """The value at each mask, `Float[l]`, in memory that does not grow with their number.

        Raises:
          ValueError: as `checked_masks`.
        """
        masks = checked_masks(masks, self.rest.num_features)
        if any(isinstance(leaf, jax.core.Tracer) for leaf in [masks, *jax.tree.leaves(self)]):
            means = programs.means(self.processes, signs(jnp.asarray(self.masks)), signs(jnp.asarray(masks)))
            smooth = jnp.matmul(self.shares, means, precision="highest")
            return self.rest(masks) + self.spread * smooth
        smooth = np.asarray(self.shares, np.float64) @ self._padded.means_at(np.asarray(masks))
        return np.asarray(self.rest(masks)) + self.spread * smooth

    def standard_error(self, masks: ArrayLike) -> Float[np.ndarray, " l"]:
        """The standard error of the value at each mask, as if it had not been evaluated.

        Raises:
          ValueError: as `checked_masks`.
        """
        masks = np.asarray(checked_masks(masks, self.rest.num_features))
        blocks = [masks[i : i + _ROWS] for i in range(0, max(1, len(masks)), _ROWS)]
        errors = [self._error(self._padded.means_at(block), *self._padded.gram_at(block)) for block in blocks]
        factors = 1.0 if self.by_size is None else self.by_size[masks.sum(1)]
        return np.concatenate(errors) * np.sqrt(factors)

    def spectrum(self, support: Int[Array, "k d"]) -> Spectrum:
        """The exact coefficients on the given distinct supports, and all of `rest`, strongest first."""
        support = np.asarray(support)
        means = np.asarray(self.shares, np.float64) @ self._padded.coefficients(support)
        found = Spectrum(support, self.spread * means, self.rest.num_features)
        return self.rest.merge(found).truncate(len(support) + len(self.rest))

    def strongest_supports(self, max_terms: int) -> Int[np.ndarray, "k d"]:
        """About `max_terms` sets where the largest coefficients may be; see `strongest_supports`."""
        return strongest_of_all([p.first for p in self.processes], max_terms)

    def coefficient_errors(self, support: Int[Array, "k d"]) -> Float[np.ndarray, " k"]:
        """The standard error of the coefficient of each support."""
        support = np.asarray(support)
        priors = self._padded.coefficient_variances(support)
        x, noises = host_characters(support, self.masks).T, [float(p.first.noise) for p in self.processes]
        white = 0.5**self.rest.num_features
        priors = [prior + noise * white for prior, noise in zip(priors, noises, strict=True)]
        cross = [prior[:, None] * x for prior in priors]
        return self._error(self._padded.coefficients(support), cross, priors)

    def index(
        self, sets: Int[Array, "k s"], at: Float[Array, " q"], mu: Float[Array, " q"], residuals: Values
    ) -> Float[np.ndarray, " k"]:
        """`I(S) = sum_q mu_q D_S(t_q)` of the processes, corrected by the known values; see `indices.Index.measure`.

        The noise of the kernels stands for the part of the function that is too fine for them. At the evaluated masks
        that part is known: it is the residual. The posterior mean of the index includes it, which amounts to using the
        true value at every evaluated mask and the surrogate elsewhere.

        Args:
          sets: k sets of s features each.
          at: the probabilities t of the measure.
          mu: its weights.
          residuals: value minus surrogate, at each of `masks`; zero to leave the index uncorrected.
        """
        known = np.asarray(residuals, np.float64) / self.spread
        *smooth, exact = self._padded.index(np.asarray(sets), at, mu, known)
        return self.spread * (np.asarray(self.shares, np.float64) @ np.stack(smooth) + exact)

    def index_errors(
        self, sets: Int[Array, "k s"], at: Float[Array, " q"], mu: Float[Array, " q"]
    ) -> Float[np.ndarray, " k"]:
        """The standard error of `index`.

        Args:
          sets: k sets of s features each.
          at: the probabilities t of the measure.
          mu: its weights.
        """
        sets = np.asarray(sets)
        factor = 1.0 if self.by_size is None else index_factor(self.by_size, sets.shape[1], at, mu)
        (*cross, known), (*priors, total) = self._padded.index_covariances(sets, at, mu)
        noises = [float(p.first.noise) for p in self.processes]
        cross = [c + noise * known for c, noise in zip(cross, noises, strict=True)]
        priors = [prior + noise * total for prior, noise in zip(priors, noises, strict=True)]
        *means, _ = self._padded.index(sets, at, mu, np.zeros(len(self.masks)))
        corrected = np.stack(means) - self._padded.means_at(self.masks) @ known.T  # as `index`: true where evaluated
        return self._error(corrected, cross, priors) * np.sqrt(factor)

    @cached_property
    def _padded(self) -> "programs.Padded":
        return programs.Padded(self.processes, np.asarray(self.masks))

    def _error(self, means: Float[Array, "e k"], cross: Sequence, priors: Sequence) -> Float[np.ndarray, " k"]:
        """The standard error: the root of the mean variance of the first kernels plus the variance among all means.

        All in double precision, which holds the squares of large or small values.

        Args:
          means: of every member.
          cross: for the first kernel of each process, the covariances with the values at `masks`, `[k, m]`.
          priors: the prior variances.
        """
        shares, means = np.asarray(self.shares, np.float64), np.asarray(means, np.float64)
        weights = shares / shares.sum()
        of_each = np.split(weights, np.cumsum([len(p.shares) for p in self.processes])[:-1])
        within = sum(
            _posterior_variances(inverse, c, prior) * of_members.sum()
            for inverse, c, prior, of_members in zip(self._padded.inverses, cross, priors, of_each, strict=True)
        )
        among = weights @ (means - weights @ means) ** 2
        return self.spread * np.sqrt(float(self.deviation / self.spread) ** 2 * within + shares.sum() ** 2 * among)


def _posterior_variances(inverse: Float[np.ndarray, "m m"], cross: Float[Array, "k m"], prior: Float[Array, "*k"]):
    """`prior - diag(cross (K + noise I)^-1 cross')`, in double precision: a difference of almost equal numbers."""
    cross = np.asarray(cross, np.float64)
    return np.maximum(np.asarray(prior) - ((cross @ inverse) * cross).sum(1), 0)

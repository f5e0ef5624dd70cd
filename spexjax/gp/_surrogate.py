"""The surrogate: the function that stands for the model in an explanation."""

import dataclasses
from collections.abc import Callable
from operator import itemgetter

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from spexjax._equality import by_content
from spexjax.gp._by_size import index_factor
from spexjax.gp._extension import covariances, derivatives, variances
from spexjax.gp._fourier import MAX_ORDER, coefficients, prior_variances, strongest_of_all
from spexjax.gp._kernel import ProductKernel, gram, signs
from spexjax.gp._posterior import host_inverse
from spexjax.spectrum import Spectrum, characters, checked_masks, padded_support
from spexjax.typing import Array, Leaf, Masks, Values

_ROWS = 1024  # new masks that are looked at in one step
_TERMS = 4096  # terms that are computed in one step


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Process:
    """Posteriors under e kernels of the same shape, conditioned on the same masks.

    Where one kernel is enough, the first is used.
    """

    kernels: ProductKernel  # every leaf with a leading axis e
    alphas: Leaf  # Float[e, m]: the weights of the means, in units of the surrogate's `spread`
    shares: Leaf  # Float[e]: the weight of each mean in the surrogate

    @property
    def first(self) -> ProductKernel:
        """The first kernel."""
        return jax.tree.map(itemgetter(0), self.kernels)

    @property
    def members(self) -> list[ProductKernel]:
        """The kernels one by one."""
        return [jax.tree.map(itemgetter(i), self.kernels) for i in range(len(self.shares))]


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
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
        return jnp.concatenate([jnp.asarray(p.shares) for p in self.processes])

    def scale(self, factor: float, *others: Spectrum) -> "Surrogate":
        """The surrogate of `factor * f`, plus some spectra.

        Args:
          factor: a number of any sign.
          others: spectra to add.
        """
        processes = tuple(dataclasses.replace(p, alphas=p.alphas * np.sign(factor)) for p in self.processes)
        rest, size = self.rest.scale(factor).merge(*others), abs(factor)
        return Surrogate(self.masks, processes, rest, self.deviation * size, self.spread * (size or 1), self.by_size)

    def __call__(self, masks: ArrayLike) -> Values:
        """The value at each mask, `Float[l]`, in memory that does not grow with their number.

        Raises:
          ValueError: as `checked_masks`.
        """
        z, shares = signs(self.masks), self.shares

        def of_block(new):
            smooth = jnp.matmul(shares, _predictions(self.processes, z, signs(new)), precision="highest")
            return self.rest(new) + _on_host(self.spread) * _on_host(smooth)

        return _in_blocks(of_block, checked_masks(masks, self.rest.num_features))

    def standard_error(self, masks: ArrayLike) -> Float[np.ndarray, " l"]:
        """The standard error of the value at each mask, as if it had not been evaluated.

        Raises:
          ValueError: as `checked_masks`.
        """
        z, inverses = signs(self.masks), self._inverses()

        def of_block(masks):
            new = signs(masks)

            def cross(kernel):
                return gram(kernel, new, z), kernel.variance + kernel.noise

            factors = 1.0 if self.by_size is None else self.by_size[masks.sum(1)]
            return self._error(_predictions(self.processes, z, new), cross, inverses) * np.sqrt(factors)

        return np.asarray(_in_blocks(of_block, checked_masks(masks, self.rest.num_features)))

    def spectrum(self, support: Int[Array, "k d"]) -> Spectrum:
        """The exact coefficients on the given distinct supports, and all of `rest`, strongest first."""
        n, k = self.rest.num_features, len(support)
        padded = padded_support(support, n, min(MAX_ORDER, n), k + -k % _TERMS)  # few shapes, few compilations
        means = _coefficients(self.processes, self.masks, padded)[:, :k]
        found = Spectrum(padded[:k], self.spread * np.asarray(self.shares @ means, np.float64), n)
        return self.rest.merge(found).truncate(len(support) + len(self.rest))

    def strongest_supports(self, max_terms: int) -> Int[np.ndarray, "k d"]:
        """About `max_terms` sets where the largest coefficients may be; see `strongest_supports`."""
        return strongest_of_all([p.first for p in self.processes], max_terms)

    def coefficient_errors(self, support: Int[Array, "k d"]) -> Float[np.ndarray, " k"]:
        """The standard error of the coefficient of each support."""
        support = jnp.asarray(support)

        def cross(kernel):
            prior = prior_variances(kernel, support) + kernel.noise * 0.5**self.rest.num_features
            return prior[:, None] * characters(support, self.masks).T, prior

        return self._error(_coefficients(self.processes, self.masks, support), cross, self._inverses())

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
        at, mu = (jnp.asarray(a, jnp.float32) for a in (at, mu))
        z, white = signs(self.masks), _white(self.rest.num_features)
        smooth = [_index(p.kernels, z, p.alphas, sets, at, mu) for p in self.processes]
        known = jnp.asarray(np.asarray(residuals) / self.spread, jnp.float32)[None]
        exact = _index(jax.tree.map(lambda leaf: leaf[None], white), z, known, sets, at, mu)[0]
        return self.spread * np.asarray(self.shares @ jnp.concatenate(smooth) + exact, np.float64)

    def index_errors(
        self, sets: Int[Array, "k s"], at: Float[Array, " q"], mu: Float[Array, " q"]
    ) -> Float[np.ndarray, " k"]:
        """The standard error of `index`.

        Args:
          sets: k sets of s features each.
          at: the probabilities t of the measure.
          mu: its weights.
        """
        factor = 1.0 if self.by_size is None else index_factor(self.by_size, sets.shape[1], at, mu)
        at, mu = (jnp.asarray(a, jnp.float32) for a in (at, mu))
        z, white = signs(self.masks), _white(self.rest.num_features)
        known, total = _covariances(white, z, sets, at, mu), _variances(white, sets, at, mu)

        def cross(kernel):
            prior = _variances(kernel, sets, at, mu) + kernel.noise * total
            return _covariances(kernel, z, sets, at, mu) + kernel.noise * known, prior

        means = np.concatenate([_index(p.kernels, z, p.alphas, sets, at, mu) for p in self.processes])
        predicted = np.asarray(_predictions(self.processes, z, z))
        corrected = means - predicted @ np.asarray(known).T  # as `index`: true values where evaluated
        return self._error(corrected, cross, self._inverses()) * np.sqrt(factor)

    def _inverses(self) -> list[Float[np.ndarray, "m m"]]:
        """`(K + noise I)^-1` of the first kernel of each process."""
        return [host_inverse(p.first, self.masks) for p in self.processes]

    def _error(self, means: Float[Array, "e k"], cross: Callable, inverses: list) -> Float[np.ndarray, " k"]:
        """The standard error: the root of the mean variance of the first kernels plus the variance among all means.

        `cross` gives, for a kernel, the covariances with the values at `masks`, and the prior variances. All in double
        precision, which holds the squares of large or small values.
        """
        shares, means = np.asarray(self.shares, np.float64), np.asarray(means, np.float64)
        weights = shares / shares.sum()
        of_each = np.split(weights, np.cumsum([len(p.shares) for p in self.processes])[:-1])
        within = sum(
            _posterior_variances(inverse, *cross(p.first)) * of_members.sum()
            for p, inverse, of_members in zip(self.processes, inverses, of_each, strict=True)
        )
        among = weights @ (means - weights @ means) ** 2
        return self.spread * np.sqrt(float(self.deviation / self.spread) ** 2 * within + shares.sum() ** 2 * among)


def _white(n: int) -> ProductKernel:
    """The kernel of a function whose values are independent: 1 where two masks are equal, else 0."""
    return ProductKernel(jnp.ones(1), jnp.full((1, n), jnp.inf), jnp.zeros(n), jnp.zeros(0), jnp.zeros(()))


def _posterior_variances(inverse: Float[np.ndarray, "m m"], cross: Float[Array, "k m"], prior: Float[Array, "*k"]):
    """`prior - diag(cross (K + noise I)^-1 cross')`, in double precision: a difference of almost equal numbers."""
    cross = np.asarray(cross, np.float64)
    return np.maximum(np.asarray(prior) - ((cross @ inverse) * cross).sum(1), 0)


@jax.jit
def _predictions(processes: tuple[Process, ...], z: Float[Array, "m n"], new: Float[Array, "l n"]):
    """The mean of every member, `Float[e, l]`."""
    return jnp.concatenate(
        [jax.lax.map(lambda one: gram(one[0], new, z) @ one[1], (p.kernels, p.alphas)) for p in processes]
    )


@jax.jit
def _coefficients(processes: tuple[Process, ...], masks: Masks, support: Int[Array, "k d"]):
    """The coefficients of every member, `Float[e, k]`."""
    return jnp.concatenate(
        [
            jax.vmap(lambda kernel, alpha: coefficients(kernel, masks, alpha, support))(p.kernels, p.alphas)
            for p in processes
        ]
    )


_covariances, _variances = jax.jit(covariances), jax.jit(variances)


@jax.jit
def _index(kernels: ProductKernel, z, alphas, sets, at, mu) -> Float[Array, "e k"]:
    return jax.lax.map(lambda one: mu @ derivatives(one[0], z, one[1], sets, at), (kernels, alphas))


def _in_blocks(function: Callable, masks: Masks) -> Values:
    """Applies a function of masks `[rows, n]` to equal blocks, the last one padded: few shapes, few programs."""
    masks = _on_host(masks)
    rows = min(_ROWS, 1 << max(0, len(masks) - 1).bit_length())
    xp = jnp if isinstance(masks, jax.Array) else np
    padded = xp.pad(masks, ((0, -len(masks) % rows), (0, 0)))
    values = [_on_host(function(block)) for block in xp.split(padded, max(1, len(padded) // rows))]
    xp = jnp if isinstance(values[0], jax.Array) else np
    return xp.concatenate(values)[: len(masks)]


def _on_host(array: Array | float) -> Array:
    """As an array of numpy, unless JAX is tracing."""
    return array if isinstance(array, jax.core.Tracer) else np.asarray(array)

"""The multilinear extension of a Gaussian process posterior and its derivatives, in closed form.

If every feature is kept independently with probability t, the mean of a product function is the product of its
features' means. An interaction index that has a measure (`indices.Index.measure`) is an average of such derivatives
over t, so it needs neither the 2^n masks nor a truncated spectrum.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from spexjax.gp._kernel import ProductKernel, with_neighbours
from spexjax.gp._neighbours import add_neighbours, characters_of_neighbours, index_of_neighbours
from spexjax.typing import Array

_LEAST = 1e-6  # replaces 0 in means that are divided by


def derivatives(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    alpha: Float[Array, " m"],
    sets: Int[Array, "k d"],
    at: Float[Array, " q"],
) -> Float[Array, "q k"]:
    """`sum_{T ⊆ S} (-1)^{|S|-|T|} E f(T ∪ X)`, where X holds each feature outside S with probability t.

    For the posterior mean `f(x) = sum_j alpha_j k(x, x_j)` and each factor `k_i` of a product kernel,

        D_S(t) = sum_rj c_r alpha_j prod_{i in S} (k_i(1, x_ji) - k_i(0, x_ji)) prod_{i not in S} q_ji(t),
        q_ji(t) = t k_i(1, x_ji) + (1 - t) k_i(0, x_ji).

    Args:
      kernel: the prior; with infinite rates, the function is alpha_j at x_j and 0 elsewhere.
      z: `signs` of the masks x_j.
      alpha: the weights.
      sets: k sets of one or more features, padded with n.
      at: the probabilities t in [0, 1].
    """
    sets, order = jnp.asarray(sets), (sets < z.shape[1]).sum(1)
    linear = jnp.where(order == 1, _linear(kernel, z, alpha)[sets[:, 0]], 0)

    def at_one(t: Float[Array, ""]) -> Float[Array, " k"]:
        total = linear
        for beta, ratio in _factors(kernel, z, alpha, t):
            total += _products(ratio.T, sets, beta)

        def add(total: Float[Array, " k"]) -> Float[Array, " k"]:
            moments = kernel.near * (alpha @ characters_of_neighbours(z))
            return total + index_of_neighbours(z.shape[1], sets, t[None], jnp.ones(1)) @ moments

        return with_neighbours(kernel, total, add)

    with jax.default_matmul_precision("highest"):
        return jax.lax.map(at_one, jnp.asarray(at, jnp.float32))


def index_of_pairs(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    alpha: Float[Array, " m"],
    at: Float[Array, " q"],
    singles: Float[Array, " q"],
    pairs: Float[Array, " q"],
    count: Int[Array, ""] | int | None = None,
) -> Float[Array, "n n"]:
    """`sum_q mu_q D_S(t_q)` for all sets of one or two features: one matrix product for each node and component.

    Args:
      kernel: as in `derivatives`.
      z: as in `derivatives`.
      alpha: as in `derivatives`.
      at: the nodes t of both measures.
      singles: the weights of the measure for single features; 0 at the nodes of the other.
      pairs: the weights of the measure for pairs.
      count: how many of the nodes to use, if the others are padding.

    Returns:
      The pairs {i, j} at (i, j), and the single features on the diagonal.
    """
    n = z.shape[1]

    def add(q: Int[Array, ""], total: tuple[Array, Array]) -> tuple[Array, Array]:
        single, pair, parts = singles[q], pairs[q], _factors(kernel, z, alpha, at[q])

        def with_single(one: Float[Array, " n"]) -> Float[Array, " n"]:
            new = _linear(kernel, z, alpha) + sum(beta @ ratio for beta, ratio in parts)
            return one + single * new

        def with_pair(two: Float[Array, "n n"]) -> Float[Array, "n n"]:
            return two + pair * sum((beta[:, None] * ratio).T @ ratio for beta, ratio in parts)

        one, two = total
        return jax.lax.cond(single != 0, with_single, _same, one), jax.lax.cond(pair != 0, with_pair, _same, two)

    def near(total: tuple[Array, Array]) -> tuple[Array, Array]:
        return add_neighbours(total, kernel.near * (alpha @ characters_of_neighbours(z)), at, (singles, pairs))

    with jax.default_matmul_precision("highest"):
        start = jnp.zeros(n, z.dtype), jnp.zeros((n, n), z.dtype)
        total = jax.lax.fori_loop(0, len(at) if count is None else count, add, start)
        one, two = with_neighbours(kernel, total, near)
        return jnp.where(np.eye(n, dtype=bool), one, jnp.where(np.tri(n, dtype=bool), two.T, two))


def _same(value: Any) -> Any:
    return value


def _linear(kernel: ProductKernel, z: Float[Array, "m n"], alpha: Float[Array, " m"]) -> Float[Array, " n"]:
    """The derivative of `sum_j alpha_j sum_i v_i z_i z_ji` at each {i}."""
    return -2 * (alpha @ z) * kernel.linear


def _factors(
    kernel: ProductKernel, z: Float[Array, "m n"], alpha: Float[Array, " m"], t: Float[Array, ""]
) -> list[tuple[Float[Array, " m"], Float[Array, "m n"]]]:
    """For each component: `c_r alpha_j prod_i q_ji(t)`, and the factor by which i in S differs from i outside S."""
    found: list[tuple[Array, Array]] = []
    kept = (1 - z) / 2
    for scale, e in zip(kernel.scales, jnp.exp(-kernel.rates), strict=True):
        if_kept, if_removed = _means(e, t[None])
        logs = kept @ jnp.log(if_kept / if_removed)[0] + jnp.log(if_removed).sum()
        found.append((scale * alpha * jnp.exp(logs), jnp.where(z < 0, (1 - e) / if_kept, (e - 1) / if_removed)))
    return found


def _products(factors: Float[Array, "n m"], sets: Int[Array, "k d"], beta: Float[Array, " m"]) -> Float[Array, " k"]:
    """`sum_j beta_j prod_{i in S} factors_ij`, one set at a time: a set is a handful of rows."""

    def of_one(s: Int[Array, " d"]) -> Float[Array, ""]:
        return jnp.asarray(factors).at[s].get(mode="fill", fill_value=1).prod(0) @ beta

    return jax.lax.map(of_one, sets, batch_size=256)


def covariances(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    sets: Int[Array, "k d"],
    at: Float[Array, " q"],
    mu: Float[Array, " q"],
) -> Float[Array, "k m"]:
    """`Cov(I(S), f(x_j))` under the prior, for the index `I(S) = sum_q mu_q D_S(t_q)`; see `derivatives`.

    Args:
      kernel: the prior.
      z: `signs` of the masks x_j.
      sets: k sets of one or more features, padded with n.
      at: the nodes t.
      mu: their weights.
    """
    n, at = z.shape[1], jnp.asarray(at, jnp.float32)
    decay, sets = jnp.exp(-kernel.rates), jnp.asarray(sets)
    parts = [(scale, e, *_means(e, at)) for scale, e in zip(kernel.scales, decay, strict=True)]
    with jax.default_matmul_precision("highest"):
        empty = [(1 - z) / 2 @ jnp.log(kept / removed).T + jnp.log(removed).sum(1) for _, _, kept, removed in parts]

        def of_one(s: Int[Array, " d"]) -> Float[Array, " m"]:
            single = jnp.where((s < n).sum() == 1, kernel.linear[s[0]], 0)
            total = -2 * mu.sum() * single * z[:, s[0]]
            for (scale, e, kept, removed), logs in zip(parts, empty, strict=True):
                ratios = jnp.where(z[:, None, s] < 0, ((1 - e) / kept)[:, s], ((e - 1) / removed)[:, s])
                total += scale * (jnp.exp(logs) * jnp.where(s < n, ratios, 1).prod(-1)) @ mu
            return total

        def add(total: Float[Array, "k m"]) -> Float[Array, "k m"]:
            return total + (index_of_neighbours(n, sets, at, mu) * kernel.near) @ characters_of_neighbours(z).T

        return with_neighbours(kernel, jax.lax.map(of_one, sets), add)


def variances(
    kernel: ProductKernel, sets: Int[Array, "k d"], at: Float[Array, " q"], mu: Float[Array, " q"]
) -> Float[Array, " k"]:
    """`Var I(S)` under the prior, for the index `I(S) = sum_q mu_q D_S(t_q)`: a double integral of products.

        sum_qq' mu_q mu_q' sum_r c_r prod_{i in S} 2 (1 - e_i) prod_{i not in S} (a + (1 - a) e_i),    e = e^-w,

    where a is the probability `t t' + (1 - t)(1 - t')` that two independent draws of a feature agree.

    Args:
      kernel: the prior.
      sets: k sets of one or more features, padded with n.
      at: the nodes t.
      mu: their weights.
    """
    sets, n = jnp.asarray(sets), len(kernel.linear)
    alike = at[:, None] * at + (1 - at)[:, None] * (1 - at)
    total = jnp.where((sets < n).sum(1) == 1, 4 * kernel.linear[sets[:, 0]] * mu.sum() ** 2, 0)
    for scale, rate in zip(kernel.scales, kernel.rates, strict=True):
        total += scale * _product_variances(jnp.exp(-rate), sets, alike, mu)
    return with_neighbours(kernel, total, lambda total: total + index_of_neighbours(n, sets, at, mu) ** 2 @ kernel.near)


def _product_variances(
    e: Float[Array, " n"], sets: Int[Array, "k d"], alike: Float[Array, "q q"], mu: Float[Array, " q"]
) -> Float[Array, " k"]:
    def log_mean(e: Float[Array, ""]) -> Float[Array, "q q"]:
        return jnp.log(jnp.maximum(alike + (1 - alike) * e, _LEAST))

    everything = jax.lax.fori_loop(0, len(e), lambda i, total: total + log_mean(e[i]), jnp.zeros_like(alike))

    def of_one(s: Int[Array, " d"]) -> Float[Array, ""]:
        inside = jnp.asarray(e).at[s].get(mode="fill", fill_value=1)  # a padded feature has a mean of 1
        outside = jnp.exp(everything - sum(log_mean(x) for x in inside))
        return jnp.where(s < len(e), 2 * (1 - inside), 1).prod() * (mu @ outside @ mu)

    return jax.lax.map(of_one, sets)


def _means(e: Float[Array, " n"], at: Float[Array, " q"]) -> tuple[Float[Array, "q n"], Float[Array, "q n"]]:
    """The mean factor of a feature kept with probability t: with a mask that keeps it, and one that does not."""
    t = at[:, None]
    return jnp.maximum(t + (1 - t) * e, _LEAST), jnp.maximum((1 - t) + t * e, _LEAST)

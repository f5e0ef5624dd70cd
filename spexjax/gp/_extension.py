"""The multilinear extension of a Gaussian process posterior and its derivatives, in closed form.

If every feature is kept independently with probability t, the mean of a product function is the product of its
features' means. An interaction index that has a measure (`indices.Index.measure`) is an average of such derivatives
over t, so it needs neither the 2^n masks nor a truncated spectrum.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from spexjax.gp._kernel import ProductKernel
from spexjax.gp._neighbours import characters_of_neighbours, derivatives_of_neighbours
from spexjax.typing import Array

_LEAST = 1e-6  # replaces 0 in means that are divided by


def derivatives(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    alpha: Float[Array, " m"],
    sets: Int[Array, "k s"],
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
      sets: k sets of s features each, s >= 1.
      at: the probabilities t in [0, 1].
    """
    decay = jnp.exp(-kernel.rates)
    linear = -2 * (alpha @ z) * kernel.linear  # the derivative of sum_i v_i z_i (sum_j alpha_j z_ji) at {i}
    kept, n, s = (1 - z) / 2, z.shape[1], sets.shape[1]

    def at_one(t: Float[Array, ""]) -> Float[Array, " k"]:
        total = linear[sets[:, 0]] if s == 1 else jnp.zeros(len(sets), z.dtype)
        for scale, e in zip(kernel.scales, decay, strict=True):
            if_kept, if_removed = _means(e, t[None])
            logs = kept @ jnp.log(if_kept / if_removed)[0] + jnp.log(if_removed).sum()
            beta = scale * alpha * jnp.exp(logs)
            ratio = jnp.where(z < 0, (1 - e) / if_kept, (e - 1) / if_removed)  # [m, n]
            if s == 1:
                total += (beta @ ratio)[sets[:, 0]]
            elif s == 2 and 16 * len(sets) > n * n:  # most pairs are wanted: one product gives all of them
                total += ((beta[:, None] * ratio).T @ ratio)[sets[:, 0], sets[:, 1]]
            else:
                total += _products(ratio.T, sets, beta)
        return total

    at = jnp.asarray(at, z.dtype)
    with jax.default_matmul_precision("highest"):
        total = jax.lax.map(at_one, at)
        if len(kernel.near):
            powers, inside = derivatives_of_neighbours(n, sets, at)
            total += (powers * (kernel.near * (alpha @ characters_of_neighbours(z)))) @ inside.T
        return total


def _products(factors: Float[Array, "n m"], sets: Int[Array, "k s"], beta: Float[Array, " m"]) -> Float[Array, " k"]:
    """`sum_j beta_j prod_{i in S} factors_ij`, one set at a time: a set is a handful of rows."""
    return jax.lax.map(lambda s: factors[s].prod(0) @ beta, sets, batch_size=256)


def covariances(
    kernel: ProductKernel,
    z: Float[Array, "m n"],
    sets: Int[Array, "k s"],
    at: Float[Array, " q"],
    mu: Float[Array, " q"],
) -> Float[Array, "k m"]:
    """`Cov(I(S), f(x_j))` under the prior, for the index `I(S) = sum_q mu_q D_S(t_q)`; see `derivatives`.

    Args:
      kernel: the prior.
      z: `signs` of the masks x_j.
      sets: k sets of s features each, s >= 1.
      at: the nodes t.
      mu: their weights.
    """
    at = jnp.asarray(at, z.dtype)
    decay = jnp.exp(-kernel.rates)
    parts = [(scale, e, *_means(e, at)) for scale, e in zip(kernel.scales, decay, strict=True)]
    with jax.default_matmul_precision("highest"):
        empty = [(1 - z) / 2 @ jnp.log(kept / removed).T + jnp.log(removed).sum(1) for _, _, kept, removed in parts]

        def of_one(s: Int[Array, " s"]) -> Float[Array, " m"]:
            total = jnp.zeros(len(z), z.dtype)
            for (scale, e, kept, removed), logs in zip(parts, empty, strict=True):
                ratios = jnp.where(z[:, None, s] < 0, ((1 - e) / kept)[:, s], ((e - 1) / removed)[:, s])
                total += scale * (jnp.exp(logs) * ratios.prod(-1)) @ mu
            return total - (2 * mu.sum() * kernel.linear[s[0]] * z[:, s[0]] if len(s) == 1 else 0)

        total = jax.lax.map(of_one, sets)
        if len(kernel.near):
            powers, inside = derivatives_of_neighbours(z.shape[1], sets, at)
            total += (inside * (kernel.near * (mu @ powers))) @ characters_of_neighbours(z).T
        return total


def variances(
    kernel: ProductKernel, sets: Int[Array, "k s"], at: Float[Array, " q"], mu: Float[Array, " q"]
) -> Float[Array, " k"]:
    """`Var I(S)` under the prior, for the index `I(S) = sum_q mu_q D_S(t_q)`: a double integral of products.

        sum_qq' mu_q mu_q' sum_r c_r prod_{i in S} 2 (1 - e_i) prod_{i not in S} (a + (1 - a) e_i),    e = e^-w,

    where a is the probability `t t' + (1 - t)(1 - t')` that two independent draws of a feature agree.

    Args:
      kernel: the prior.
      sets: k sets of s features each, s >= 1.
      at: the nodes t.
      mu: their weights.
    """
    alike = at[:, None] * at + (1 - at)[:, None] * (1 - at)
    total = 4 * kernel.linear[sets[:, 0]] * mu.sum() ** 2 if sets.shape[1] == 1 else jnp.zeros(len(sets))
    for scale, rate in zip(kernel.scales, kernel.rates, strict=True):
        total += scale * _product_variances(jnp.exp(-rate), sets, alike, mu)
    if len(kernel.near):
        powers, inside = derivatives_of_neighbours(len(kernel.linear), sets, at)
        total += inside**2 @ (kernel.near * (mu @ powers) ** 2)
    return total


def _product_variances(
    e: Float[Array, " n"], sets: Int[Array, "k s"], alike: Float[Array, "q q"], mu: Float[Array, " q"]
) -> Float[Array, " k"]:
    def log_mean(e: Float[Array, ""]) -> Float[Array, "q q"]:
        return jnp.log(jnp.maximum(alike + (1 - alike) * e, _LEAST))

    everything = jax.lax.fori_loop(0, len(e), lambda i, total: total + log_mean(e[i]), jnp.zeros_like(alike))

    def of_one(s: Int[Array, " s"]) -> Float[Array, ""]:
        outside = jnp.exp(everything - sum(log_mean(e[i]) for i in s))
        return (2 * (1 - e[s])).prod() * (mu @ outside @ mu)

    return jax.lax.map(of_one, sets)


def _means(e: Float[Array, " n"], at: Float[Array, " q"]) -> tuple[Float[Array, "q n"], Float[Array, "q n"]]:
    """The mean factor of a feature kept with probability t: with a mask that keeps it, and one that does not."""
    t = at[:, None]
    return jnp.maximum(t + (1 - t) * e, _LEAST), jnp.maximum((1 - t) + t * e, _LEAST)

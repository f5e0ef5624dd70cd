"""Sums of products of functions of one feature each: trained by gradient, with an exact spectrum."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Complex, Float, Int

from spexjax.designs import all_masks
from spexjax.gp import ProductKernel, signs, strongest_supports
from spexjax.spectrum import EMPTY_SET, Spectrum, joined_supports
from spexjax.typing import Array, Key, Leaf, Masks

BATCH = 512  # masks in a training step
ORDER = 6  # the most features of a term
_RATE, _NARROW, _POWER = 0.01, 100, 0.75  # Adam starts at this rate, times (100 / n)^0.75 beyond 100 features
_LARGEST = 30.0  # clips exponents, far beyond what training reaches, to keep exp finite
_BLOCK = 1 << 20  # complex numbers held at once
_WEAK = 9.0  # nats: a unit is skipped if its largest coefficient is this far below that of the strongest unit


class Products(NamedTuple):
    """A linear function plus R growing and R oscillating products.

        f(x) = c + sum_i b_i z_i + sum_r s_r (prod_i (1 + z_i tanh w_ir) - 1) + sum_r q_r cos(p_r + sum_i v_ir z_i)

    with `z = (-1)^x`. A cosine is the real part of `e^{ip} prod_i (cos v_i + i z_i sin v_i)`. So every unit is a
    product of functions of one feature, and its Fourier coefficients are products too.

    Source: the growing ones are a CP decomposition of f as a tensor of n axes of length 2 (Kolda and Bader, Tensor
    Decompositions and Applications, 2009); the others are random Fourier features (Rahimi and Recht, 2007), trained.
    """

    constant: Leaf  # c: Float[]
    linear: Leaf  # b: Float[n]
    rates: Leaf  # w: Float[n, R]
    scales: Leaf  # s: Float[R]
    angles: Leaf  # v: Float[n, R]
    amplitudes: Leaf  # q: Float[R]
    phases: Leaf  # p: Float[R]

    @classmethod
    def init(cls, key: Key, n: int, rank: int) -> "Products":
        """Random products of all features, and a linear function of 0.

        Args:
          key: PRNG key, consumed.
          n: number of features.
          rank: R.
        """
        a, b, c, d, e = jax.random.split(key, 5)
        rates, angles = (jax.random.normal(k, (n, rank)) / jnp.sqrt(n) for k in (a, b))
        scales, amplitudes = (jax.random.normal(k, (rank,)) / jnp.sqrt(rank) for k in (c, d))
        phases = jax.random.uniform(e, (rank,), maxval=2 * jnp.pi)
        return cls(jnp.zeros(()), jnp.zeros(n), rates, scales / 2, angles, amplitudes, phases)

    def __call__(self, z: Float[Array, "m n"]) -> Float[Array, " m"]:
        """f at masks given by their `signs`."""
        sums = z @ jnp.concatenate([self.rates, self.angles, self.linear[:, None]], axis=1)
        exponents, angles, linear = jnp.split(sums, [len(self.scales), 2 * len(self.scales)], axis=1)
        log_cosh = jnp.logaddexp(self.rates, -self.rates) - jnp.log(2.0)  # prod (1 + z tanh w) = e^{wz} / cosh w
        grown = jnp.exp(jnp.minimum(exponents - log_cosh.sum(0), _LARGEST)) - 1
        return self.constant + linear[:, 0] + grown @ self.scales + jnp.cos(angles + self.phases) @ self.amplitudes

    def norm(self) -> Float[Array, ""]:
        """The sum of the absolute weights of all features, smoothed at 0."""
        linear, rates, angles = (jnp.sqrt(w * w + 1e-6).sum() for w in (self.linear, self.rates, self.angles))
        return linear + rates + angles

    def units(self) -> tuple[Complex[Array, " u"], Complex[Array, "u n"], Complex[Array, "u n"]]:
        """a, c and d such that each of the 2R units is `Re(a prod_i (c_i + d_i z_i))`."""
        a = jnp.concatenate([self.scales, self.amplitudes * jnp.exp(1j * self.phases)])
        c = jnp.concatenate([jnp.ones_like(self.rates), jnp.cos(self.angles)], axis=1).T
        return a, c + 0j, jnp.concatenate([jnp.tanh(self.rates), 1j * jnp.sin(self.angles)], axis=1).T


@partial(jax.jit, static_argnames=("rank", "steps"))
@jax.default_matmul_precision("highest")
def fit_products(
    key: Key, masks: Masks, y: Float[Array, " m"], penalty: Float[Array, ""], rank: int, steps: int
) -> Products:
    """Minimises the mean squared error plus `penalty * norm / m` by Adam on shuffled minibatches.

    Pure. Besides masks and values, memory holds one minibatch of at most 512 masks and a few copies of the parameters.

    Args:
      key: draws the initial parameters and the order of the masks.
      masks: bool `[m, n]`.
      y: the values there, of mean 0 and variance 1.
      penalty: the cost of a unit of weight, in squared errors of one mask.
      rank: R, the number of units of each kind.
      steps: of Adam, with a cosine learning rate schedule that ends at 0.
    """
    (m, n), batch = masks.shape, min(BATCH, -(-len(masks) // 16))
    masks, y, per_epoch = jnp.asarray(masks), jnp.asarray(y), m // batch
    optimizer = optax.adam(optax.cosine_decay_schedule(_RATE * min(1.0, _NARROW / n) ** _POWER, steps))

    def loss(model: Products, rows: Int[Array, " b"]) -> Float[Array, ""]:
        return ((model(signs(masks[rows])) - y[rows]) ** 2).mean() + penalty / m * model.norm()

    def step(state, i: Int[Array, ""]):
        model, momenta, order = state
        at = i % per_epoch
        order = jax.lax.cond(at == 0, lambda: jax.random.permutation(jax.random.fold_in(key, i + 1), m), lambda: order)
        rows = jax.lax.dynamic_slice_in_dim(order, at * batch, batch)
        update, momenta = optimizer.update(jax.grad(loss)(model, rows), momenta)
        return (optax.apply_updates(model, update), momenta, order), None

    start = Products.init(jax.random.fold_in(key, 0), n, rank)
    (model, _, _), _ = jax.lax.scan(step, (start, optimizer.init(start), jnp.arange(m)), jnp.arange(steps))
    return model


def products_spectrum(model: Products, max_terms: int) -> Spectrum:
    """The constant and the `max_terms` strongest terms of at most 6 features each; on the host.

    Args:
      model: the function.
      max_terms: how many.
    """
    n = len(model.linear)
    support = joined_supports([EMPTY_SET, candidates(model, 2 * max_terms)], n)
    return Spectrum(support, coefficients(model, support).astype(np.float32), n).truncate(max_terms + 1)


def coefficients(model: Products, support: Int[Array, "k d"]) -> Float[np.ndarray, " k"]:
    """The exact Fourier coefficients, up to rounding; on the host, in float64 and bounded memory.

        F(S) = sum_r Re(a_r prod_{i not in S} c_ri prod_{i in S} d_ri)

    for units `Re(a_r prod_i (c_ri + d_ri z_i))`, plus b_i at {i} and `c - sum_r s_r` at the empty set.

    Args:
      model: the function.
      support: the sets S, as in `Spectrum.support`.
    """
    sizes, ratios = _units(model)
    ratios, support = np.pad(ratios, ((0, 0), (0, 1)), constant_values=1).T, np.asarray(support)  # [n + 1, u]
    rows = max(1, _BLOCK // (len(sizes) * max(1, support.shape[1])))
    blocks = [ratios[support[i : i + rows]].prod(1) @ sizes for i in range(0, len(support), rows)]
    order = (support < len(model.linear)).sum(1)
    linear = np.pad(np.asarray(model.linear), (0, 1))[support].sum(1)
    sparse = np.where(order == 1, linear, np.where(order == 0, float(model.constant - model.scales.sum()), 0))
    return np.concatenate([np.zeros(0), *blocks]).real + sparse


def candidates(model: Products, max_terms: int) -> Int[np.ndarray, "k d"]:
    """About `max_terms` sets of at most 6 features on which some unit may have a large coefficient.

    All single features are among them. A unit's coefficients are bounded by
    `|a prod_i c_i| prod_{i in S} |d_i / c_i|`, the form that `strongest_supports` searches; ratios of 1 or more are
    clipped to 0.999. Few features have at most `max_terms` sets, which need no search.

    Args:
      model: the function.
      max_terms: about how many sets.
    """
    n = len(model.linear)
    if 2**n <= max_terms:
        members = all_masks(n)[1:]
        members = members[members.sum(1) <= ORDER]
        return np.sort(np.where(members, np.arange(n), n), axis=1).astype(np.int32)[:, :ORDER]
    sizes, ratios = (np.abs(part) for part in _units(model))
    logs = np.log(sizes + 1e-300)
    largest = logs + np.log(np.maximum(ratios, 1)).sum(1)
    used = largest > largest.max() - _WEAK
    rates = 2 * np.arctanh(np.minimum(ratios[used], 0.999))
    scales = np.exp(np.minimum(logs[used] - np.log1p(np.expm1(-rates) / 2).sum(1), 80))  # a float32 holds e^80
    bound = scales, rates, np.abs(model.linear), np.zeros(0), 0.0
    return strongest_supports(ProductKernel(*(jnp.asarray(part, jnp.float32) for part in bound)), max_terms, ORDER)


def _units(model: Products) -> tuple[Complex[np.ndarray, " u"], Complex[np.ndarray, "u n"]]:
    """`a_r prod_i c_ri` and `d_ri / c_ri` of all units."""
    a, c, d = (np.asarray(part, np.complex128) for part in model.units())
    c = np.where(np.abs(c) < 1e-15, 1e-15, c)
    return a * c.prod(1), d / c

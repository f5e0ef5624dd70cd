"""What many tests need besides fixtures."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from spexjax.gp import Process, ProductKernel, Surrogate, neighbours
from spexjax.spectrum import Spectrum

GOLDEN, GAMES = Path(__file__).parent / "golden", Path(__file__).parent / "games"


def all_masks(n):
    """All 2^n masks, feature 0 fastest."""
    return (np.arange(2**n)[:, None] >> np.arange(n) & 1).astype(bool)


def random_kernel(n, r=2, noise=0.1, seed=0):
    """A product kernel of r components, a linear one and one of neighbours."""
    rng = np.random.default_rng(seed)
    scales, rates, linear = rng.uniform(0.2, 1, r), rng.uniform(0.1, 2, (r, n)), rng.uniform(0, 0.2, n)
    near = rng.uniform(0, 0.2, len(neighbours(n)))
    return ProductKernel(*map(jnp.float32, (scales, rates, linear, near, noise)))


def stacked(kernels):
    """Kernels, or anything of one shape, as one with a leading axis."""
    return jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *kernels)


def covariance(kernel, masks, others):
    """`k(x, x')` of every pair of masks by its formula, in float64."""
    scales, rates, linear, near = (
        np.asarray(a, np.float64) for a in (kernel.scales, kernel.rates, kernel.linear, kernel.near)
    )
    different = masks[:, None] != others
    products = sum(c * np.exp(-(w * different).sum(-1)) for c, w in zip(scales, rates, strict=True))
    for variance, members in zip(near, neighbours(len(linear)), strict=len(near) > 0):
        of_set, of_others = (np.prod(1.0 - 2 * x[:, members[members < len(linear)]], axis=1) for x in (masks, others))
        products += variance * np.outer(of_set, of_others)
    return products + ((1.0 - 2 * masks) * linear) @ (1.0 - 2 * others).T


def functional(n, s, at, mu):
    """The index `sum_q mu_q D_S(t_q)` as a weight for each of `all_masks(n)`, from the definition of D_S."""
    masks, total = all_masks(n), np.zeros(2**n)
    for t, weight in zip(at, mu, strict=True):
        factors = np.where(masks, t, 1 - t)
        factors[:, list(s)] = np.where(masks[:, list(s)], 1, -1)
        total += weight * factors.prod(1)
    return total


def random_surrogate(n=6, m=20, noise=0.1, share=1.0, rest=None, r=2, seed=0):
    """A surrogate of one member, given random values at m masks; the rows these are of `all_masks(n)`, the values."""
    rng, kernel = np.random.default_rng(seed), random_kernel(n, r, noise, seed)
    rows, values = rng.permutation(2**n)[:m], rng.normal(size=m)
    masks = all_masks(n)[rows]
    alpha = np.linalg.solve(covariance(kernel, masks, masks) + noise * np.eye(m), values)
    process = Process(stacked([kernel]), jnp.asarray(alpha[None], jnp.float32), jnp.float32([share]))
    rest = Spectrum.from_dict({(): 0.0} if rest is None else rest, n)
    return Surrogate(masks, (process,), rest, jnp.float32(1)), rows, values

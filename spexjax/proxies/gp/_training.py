"""Training a product kernel by gradient: parameters, loss and the Optax loop, all pure."""

import dataclasses
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from spexjax.gp import ProductKernel, combine, components, condition, neighbours, signs, spd_inverse, terms
from spexjax.typing import Array, Leaf, Masks, Values

_STEPS, _RATE = 25, 0.4  # of Adam: early stopping is the regulariser
_MOMENTA = 0.3, 0.99  # Adam's betas; the usual ones overshoot at this learning rate
_ROOT = 1e-12  # Adam's eps_root: some gradients start at 0, where the square root has no derivative
_SPREAD = 2.0  # prior standard deviation of the log rates around their mean
_SPREAD_LIKE = 1.0  # and around the log rates of other kernels,
_FARTHEST = 3.0  # which are clipped to this distance from their mean
_EXTREME = 50.0  # log rates are clipped here; beyond it the kernel no longer changes
_FLOOR = 1e-3  # share of the kernel's variance: the least noise for training in single precision
_FINE_FLOOR = 1e-6  # and in double precision
_FINE_STEPS = 25  # of L-BFGS; with next to no noise there is no overfitting to stop
_FINE_MASKS = 512  # more masks hardly change the rates


@runtime_checkable
class KernelParameters(Protocol):
    """The trainable parameters of a kernel, a pytree; `Tied` and `Untied` are the two forms."""

    @classmethod
    def init(cls, n: int, ordered: bool = False, like: Sequence[ProductKernel] = ()) -> "KernelParameters":
        """The parameters that training starts from.

        Args:
          n: number of features.
          ordered: whether the kernel has a part for neighbouring features.
          like: kernels of other inputs; their log rates are the start and the centre of the prior.
        """
        ...

    def kernel(self) -> ProductKernel:
        """The kernel with these parameters."""
        ...

    def penalty(self) -> Float[Array, ""]:
        """The negative log prior density, up to a constant."""
        ...


class Tied(NamedTuple):
    """One product kernel and a linear kernel that share one relevance u_i per feature.

    w_i = e^{centre + e^{powers_0} u_i},    v = e^{log_scales_1} softmax(e^{powers_1} u)
    """

    relevance: Leaf  # u: Float[n]
    centre: Leaf  # Float[]
    powers: Leaf  # Float[2]
    log_scales: Leaf  # Float[2]
    log_near: Leaf  # Float[1], or Float[0] where features have no order
    log_noise: Leaf  # Float[]
    expected: Leaf  # Float[1, n]: the log rates of other kernels, not trained; or Float[0, n]

    @classmethod
    def init(cls, n: int, ordered: bool = False, like: Sequence[ProductKernel] = ()) -> "Tied":
        """Rates of 1 / n for every feature, or those of `like`."""
        centre, powers, scales = -jnp.log(float(n)), jnp.zeros(2), jnp.array([0.0, -1.0])
        expected = _mean_rates([jnp.log(k.rates).mean(0, keepdims=True) for k in _of_size(1, like)], n)
        return cls(expected.sum(0), centre, powers, scales, _near_start(n, ordered), jnp.float32(-3), expected)

    def kernel(self) -> ProductKernel:
        log_rates = jnp.exp(self.powers[0]) * self.relevance
        scales, rates = jnp.exp(self.log_scales), jnp.exp(self.centre + log_rates)[None]
        linear = scales[1] * jax.nn.softmax(jnp.exp(self.powers[1]) * self.relevance)
        return ProductKernel(scales[:1], rates, linear, _near(self.log_near, log_rates), jnp.exp(self.log_noise))

    def penalty(self) -> Float[Array, ""]:
        return _gaussian(jnp.exp(self.powers[0]) * self.relevance[None], self.expected)


class Untied(NamedTuple):
    """Three product kernels, from smooth to fine, and a linear kernel, each with its own rate for every feature."""

    log_rates: Leaf  # Float[3, n]
    log_scales: Leaf  # Float[3]
    log_linear: Leaf  # Float[n]
    log_near: Leaf  # Float[1], or Float[0] where features have no order
    log_noise: Leaf  # Float[]
    expected: Leaf  # Float[4, n]: the log rates of other kernels, the linear one's last, not trained; or Float[0, n]

    @classmethod
    def init(cls, n: int, ordered: bool = False, like: Sequence[ProductKernel] = ()) -> "Untied":
        """Rates around 1 / n, equal for all features, or those of `like`."""
        start = jnp.array([-1.0, 0.5, 2.0, -1.0])[:, None] - jnp.log(float(n)) + jnp.zeros((4, n))
        others = [jnp.log(jnp.stack([*jnp.broadcast_to(k.rates, (3, n)), k.linear])) for k in _of_size(3, like)]
        expected, scales = _mean_rates(others, n), jnp.array([0.0, -1.0, -1.5])
        start = start + expected if len(expected) else start
        return cls(start[:3], scales, start[3], _near_start(n, ordered), jnp.float32(-3), expected)

    def kernel(self) -> ProductKernel:
        scales, rates, linear, noise = map(jnp.exp, (self.log_scales, self.log_rates, self.log_linear, self.log_noise))
        return ProductKernel(scales, rates, linear, _near(self.log_near, self.log_rates.mean(0)), noise)

    def penalty(self) -> Float[Array, ""]:
        return _gaussian(jnp.concatenate([self.log_rates, self.log_linear[None]]), self.expected)


def _near_start(n: int, ordered: bool) -> Float[Array, " _"]:
    return jnp.full(1 if ordered and n > 1 else 0, -3.0)


def _near(log_scale: Float[Array, " _"], log_rates: Float[Array, " n"]) -> Float[Array, " l"]:
    """The variances of sets of neighbours, proportional to the product of their features' rates."""
    if not len(log_scale):
        return jnp.zeros(0)
    products = jnp.asarray(log_rates).at[neighbours(len(log_rates))].get(mode="fill", fill_value=0).sum(1)
    return jnp.exp(log_scale) * jax.nn.softmax(products)


def _of_size(size: int, kernels: Sequence[ProductKernel]) -> Sequence[ProductKernel]:
    """The kernels with this many components; all of them if there are none."""
    return [k for k in kernels if len(k.rates) == size] or kernels


def _mean_rates(log_rates: Sequence[Float[Array, "r n"]], n: int) -> Float[Array, "_ n"]:
    """The mean log rates of other kernels, clipped: a feature that never mattered there may matter here."""
    if not log_rates:
        return jnp.zeros((0, n))
    log_rates = [jnp.clip(r, -_EXTREME, _EXTREME) for r in log_rates]  # without noise a rate may be 0 or infinite
    return jnp.clip(_centred(jnp.stack(log_rates).mean(0)), -_FARTHEST, _FARTHEST)


def _centred(log_rates: Float[Array, "r n"]) -> Float[Array, "r n"]:
    return log_rates - log_rates.mean(-1, keepdims=True)


def _gaussian(log_rates: Float[Array, "r n"], expected: Float[Array, "_ n"]) -> Float[Array, ""]:
    """The penalty of the log rates around the expected ones, or around 0; their mean is free."""
    if not len(expected):
        return (_centred(log_rates) ** 2).sum() / (2 * _SPREAD**2)
    return (_centred(log_rates - jax.lax.stop_gradient(expected)) ** 2).sum() / (2 * _SPREAD_LIKE**2)


def loss(
    parameters: KernelParameters, z: Float[Array, "m n"], y: Float[Array, " m"], floor: float = _FLOOR
) -> Float[Array, ""]:
    """The negative log posterior density of the parameters per mask, up to a constant.

        (y' K^-1 y + log det K) / 2m + penalty / m,    K = k(x_i, x_j) + (noise + floor k(x, x)) I

    Args:
      parameters: of the kernel.
      z: `signs` of the masks.
      y: the values there, of mean 0 and variance 1.
      floor: noise added to the kernel's own, as a share of its variance.
    """
    return likelihood(_with_floor(parameters.kernel(), floor), z, y) + parameters.penalty() / len(y)


def _with_floor(kernel: ProductKernel, floor: float) -> ProductKernel:
    return dataclasses.replace(kernel, noise=kernel.noise + floor * kernel.variance)


@jax.custom_vjp
def likelihood(kernel: ProductKernel, z: Float[Array, "m n"], y: Float[Array, " m"]) -> Float[Array, ""]:
    """The first term of `loss`, with a handwritten gradient: two matrix products per component and no second solve.

    The gradient is with respect to the kernel and y. Masks are constants, so z gets a gradient of 0.

    Args:
      kernel: its noise is on the diagonal of K.
      z: `signs` of the masks.
      y: the values there.
    """
    return _likelihood(kernel, z, y)[0]


@jax.default_matmul_precision("highest")
def _likelihood(kernel, z, y):
    parts = components(kernel, z, z)
    inverse, log_det = spd_inverse(combine(kernel, parts, z, z) + kernel.noise * jnp.eye(len(y)))
    alpha = inverse @ y
    return (y @ alpha + log_det) / (2 * len(y)), (kernel, z, parts, inverse, alpha)


@jax.default_matmul_precision("highest")
def _likelihood_gradient(saved, g):
    kernel, z, parts, inverse, alpha = saved
    (r, m, _), n = parts.shape, z.shape[1]
    slope = (inverse - alpha[:, None] * alpha) * (g / (2 * m))  # with respect to K
    sparse = terms(kernel, z)
    sparse = (sparse * (slope @ sparse)).sum(0)
    slopes = parts * slope
    scales = slopes.sum((1, 2))
    quadratic = (z * (slopes.reshape(r * m, m) @ z).reshape(r, m, n)).sum(1)
    rates = kernel.scales[:, None] * (quadratic - scales[:, None]) / 2
    return ProductKernel(scales, rates, sparse[:n], sparse[n:], jnp.trace(slope)), jnp.zeros_like(z), g * alpha / m


likelihood.defvjp(_likelihood, _likelihood_gradient)


def train(
    parameters: KernelParameters, z: Float[Array, "m n"], y: Float[Array, " m"]
) -> tuple[KernelParameters, Float[Array, " steps"]]:
    """Minimises `loss` by 25 steps of Adam, with a cosine learning rate schedule that ends at 0.

    Pure and differentiable: `jax.vmap` trains many games or starts at once, and `jax.grad` differentiates through the
    steps.

    Args:
      parameters: where training starts.
      z: `signs` of the masks.
      y: the values there, of mean 0 and variance 1.

    Returns:
      The parameters and the loss before each step.
    """
    optimizer = optax.adam(optax.cosine_decay_schedule(_RATE, _STEPS), *_MOMENTA, eps_root=_ROOT)

    def step(state, _):
        parameters, momentum = state
        value, gradient = jax.value_and_grad(loss)(parameters, z, y)
        gradient = jax.tree.map(lambda g: jnp.where(jnp.isfinite(value), g, 0), gradient)
        update, momentum = optimizer.update(gradient, momentum)
        return (optax.apply_updates(parameters, update), momentum), value

    start = parameters, optimizer.init(parameters)
    (parameters, _), losses = jax.lax.scan(step, start, length=_STEPS)
    return parameters, losses


def polish(parameters: KernelParameters, z: Float[Array, "m n"], y: Float[Array, " m"]) -> ProductKernel:
    """Continues training in double precision, for functions with next to no noise.

    Minimises `loss` with a floor of 1e-6 by 25 iterations of L-BFGS on the first 512 masks. Not traceable: the
    iterations run on the host.

    Args:
      parameters: as `train` leaves them.
      z: `signs` of the masks.
      y: the values there, of mean 0 and variance 1.

    Returns:
      The kernel in single precision; its noise includes the floor.
    """
    from scipy.optimize import minimize

    with jax.enable_x64(True):
        start, unravel = ravel_pytree(jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), parameters))
        z, y = (jnp.asarray(a[:_FINE_MASKS], jnp.float64) for a in (z, y))

        def descend(flat: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
            value, slope = _fine_slope(unravel(jnp.asarray(flat)), z, y)
            finite = bool(jnp.isfinite(value))
            return (float(value), np.asarray(ravel_pytree(slope)[0])) if finite else (1e9, np.zeros_like(flat))

        options = {"maxiter": _FINE_STEPS, "maxcor": 20}
        found = minimize(descend, np.asarray(start), jac=True, method="L-BFGS-B", options=options)
        kernel = _with_floor(unravel(jnp.asarray(found.x)).kernel(), _FINE_FLOOR)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), kernel)


_fine_slope = jax.jit(jax.value_and_grad(partial(loss, floor=_FINE_FLOOR)))


def fit_kernel(
    form: type[KernelParameters], masks: Masks, values: Values, ordered: bool = False
) -> tuple[ProductKernel, Float[Array, " m"], Float[Array, ""]]:
    """Trains one kernel and conditions it: `f(x) = centre + sum_j alpha_j k(x, x_j)`, in one pure function.

    Use it under `jax.vmap` for many games of one shape, such as those of a sweep or several seeds. All in single
    precision: the weights are NaN for a game too smooth for that; use `kernels` there. `gp.gram`, `gp.coefficients`
    and `gp.derivatives` read predictions, the spectrum and indices off the result.

    Args:
      form: `Tied` or `Untied`.
      masks: bool `[m, n]`.
      values: `[m]`.
      ordered: give the kernel a part for interactions of neighbouring features.

    Returns:
      The kernel, its weights alpha in units of the values, and the centre.
    """
    z, centre, spread = signs(masks), values.mean(), values.std()
    y = (values - centre) / jnp.where(spread > 0, spread, 1)
    kernel = train(form.init(z.shape[1], ordered), z, y)[0].kernel()
    return kernel, condition(kernel, z, y)[0] * spread, centre

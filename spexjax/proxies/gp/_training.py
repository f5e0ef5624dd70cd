"""Training a product kernel by gradient: the loss and the Optax loop, all pure."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Bool, Float

from spexjax._host_program import host_program
from spexjax.gp import (
    ProductKernel,
    characters_of_neighbours,
    combine,
    condition,
    decays,
    overlaps,
    signs,
    spd_inverse,
    system_matrix,
    with_neighbours,
)
from spexjax.proxies.gp._parameters import KernelForm, Parameters
from spexjax.typing import Array, Masks, Values

_STEPS, _RATE = 25, 0.4  # of Adam: early stopping is the regulariser
_MOMENTA = 0.3, 0.99  # Adam's betas; the usual ones overshoot at this learning rate
_ROOT = 1e-12  # Adam's eps_root: some gradients start at 0, where the square root has no derivative
_JOINT_STEPS, JOINT_WEIGHT = 50, 8.0  # for several functions: their likelihood weighs more against the prior
_FLOOR = 1e-3  # share of the kernel's variance: the least noise for training in single precision
_FINE_FLOOR = 1e-6  # and in double precision
_FINE_STEPS = 25  # of L-BFGS; with next to no noise there is no overfitting to stop
_FINE_MASKS = 512  # more masks hardly change the rates


def loss(
    parameters: Parameters,
    z: Float[Array, "m n"],
    y: Float[Array, " m"] | Float[Array, "b m c"],
    floor: float = _FLOOR,
    used: Float[Array, " m"] | None = None,
    joint: Bool[Array, ""] | bool | None = None,
    basis: Float[Array, "m l"] | None = None,
) -> Float[Array, ""]:
    """The negative log posterior density of the parameters per mask, up to a constant.

        (y' K^-1 y + log det K) / 2m + penalty / m,    K = k(x_i, x_j) + (noise + floor k(x, x)) I

    Args:
      parameters: of the kernel.
      z: `signs` of the masks.
      y: the values there, of mean 0 and variance 1; 0 where there is padding. `[b, m, c]` for c functions that share
        the kernel, with variances w that add up to 1: then `y' K^-1 y` above is the sum over the functions, and their
        likelihood counts 8 times. b is 2 if the values at the complements of the masks are known too, and come second:
        then K is of all 2m masks, and the work falls to about a quarter.
      floor: noise added to the kernel's own, as a share of its variance.
      used: 1 for a mask and 0 for padding; all masks by default.
      joint: whether there are several functions; by default, whether c > 1. So one program trains on several functions
        or, if the others are 0, on one.
      basis: `Strings.at` the masks, for parameters with scales for these; b is 1 then.
    """
    joint = y.ndim == 3 and y.shape[2] > 1 if joint is None else joint
    y = y if y.ndim == 3 else y[None, :, None]
    used = jnp.ones_like(y[0, :, 0]) if used is None else used
    weight = jnp.where(joint, JOINT_WEIGHT, 1)
    basis = jnp.zeros((len(z), 0), z.dtype) if basis is None else basis
    strings = parameters.strings()
    kernel = _with_floor(parameters.kernel(), floor, ((basis**2).sum(0) @ strings) / used.sum())
    likely = likelihood(kernel, strings, z, basis, y, used)
    return weight * likely + parameters.penalty() / (len(y) * used.sum())


def _with_floor(kernel: ProductKernel, floor: float, more: Float[Array, ""] | float = 0.0) -> ProductKernel:
    """With noise added; `more` is the mean variance of what is not in the kernel."""
    return dataclasses.replace(kernel, noise=kernel.noise + floor * (kernel.variance + more))


@jax.custom_vjp
def likelihood(
    kernel: ProductKernel,
    strings: Float[Array, " l"],
    z: Float[Array, "m n"],
    basis: Float[Array, "m l"],
    y: Float[Array, "b m c"],
    used: Float[Array, " m"],
) -> Float[Array, ""]:
    """The first term of `loss`, with a handwritten gradient: two matrix products per component and no second solve.

    Masks x and their complements x' have the same covariances, `k(x, y) = k(x', y')`, so that

        K = [[A, B], [B, A]],    A = k(x_i, x_j),    B = k(x_i, x'_j).

    Sums and differences of the values at x and x' are then independent, with covariances A + B and A - B.

    The gradient is with respect to the kernel, the strings and y. Masks are constants, so z gets a gradient of 0.

    Args:
      kernel: its noise is on the diagonal of K.
      strings: variances of l functions, which add `sum_l strings_l basis_l(x) basis_l(x')` to the kernel.
      z: `signs` of the masks.
      basis: those functions at the masks. They are of no use at complements, so b is 1 where there are any.
      y: the values there of c functions, and after them those at the complements, if they are known.
      used: 1 for a mask and 0 for padding.
    """
    return _likelihood(kernel, strings, z, basis, y, used)[0]


def _sides(y: Float[Array, "b m c"]) -> list[int]:
    """The sign of z: for the masks, and perhaps for their complements."""
    return [1, -1][: len(y)]


def _rotated(rows: Any) -> Any:
    """The sum and the difference of two arrays; one as it is."""
    return jnp.stack([rows[0] + rows[1], rows[0] - rows[1]]) if len(rows) == 2 else jnp.stack(rows)


@jax.default_matmul_precision("highest")
def _likelihood(kernel, strings, z, basis, y, used):
    shared, sides = overlaps(kernel, z, z), _sides(y)
    parts = [decays(kernel, side * shared) for side in sides]
    blocks = _rotated([combine(kernel, part, z, side * z) for part, side in zip(parts, sides, strict=True)])
    blocks = blocks + (basis * strings) @ basis.T if basis.shape[1] else blocks
    inverse, log_det = jax.lax.map(lambda block: spd_inverse(system_matrix(kernel, block, used)), blocks)
    independent = _rotated(y) / len(y) ** 0.5
    alpha = inverse @ independent
    value = ((independent * alpha).sum() + log_det.sum()) / (2 * used.sum() * len(y))
    return value, (kernel, z, basis, used, parts, inverse, alpha)


@jax.default_matmul_precision("highest")
def _likelihood_gradient(saved, g):
    kernel, z, basis, used, parts, inverse, alpha = saved
    (r, m, _), n, sides = parts[0].shape, z.shape[1], _sides(alpha)
    count = used.sum() * len(sides)
    slope = used[:, None] * used * (inverse - alpha @ alpha.swapaxes(1, 2)) * (g / (2 * count))
    noise = jnp.trace(slope, axis1=1, axis2=2).sum()
    slope = list(zip(sides, parts, _rotated(slope), strict=True))  # with respect to A and B
    scales = sum((part * a).sum((1, 2)) for _, part, a in slope)
    signed = sum(side * part * a for side, part, a in slope)
    quadratic = (z * (signed.reshape(r * m, m) @ z).reshape(r, m, n)).sum(1)
    rates = kernel.scales[:, None] * (quadratic - scales[:, None]) / 2
    linear = _form(z, z, sum(side * a for side, _, a in slope))
    close = [characters_of_neighbours(side * z) for side in sides]

    def of_neighbours(_):
        return sum(_form(close[0], other, a) for other, (_, _, a) in zip(close, slope, strict=True))

    near = with_neighbours(kernel, jnp.zeros_like(kernel.near), of_neighbours)
    gradient = ProductKernel(scales, rates, linear, near, noise)
    of_strings, of_values = _form(basis, basis, slope[0][2]), g * _rotated(alpha) / (count * len(sides) ** 0.5)
    return gradient, of_strings, jnp.zeros_like(z), jnp.zeros_like(basis), of_values, jnp.zeros_like(used)


def _form(x: Float[Array, "m n"], x2: Float[Array, "m n"], a: Float[Array, "m m"]) -> Float[Array, " n"]:
    """`x_i' A x2_i` for every column."""
    return (x * (a @ x2)).sum(0)


likelihood.defvjp(_likelihood, _likelihood_gradient)


def train(
    parameters: Parameters,
    z: Float[Array, "m n"],
    y: Float[Array, " m"] | Float[Array, "b m c"],
    used: Float[Array, " m"] | None = None,
    joint: Bool[Array, ""] | bool | None = None,
    basis: Float[Array, "m l"] | None = None,
) -> tuple[Parameters, Float[Array, " steps"]]:
    """Minimises `loss` by 25 steps of Adam, with a cosine learning rate schedule that ends at 0; by 50 if `joint`.

    Pure and differentiable: `jax.vmap` trains many games or starts at once, and `jax.grad` differentiates through the
    steps.

    Args:
      parameters: where training starts.
      z: `signs` of the masks.
      y: as in `loss`.
      used: 1 for a mask and 0 for padding; all masks by default.
      joint: as in `loss`.
      basis: as in `loss`.

    Returns:
      The parameters and the loss before each step.
    """
    several = y.ndim == 3 and y.shape[2] > 1
    joint = several if joint is None else joint
    most, steps = _JOINT_STEPS if several else _STEPS, jnp.where(joint, _JOINT_STEPS, _STEPS)
    optimizer = optax.adam(lambda i: _RATE * (1 + jnp.cos(jnp.pi * i / steps)) / 2, *_MOMENTA, eps_root=_ROOT)
    start, unravel = ravel_pytree(parameters[:-1])  # one vector: few small programs for XLA to generate

    def of_vector(flat: Any) -> Parameters:
        return Parameters._make([*unravel(flat), parameters.fixed])

    def of_flat(flat: Any) -> Float[Array, ""]:
        return loss(of_vector(flat), z, y, used=used, joint=joint, basis=basis)

    def step(state):
        flat, momentum, _ = state
        value, gradient = jax.value_and_grad(of_flat)(flat)
        update, momentum = optimizer.update(jnp.where(jnp.isfinite(value), gradient, 0), momentum)
        return optax.apply_updates(flat, update), momentum, value

    def step_or_rest(state, i):
        state = jax.lax.cond(i < steps, step, lambda same: same, state) if several else step(state)
        return state, state[2]

    state = start, optimizer.init(start), jnp.zeros((), start.dtype)
    (found, *_), losses = jax.lax.scan(step_or_rest, state, jnp.arange(most))
    return of_vector(found), losses


def polish(
    parameters: Parameters,
    z: Float[Array, "m n"],
    y: Float[Array, " m"] | Float[Array, "b m c"],
    used: Float[Array, " m"] | None = None,
) -> ProductKernel:
    """Continues training in double precision, for functions with next to no noise.

    Minimises `loss` with a floor of 1e-6 by 25 iterations of L-BFGS on the first 512 masks. Not traceable: the
    iterations run on the host.

    Args:
      parameters: as `train` leaves them.
      z: `signs` of the masks.
      y: as in `loss`.
      used: 1 for a mask and 0 for padding; all masks by default.

    Returns:
      The kernel in single precision; its noise includes the floor.
    """
    from scipy.optimize import minimize

    parameters = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), parameters)
    leaves, fixed = parameters[:-1], parameters.fixed
    ends = np.cumsum([leaf.size for leaf in leaves])[:-1]
    y, used = y if y.ndim == 3 else y[None, :, None], np.ones(len(z)) if used is None else used
    most = _FINE_MASKS // len(y)
    known = [np.asarray(a, np.float64) for a in (z[:most], y[:, :most], used[:most])]

    def unravel(flat: Float[np.ndarray, " p"]) -> list[Float[np.ndarray, "..."]]:
        return [part.reshape(leaf.shape) for part, leaf in zip(np.split(flat, ends), leaves, strict=True)]

    def ravel(parts: Sequence[Float[Array, "..."]]) -> Float[np.ndarray, " p"]:
        return np.concatenate([np.ravel(part) for part in parts])

    def descend(flat: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        (value, _), slope = _fine_slope(unravel(flat), fixed, *known)
        return (float(value), ravel(slope)) if np.isfinite(value) else (1e9, np.zeros_like(flat))

    options = {"maxiter": _FINE_STEPS, "maxcor": 20}
    found = minimize(descend, ravel(leaves), jac=True, method="L-BFGS-B", options=options)
    (_, kernel), _ = _fine_slope(unravel(found.x), fixed, *known)
    with np.errstate(over="ignore"):  # an infinite kernel is not used
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), kernel)


def _fine_loss(trained, fixed, z, y, used):
    """The loss in double precision, and the kernel with its floor."""
    parameters = Parameters(*trained, fixed)
    return loss(parameters, z, y, _FINE_FLOOR, used), _with_floor(parameters.kernel(), _FINE_FLOOR)


_fine_slope = host_program(jax.value_and_grad(_fine_loss, has_aux=True), double=True)


def fit_kernel(
    form: type[KernelForm], masks: Masks, values: Values, ordered: bool = False
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

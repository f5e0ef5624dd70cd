"""Data attribution where retraining has a closed form: ridge regression on fixed features, exactly, mask by mask."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, cholesky
from jax.typing import ArrayLike
from jaxtyping import Bool, Float, Int, UInt8

from spexjax.ablations._training._data import DataAblation, checked_names, fingerprint, groups_of, pairs
from spexjax.ablations._training._retraining import keeping, margin
from spexjax.typing import Array, Leaf

_GRAMS = 1 << 26  # numbers: up to so many, the Gram matrix of every group is kept


class Primal(NamedTuple):
    """Fits by d x d systems."""

    inputs: Float[Array, "N d"]
    both: Float[Array, "N d+c"]  # inputs and targets side by side
    sums: Leaf  # [n + 1, d, d + c], inputs' both over each group and over what is never removed; None if too large
    owner: Int[Array, " N"]
    free: Bool[Array, " d"]  # the column of ones, whose weight has no penalty
    l2: Float[Array, ""]
    test: tuple[Leaf, Leaf]  # Float[t, d], Int[t]


class Dual(NamedTuple):
    """Fits by N x N systems."""

    kernel: Float[Array, "N N"]
    targets: Float[Array, "N c"]
    owner: Int[Array, " N"]
    intercept: Float[Array, ""]  # 1 or 0
    l2: Float[Array, ""]
    test: tuple[Leaf, Leaf]  # inner products Float[t, N] with the training inputs, Int[t]


def ridge(
    train: tuple[ArrayLike, ArrayLike],
    test: tuple[ArrayLike, ArrayLike],
    *,
    l2: float,
    intercept: bool = True,
    groups: ArrayLike | None = None,
    feature_names: tuple[str, ...] | None = None,
    parallel: int = 128,
) -> DataAblation:
    """f(mask)[j] = the margin at test point j of a ridge classifier fitted to the examples that the mask keeps.

    The classifier minimises `sum_i |y_i - W'x_i - b|^2 + l2 |W|^2` over the kept examples i, with y = 1 for the right
    class and -1 for the others; the margin is the score of the right class less the largest of the others. It is
    solved and not trained: no steps, no seeds. The inputs may be a network's activations (a linear probe). With
    everything removed all scores are 0.

    For N examples of d inputs (one more for the intercept), a fit costs `d^3 / 3` operations: the Gram matrices of the
    kept groups are summed, or, where they would take more than 256 MB, that of the kept examples is computed anew.
    Where N < d the dual equations cost `N^3 / 3`. Woodbury's formula for the removed examples would cost no less: on
    average half of them are.

    Args:
      train: inputs `[N, d]` and integer labels `[N]`, 0..c-1.
      test: inputs `[t, d]` and labels `[t]` of the test points.
      l2: the penalty, above 0; fits are in float32 and lose digits below 1e-5 of the Gram matrix's largest eigenvalue.
      intercept: fit b, which has no penalty; else it is 0.
      groups: `[N]`, as in `training_data`.
      feature_names: n names.
      parallel: fits side by side on each device.

    Raises:
      ValueError: if the data, the groups or the penalty are inconsistent.

    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning (2009), sections 3.4.1 and 18.3.5.
    """
    (x, labels), (x_test, test_labels) = pairs("training", train), pairs("test", test)
    owner = groups_of(groups, len(x))
    names = checked_names(feature_names, groups, owner)
    integers = all(np.issubdtype(y.dtype, np.integer) and y.ndim == 1 and y.min() >= 0 for y in (labels, test_labels))
    if x.ndim != 2 or x_test.ndim != 2 or x.shape[1] != x_test.shape[1] or not integers:
        raise ValueError(
            f"A ridge classifier takes inputs [N, d] and integer labels [N] from 0; got inputs {x.shape} and "
            f"{x_test.shape}, labels {labels.dtype} {labels.shape} and {test_labels.dtype} {test_labels.shape}."
        )
    if not l2 > 0:
        raise ValueError(f"The penalty must be above 0, not {l2}.")
    identity = fingerprint("ridge", x, labels, x_test, test_labels, owner, l2, intercept)
    targets = 2.0 * np.eye(int(max(labels.max(), test_labels.max(), 1)) + 1)[labels] - 1
    centre = x.mean(0, dtype=np.float64) * intercept  # changes nothing but the rounding
    x, x_test = x - centre, x_test - centre
    penalty, owners, right = jnp.asarray(l2, jnp.float32), jnp.asarray(owner), jnp.asarray(test_labels)
    if len(x) < x.shape[1]:
        kernel, wanted, border, products = (
            jnp.asarray(a, jnp.float32) for a in (x @ x.T, targets, intercept, x_test @ x.T)
        )
        dual = Dual(kernel, wanted, owners, border, penalty, (products, right))
        return DataAblation(_dual, dual, names, identity, parallel, True)
    x, x_test = (np.pad(a, ((0, 0), (0, int(intercept))), constant_values=1) for a in (x, x_test))
    both, free, sums = np.concatenate([x, targets], 1), np.arange(x.shape[1]) == x.shape[1] - intercept, None
    if (len(names) + 1) * x.shape[1] * both.shape[1] <= _GRAMS:
        sums = jnp.asarray([x[rows].T @ both[rows] for rows in _members(owner)], jnp.float32)
    inputs, beside, tests = (jnp.asarray(a, jnp.float32) for a in (x, both, x_test))
    primal = Primal(inputs, beside, sums, owners, jnp.asarray(free), penalty, (tests, right))
    return DataAblation(_primal, primal, names, identity, parallel, True)


def _members(owner: Int[np.ndarray, " N"]) -> list[Int[np.ndarray, " _"]]:
    """The examples of each group, and last those that are never removed."""
    order = np.argsort(np.where(owner < 0, owner.max() + 1, owner), kind="stable")
    return np.split(order, np.cumsum(np.bincount(owner[owner >= 0])))


@jax.default_matmul_precision("highest")
def _primal(task: Primal, packed: UInt8[Array, "m _"]) -> Float[Array, "m t"]:
    d = len(task.free)

    def one(products: Float[Array, "d w"]) -> Float[Array, " t"]:
        gram, moments = products[:, :d], products[:, d:]
        penalties = jnp.where(task.free & (gram.diagonal() > 0), 0, task.l2)  # a penalty where there is no example
        weights = _solve(gram + jnp.diag(penalties), moments)
        return margin(task.test[0] @ weights, task.test[1])

    if task.sums is None:
        used = keeping(task.owner, packed).astype(jnp.float32)
        products = jax.vmap(lambda used: (task.inputs * used[:, None]).T @ task.both)(used)
    else:
        used = keeping(jnp.arange(len(task.sums)).at[-1].set(-1), packed).astype(jnp.float32)
        products = jnp.tensordot(used, task.sums, 1)
    return _each(one, products)


@jax.default_matmul_precision("highest")
def _dual(task: Dual, packed: UInt8[Array, "m _"]) -> Float[Array, "m t"]:
    def one(kept: Float[Array, " N"]) -> Float[Array, " t"]:
        column = kept[:, None]
        system = task.kernel * column * kept + task.l2 * jnp.eye(len(kept))
        solved = _solve(system, column * jnp.concatenate([task.targets, column], 1))
        of_targets, of_ones = solved[:, :-1], solved[:, -1:]
        shift = task.intercept * of_targets.sum(0) / jnp.maximum(of_ones.sum(), 1e-30)  # the residuals sum to 0
        return margin(task.test[0] @ (of_targets - of_ones * shift) + shift, task.test[1])

    return _each(one, keeping(task.owner, packed).astype(jnp.float32))


def _each(solve: Callable[[Array], Array], masks: Array) -> Array:
    """`jax.vmap`, but on CPUs one mask at a time: there a batched LAPACK call holds a thread of jaxlib's pool while it
    waits for others, so that several devices' calls may wait for each other forever (seen with jaxlib 0.10.2)."""
    in_turn = functools.partial(jax.lax.map, solve)
    return jax.lax.platform_dependent(masks, cpu=in_turn, default=jax.vmap(solve))


def _solve(system: Float[Array, "k k"], right: Float[Array, "k c"]) -> Float[Array, "k c"]:
    return cho_solve((cholesky(system, lower=True), True), right)

"""Many trainings of one model side by side, each on the training examples that its mask keeps, as one program."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Bool, Float, Int, UInt8

from spexjax.ablations._programs import made_once
from spexjax.typing import Array, Leaf


class Task(NamedTuple):
    """What all trainings share."""

    starts: Any  # the initial weights of each of s seeds, stacked
    batches: Leaf  # Int[s, steps, b], the examples of each step; None where every step takes all
    inputs: Leaf  # [N, ...]
    labels: Leaf  # [N, ...]
    owner: Int[Array, " N"]  # the feature each example belongs to; -1 for one that is never removed
    test: tuple[Leaf, Leaf]  # inputs and labels of t test points


def margin(logits: Float[Array, "t c"], labels: Int[Array, " t"]) -> Float[Array, " t"]:
    """The correct-class margin `logit_y - max_{c != y} logit_c`, in logits; above 0 where the model is right.

    Args:
      logits: of t points for c classes.
      labels: the right class of each point.

    Source: datamodels (Ilyas et al., arXiv 2202.00622, section 2).

    >>> margin(jnp.array([[2.0, 5.0, 1.0]]), jnp.array([0])).tolist()
    [-3.0]
    """
    right = jax.nn.one_hot(labels, logits.shape[-1], dtype=bool)
    return jnp.where(right, logits, -jnp.inf).max(-1) - jnp.where(right, -jnp.inf, logits).max(-1)


def keeping(owner: Int[Array, " N"], packed: UInt8[Array, "m _"]) -> Bool[Array, "m N"]:
    """Which examples each mask of their groups, packed as bits, keeps; those of owner -1 always.

    Args:
      owner: the group of each example.
      packed: a mask a row, eight groups a byte.
    """
    masks = jnp.unpackbits(packed, axis=1).astype(bool)
    return jnp.pad(masks, ((0, 0), (0, 1)), constant_values=True)[:, owner]


@made_once
def training_program(
    logits: Callable, loss: Callable, value: Callable, optimizer: optax.GradientTransformation, steps: int
) -> Callable:
    """`(task, packed masks) -> values [m, t]`: m trainings side by side for each seed in turn, and their mean.

    Args:
      logits: `(weights, inputs) -> [k, c]`.
      loss: `(logits, labels) -> [k]`.
      value: `(logits, labels) -> [t]`.
      optimizer: from Optax.
      steps: of the optimizer.
    """

    def train(task: Task, seed, kept: Bool[Array, " N"]) -> Any:
        def mean_loss(weights, x, y, used):
            return jnp.sum(loss(logits(weights, x), y) * used) / jnp.maximum(used.sum(), 1)

        def step(state, rows):
            weights, memory = state
            chosen = (task.inputs, task.labels, kept)
            x, y, used = chosen if rows is None else jax.tree.map(lambda leaf: leaf[rows], chosen)
            slope = jax.grad(mean_loss)(weights, x, y, used)
            updates, memory = optimizer.update(slope, memory, weights)
            return (optax.apply_updates(weights, updates), memory), None

        start, batches = seed
        return jax.lax.scan(step, (start, optimizer.init(start)), batches, length=steps)[0][0]

    def apply(task: Task, packed: UInt8[Array, "m _"]) -> Float[Array, "m t"]:
        kept = keeping(task.owner, packed)

        def of_seed(seed):
            def one(kept):
                return value(logits(train(task, seed, kept), task.test[0]), task.test[1])

            return jax.vmap(one)(kept)

        return jax.lax.map(of_seed, (task.starts, task.batches)).mean(0)

    return apply

"""The program of the lens on components: the gates of many masks in one pass over a set of prompts."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float, Int, Shaped

from spexjax.ablations._components._gating import Owners, gates
from spexjax.ablations._prompts._own_value import Value
from spexjax.ablations._prompts._sketch import sketch
from spexjax.models import Gates, Prefix, Substitute, Transformer
from spexjax.typing import Array


class Targets(NamedTuple):
    """What is read where: `counted` says which of a prompt's k nodes belong to its answer."""

    reads: Int[Array, "p k"]
    counted: Bool[Array, "p k"]
    tokens: Int[Array, " u"]  # of all answers, when there is a choice
    answers: Int[Array, "p a"]  # a choice's answers as indices into these, or one answer's tokens at the nodes read


class GatedParameters(NamedTuple):
    """What stays the same over all masks: `stream` is the residual stream before the first layer with a feature."""

    weights: nnx.State
    stream: Float[Array, "r t d"]
    positions: Int[Array, "r t"]
    ends: Int[Array, "r t"]
    owners: Owners
    substitute: Substitute | None
    targets: Targets


@functools.cache
def gated_program(
    graph: nnx.GraphDef,
    first: int,
    value: str | Value,
    choice: bool,
    rescale: bool,
    each: bool,
    lengths: tuple[int, ...] | None = None,
) -> Callable[[GatedParameters, Shaped[Array, "m n"]], tuple[Float[Array, "m *p"], Float[Array, "m c"]]]:
    """The pure function of one batch of masks, values and co-values; the same object for the same model and value.

    It takes gates between 0 and 1, too, and is differentiable in them unless the value is an accuracy.

    Args:
      graph: the model's static part.
      first: the first layer with a feature.
      value: as in `components`.
      choice: whether there are several answers to a prompt.
      rescale: as in `components`.
      each: whether to give the value of each of p prompts, and not their mean.
      lengths: of the prompts' answers, for a function of the user's.
    """
    unablated = isinstance(value, Value) and value.takes_unablated

    def apply(
        parameters: GatedParameters, masks: Shaped[Array, "m n"]
    ) -> tuple[Float[Array, "m *p"], Float[Array, "m c"]]:
        if unablated:
            masks = jnp.concatenate([jnp.ones_like(masks[:1]), masks])
        model, m = nnx.merge(graph, parameters.weights), len(masks)
        r = len(parameters.stream)
        x, positions, ends = (jnp.tile(a, (m, *[1] * (a.ndim - 1))) for a in parameters[1:4])
        open_ = jax.tree.map(lambda g: jnp.repeat(g, r, axis=1), gates(parameters.owners, masks, rescale))
        empty = Prefix.empty(model.config, model.dtype)
        reads = jnp.arange(m)[:, None, None] * positions[:r].size + parameters.targets.reads
        reads = reads.reshape(-1, reads.shape[-1])
        x, _ = model.run(x, positions, ends, empty, open_, parameters.substitute, first=first, reads=reads)
        hidden = model.norm(x).reshape(m, -1, *x.shape[1:])
        if isinstance(value, Value):
            values = _own(model, hidden, parameters.targets, value, np.array(lengths))
        else:
            values = (_choice if choice else _answer)(model, hidden, parameters.targets, value)
        hidden = hidden[1:] if unablated else hidden
        read = hidden * parameters.targets.counted[..., None].astype(hidden.dtype)
        return values if each else values.mean(-1), sketch(read.reshape(len(hidden), -1, x.shape[-1]))

    return apply


def _choice(model: Transformer, hidden: Float[Array, "m p k d"], targets: Targets, value: str):
    logits = model.logits_of(hidden[:, :, -1], targets.tokens)
    chosen = jnp.take_along_axis(logits, targets.answers[None], -1)
    margin = chosen[..., 0] - chosen[..., 1:].max(-1)
    return margin if value == "logit-difference" else (margin > 0).astype(jnp.float32)


def _answer(model: Transformer, hidden: Float[Array, "m p k d"], targets: Targets, value: str):
    def one(hidden):
        logits = model.logits(hidden)
        if value == "accuracy":
            right = logits.argmax(-1) == targets.answers
            return (right | ~targets.counted).all(-1).astype(jnp.float32)
        log_p = jnp.take_along_axis(jax.nn.log_softmax(logits), targets.answers[..., None], -1)[..., 0]
        return (log_p * targets.counted).sum(-1)

    return jax.lax.map(one, hidden)  # one mask at a time: logits of the whole vocabulary are large


def _own(
    model: Transformer, hidden: Float[Array, "m p k d"], targets: Targets, value: Value, lengths: Int[np.ndarray, " p"]
):
    """A function of the user's at each prompt; if it takes them, the first row is the unablated model."""
    k = hidden.shape[2]

    def log_probabilities(hidden):
        return jax.nn.log_softmax(model.logits(hidden))

    whole = log_probabilities(hidden[0]) if value.takes_unablated else None

    def one(hidden):
        log_p, values = log_probabilities(hidden), jnp.zeros(len(lengths), jnp.float32)
        for length in np.unique(lengths):  # an answer stands at the last of the k nodes
            rows = np.flatnonzero(lengths == length)
            of_each = (None if a is None else a[rows, k - length :] for a in (log_p, targets.answers, whole))
            values = values.at[rows].set(jax.vmap(value, (0, 0, None if whole is None else 0))(*of_each))
        return values

    return jax.lax.map(one, hidden[1:] if value.takes_unablated else hidden)


@functools.cache
def stream(graph: nnx.GraphDef, first: int) -> Callable[..., Float[Array, "r t d"]]:
    """Compiled: the residual stream before layer `first`.

    Args:
      graph: the model's static part.
      first: the layer.
    """

    def run(weights, tokens, positions, ends):
        model = nnx.merge(graph, weights)
        below = jax.tree.map(lambda part: part[:first], Gates.open(model.config))
        empty = Prefix.empty(model.config, model.dtype)
        return model.run(model.embed(tokens, positions), positions, ends, empty, below)[0]

    return jax.jit(run)

"""Value functions of a language model: what is read off the hidden states of a packed row."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Float, Int

from spexjax.ablations._prompts._answers import MANY
from spexjax.ablations._prompts._own_value import Value
from spexjax.ablations._prompts._sketch import sketch
from spexjax.models import Gates, Prefix, Transformer, run_prefix
from spexjax.typing import Array

VALUES = {  # the answers each one takes
    "logit-difference": (2, 2),
    "log-probability": (1, 1),
    "log-odds": (1, MANY),
    "token-log-probability": (1, 1),
}

RAW = "log-probabilities"  # `[b, k, v]`, which no value is, but some are read off


class ReadingParameters(NamedTuple):
    """What stays the same over all batches of an evaluation."""

    weights: nnx.State
    prefix: Prefix
    gates: Gates
    unablated: Float[Array, "k v"] | None = None  # log-probabilities with everything kept, for a value that takes them


class Inputs(NamedTuple):
    """One batch of packed rows, and the nodes each value is read from."""

    tokens: Int[Array, "r t"]
    positions: Int[Array, "r t"]
    ends: Int[Array, "r t"]
    ancestors: Int[Array, "r b a"]
    reads: Int[Array, "b k"]  # into the r * t nodes
    targets: Int[Array, "b *a"]  # two answers' first tokens, one answer's k, or t answers' `[t, k / t]`, -1 for none


@functools.cache
def reading_program(
    graph: nnx.GraphDef, value: str | Value
) -> Callable[[ReadingParameters, Inputs], tuple[Float[Array, "b *k"], Float[Array, "b c"]]]:
    """The pure function of one batch, values and co-values; the same object for the same model, so that it is compiled
    once per shape.

    "logit-difference" is `z_a - z_b` at the last token; "log-probability" is `sum_i log p(answer_i | before)`, with
    the answer's tokens teacher-forced in the same pass; "token-log-probability" gives each term of that sum;
    "log-odds" is `log p - log(1 - p)` of the sum, by `log_odds`; of several answers, each has one within their set, by
    `log_odds_within`. A function of the user's is given all log-probabilities at the answer's tokens.

    Args:
      graph: the model's static part.
      value: a key of `VALUES`, a function, or `RAW`.
    """

    def apply(parameters: ReadingParameters, inputs: Inputs) -> tuple[Float[Array, "b *k"], Float[Array, "b c"]]:
        model = nnx.merge(graph, parameters.weights)
        tokens, *places, ancestors, reads, targets = inputs
        shared = parameters.prefix, parameters.gates
        hidden, _ = model.run(model.embed(tokens, places[0]), *places, *shared, ancestors=ancestors, reads=reads)
        hidden = model.norm(hidden)
        return read(model, hidden, targets, parameters.unablated), sketch(hidden)

    def read(
        model: Transformer, hidden: Float[Array, "b k d"], targets: Int[Array, "b *a"], unablated: Array | None
    ) -> Float[Array, "b *t"]:
        if value == "logit-difference":
            chosen = model.logits_of(hidden[:, -1], targets)
            return chosen[:, 0] - chosen[:, 1]
        if targets.shape[2:] == (1,):  # answers of one token, after the same text: what is not theirs cancels out
            return log_odds_within(model.logits_of(hidden[:, 0], targets[..., 0]))
        log_probabilities = jax.nn.log_softmax(model.logits(hidden))
        if value == RAW:
            return log_probabilities
        if isinstance(value, Value):
            return jax.vmap(value, (0, 0, None))(log_probabilities, targets, unablated)
        if targets.ndim == 3:
            each = jnp.take_along_axis(log_probabilities, targets.reshape(*hidden.shape[:2], 1), -1)[..., 0]
            return log_odds_within(each.reshape(targets.shape).sum(-1, where=targets >= 0))
        if value == "log-odds":
            return log_odds(log_probabilities, targets)
        each = jnp.take_along_axis(log_probabilities, targets[..., None], -1)[..., 0]
        return each if value == "token-log-probability" else each.sum(1)

    return apply


def log_odds(log_probabilities: Float[Array, "b k v"], targets: Int[Array, "b k"]) -> Float[Array, " b"]:
    """`log p - log(1 - p)` of an answer of k tokens, finite where p rounds to 1.

    `1 - p` is the sum over i of the probability of the answer's first i tokens and another one after them.

    Args:
      log_probabilities: of every token at each of the answers' k positions.
      targets: the answers' tokens.
    """
    answer = jax.nn.one_hot(targets, log_probabilities.shape[-1], dtype=bool)
    each = jnp.take_along_axis(log_probabilities, targets[..., None], -1)[..., 0]
    others = jax.nn.logsumexp(log_probabilities, -1, where=~answer)
    return each.sum(1) - jax.nn.logsumexp(jnp.cumsum(each, 1) - each + others, 1)


def log_odds_within(scores: Float[Array, "b t"]) -> Float[Array, "b t"]:
    """`log p_j - log(1 - p_j)` with `p = softmax(scores)`: each of t answers against the others.

    Args:
      scores: log-probabilities, up to a constant.
    """
    others = ~jnp.eye(scores.shape[1], dtype=bool)
    return scores - jax.nn.logsumexp(
        jnp.broadcast_to(scores[:, None], (*scores.shape, scores.shape[1])), -1, where=others
    )


@functools.cache
def prefix_program(graph: nnx.GraphDef) -> Callable[..., Prefix]:
    """Compiled `run_prefix` for one model."""
    return jax.jit(lambda weights, tokens, length: run_prefix(nnx.merge(graph, weights), tokens, length))

"""Runs the reference prompts, and asks a fill what replaces every head and MLP."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Int

from spexjax.ablations._components._fill import Fill
from spexjax.ablations._programs import made_once
from spexjax.models import Gates, Prefix, Substitute, Trace
from spexjax.typing import Array


class References(NamedTuple):
    """Reference prompts, each a row of its own, padded on the right."""

    tokens: Int[np.ndarray, "f t"]
    real: Bool[np.ndarray, "f t"]


def stack(sequences: Sequence[Sequence[int]]) -> References:
    """Pads sequences to the length of the longest."""
    lengths = np.array([len(s) for s in sequences])
    real = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.zeros(real.shape, np.int32)
    tokens[real] = np.concatenate([np.asarray(s) for s in sequences])
    return References(tokens, real)


def substitute(
    graph: nnx.GraphDef,
    weights: nnx.State,
    fill: Fill,
    references: References,
    first: int,
    at: Int[np.ndarray, "r t"] | None = None,
) -> Substitute:
    """What replaces every head and MLP from layer `first` on.

    Args:
      graph: the model's static part.
      weights: its parameters.
      fill: decides what the substitute is.
      references: the prompts that the fill reads outputs from.
      first: the first layer wanted.
      at: the reference token that each token takes its substitute from, if the fill has sources.

    Raises:
      ValueError: if the fill's substitute does not have the shape of the outputs.
    """
    return _program(graph, first, fill)(weights, references, at)


@made_once
def _program(graph: nnx.GraphDef, first: int, fill: Fill) -> Callable[..., Substitute]:
    def run(weights, references, at):
        tokens, real = references

        def keep(trace: Trace) -> Substitute:
            return Substitute(
                *(_checked(fill.substitute(part, real, at), part, at) for part in (trace.heads, trace.mlp))
            )

        model = nnx.merge(graph, weights)
        places = jnp.broadcast_to(jnp.arange(tokens.shape[1], dtype=jnp.int32), tokens.shape)
        ends, empty = jnp.full_like(places, tokens.shape[1]), Prefix.empty(model.config, model.dtype)
        below, rest = (
            jax.tree.map(lambda part, span=span: part[span], Gates.open(model.config))
            for span in (slice(first), slice(first, None))
        )
        x, _ = model.run(model.embed(tokens, places), places, ends, empty, below)
        return model.run(x, places, ends, empty, rest, first=first, keep=keep)[1]

    return jax.jit(run)


def _checked(found: Array, outputs: Array, at: Array | None) -> Array:
    shape = getattr(found, "shape", None)
    shapes = [(*places, *outputs.shape[2:]) for places in ((1, 1), *([] if at is None else [at.shape]))]
    if shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ValueError(f"The fill's substitute has shape {shape}; it must have shape {wanted}.")
    return found

"""What comes in the place of a removed head or MLP: its mean output, or its output in another prompt."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Int

from spexjax.models import Fill, Gates, Prefix, Trace

FILLS = ("zero", "mean", "resample")


class References(NamedTuple):
    """Reference prompts, each a row of its own, padded on the right."""

    tokens: Int[np.ndarray, "f t"]
    real: Bool[np.ndarray, "f t"]


def stack(sequences: Sequence[Sequence[int]]) -> References:
    """Sequences of different lengths as rows of one."""
    lengths = np.array([len(s) for s in sequences])
    real = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.zeros(real.shape, np.int32)
    tokens[real] = np.concatenate([np.asarray(s) for s in sequences])
    return References(tokens, real)


def sources(sequences: Sequence[Sequence[int]], ends: Sequence[int], references: Sequence[Sequence[int]]):
    """Where in the stacked references each token takes its output from: sequence i from reference `i mod f`.

    What a sequence and its reference both begin with is aligned token by token. The rest of the prompt, which ends at
    `ends[i]`, is aligned with the rest of the reference from the end: the last token with the last, and so on, and
    with the first one of that rest where it is shorter (if there is none, with the reference's last token). Tokens of
    the answer are aligned with the reference's last. Nodes of references that begin alike are one source.
    """
    width, nodes = max(map(len, references)), {}
    flat = []
    for row, reference in enumerate(references):
        parent, places = -1, []
        for i, token in enumerate(reference):
            parent = nodes.setdefault((parent, token), row * width + i)
            places.append(parent)
        flat.append(places)
    found = []
    for i, (sequence, end) in enumerate(zip(sequences, ends, strict=True)):
        reference, places = references[i % len(references)], flat[i % len(references)]
        limit = min(end, len(reference))
        common = next((j for j in range(limit) if sequence[j] != reference[j]), limit)
        last = len(reference) - 1
        rest = [min(max(last - (end - 1 - j), common), last) for j in range(common, end)]
        found.append([places[j] for j in (*range(common), *rest, *[last] * (len(sequence) - end))])
    return found


def outputs(
    graph: nnx.GraphDef,
    weights: nnx.State,
    references: References,
    first: int,
    at: Int[np.ndarray, "r t"] | None = None,
) -> Fill:
    """What every head and MLP from layer `first` on puts out in the references.

    Args:
      graph: the model's static part.
      weights: its parameters.
      references: the prompts.
      first: the first layer wanted.
      at: nodes of the flattened references; the mean over all tokens if not given.
    """
    return _outputs(graph, first, at is None)(weights, references, at)


@functools.cache
def _outputs(graph: nnx.GraphDef, first: int, average: bool) -> Callable[..., Fill]:
    def run(weights, references, at):
        tokens, real = references
        share = real / real.sum()

        def keep(trace: Trace) -> Fill:
            if average:
                return Fill(*(jnp.einsum("ft,ft...->...", share, part)[None, None] for part in trace[2:]))
            return Fill(*(part.reshape(-1, *part.shape[2:])[at] for part in trace[2:]))

        model = nnx.merge(graph, weights)
        places = jnp.broadcast_to(jnp.arange(tokens.shape[1], dtype=jnp.int32), tokens.shape)
        ends, empty = jnp.full_like(places, tokens.shape[1]), Prefix.empty(model.config, model.dtype)
        below, rest = ([part[span] for part in Gates.open(model.config)] for span in (slice(first), slice(first, None)))
        x, _ = model.run(model.embed(tokens), places, ends, empty, Gates(*below))
        return model.run(x, places, ends, empty, Gates(*rest), first=first, keep=keep)[1]

    return jax.jit(run)

"""The logits of a model after every token of a text, for checks against other implementations."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, Int

from spexjax.models._language_model import LanguageModel, check_model
from spexjax.models._transformer import Gates, Prefix


def logits(model: LanguageModel, token_ids: Sequence[int], *, gates: Gates | None = None) -> Float[np.ndarray, "t v"]:
    """Next-token logits after each of t tokens, in float32: row i is read after `token_ids[: i + 1]`.

    Args:
      model: from `load_model`.
      token_ids: of the text, as they are: no token is added.
      gates: of heads, MLPs and experts; all open by default.

    Raises:
      ValueError: if there is no token, a token is not in the vocabulary, or there are more than the context holds.
    """
    padded = padded_ids(model, token_ids)
    found = _program(model.graph)(model.parameters, padded, gates or Gates.open(model.config))
    return np.asarray(found)[: len(token_ids)]


def padded_ids(model: LanguageModel, token_ids: Sequence[int]) -> Int[np.ndarray, " t"]:
    """Token ids, padded to a multiple of 64 or to the model's context.

    Args:
      model: from `load_model`.
      token_ids: of a text.

    Raises:
      ValueError: as `logits`.
    """
    check_model(model)
    ids, most = np.asarray(token_ids), model.config.max_length
    if ids.ndim != 1 or not 0 < len(ids) <= most:
        raise ValueError(f"token_ids must be a list of 1 to {most} token ids, the length of the model's context.")
    if ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= model.config.vocab_size:
        raise ValueError(f"token_ids must be whole numbers from 0 to {model.config.vocab_size - 1}.")
    padded = np.zeros(min(-(-len(ids) // 64) * 64, most), np.int32)
    padded[: len(ids)] = ids
    return padded


@functools.cache
def _program(graph: nnx.GraphDef):
    def run(weights, tokens, gates):
        network = nnx.merge(graph, weights)
        row = jnp.arange(len(tokens), dtype=jnp.int32)[None]
        empty = Prefix.empty(network.config, network.dtype)
        hidden, _ = network(tokens[None], row, jnp.full_like(row, len(tokens)), empty, gates)
        return network.logits(hidden[0])

    return jax.jit(run)

"""How much some tokens of a prompt attend to each token: the weights themselves, from one dense pass."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from spexjax._buckets import bucket, pad
from spexjax.models._language_model import LanguageModel
from spexjax.models._logits import padded_ids
from spexjax.models._transformer import Gates, Prefix, Trace


def attention_mass(model: LanguageModel, token_ids: Sequence[int], num_reads: int = 1) -> Float[np.ndarray, " t"]:
    """The attention that each of t tokens gets from the last ones; it adds up to 1.

        mean over i, l, h of softmax_j(score_lh(i, j)),    the last k tokens i, all heads h, the second half of layers l

    The layers of the first half say less of which tokens matter: there a token gathers what stands next to it.

    Args:
      model: from `load_model`.
      token_ids: of the prompt.
      num_reads: k, from 1 to t.

    Raises:
      ValueError: if there is no token, a token is not in the vocabulary, there are more than the context holds, or
        fewer than are to read.
    """
    padded, length = padded_ids(model, token_ids), len(token_ids)
    if isinstance(num_reads, bool) or not isinstance(num_reads, int | np.integer) or not 1 <= num_reads <= length:
        raise ValueError(f"num_reads must be a whole number from 1 to {length}, the number of tokens; got {num_reads}.")
    reads = pad(np.arange(length - num_reads, length, dtype=np.int32), bucket(num_reads))
    shares = pad(np.full(num_reads, 1 / num_reads, np.float32), len(reads))
    return np.asarray(_program(model.graph)(model.parameters, padded, reads, shares))[:length]


@functools.cache
def _program(graph: nnx.GraphDef):
    def run(weights, tokens, reads, shares):
        network, row = nnx.merge(graph, weights), jnp.arange(len(tokens), dtype=jnp.int32)[None]
        config, prefix = network.config, Prefix.empty(network.config, network.dtype)

        def scores(trace: Trace) -> Float[jax.Array, "k h t"]:
            keys = jnp.repeat(trace.keys[0], config.num_heads // config.num_kv_heads, 1)
            return jnp.einsum("khd,thd->kht", trace.queries[0, reads], keys, preferred_element_type=jnp.float32)

        x, ends = network.embed(tokens[None], row), jnp.full_like(row, len(tokens))
        found = network.run(x, row, ends, prefix, Gates.open(config), keep=scores)[1]
        found = found if config.score_cap is None else config.score_cap * jnp.tanh(found / config.score_cap)
        before = reads[:, None] - row
        reach = jnp.where(jnp.array(config.slides), config.window or 0, len(tokens))[:, None, None]
        seen = (before >= 0) & (before < reach)  # [l, k, t]
        attention = jax.nn.softmax(jnp.where(seen[:, :, None], found, -jnp.inf))
        return jnp.einsum("kt,k->t", attention[config.num_layers // 2 :].mean((0, 2)), shares)

    return jax.jit(run)

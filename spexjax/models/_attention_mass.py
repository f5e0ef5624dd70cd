"""How much some tokens of a prompt attend to each token: the weights themselves, from one dense pass."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float

from spexjax.models._language_model import LanguageModel
from spexjax.models._transformer import Gates, Prefix, Trace


def attention_mass(model: LanguageModel, token_ids: Sequence[int], num_reads: int = 1) -> Float[np.ndarray, " t"]:
    """The attention that each of t tokens gets from the last ones, which adds up to 1.

        mean over i, l, h of softmax_j(score_lh(i, j)),    the last k tokens i, all heads h, the second half of layers l

    The layers of the first half say less of which tokens matter: there a token gathers what stands next to it.

    Args:
      model: from `load_model`.
      token_ids: of the prompt.
      num_reads: k.
    """
    padded = np.zeros(min(-(-len(token_ids) // 64) * 64, model.config.max_length), np.int32)
    padded[: len(token_ids)] = token_ids
    reads = np.arange(len(token_ids) - num_reads, len(token_ids), dtype=np.int32)
    return np.asarray(_program(model.graph)(model.parameters, padded, reads))[: len(token_ids)]


@functools.cache
def _program(graph: nnx.GraphDef):
    def run(weights, tokens, reads):
        network, row = nnx.merge(graph, weights), jnp.arange(len(tokens), dtype=jnp.int32)[None]
        config, prefix = network.config, Prefix.empty(network.config, network.dtype)

        def scores(trace: Trace) -> Float[jax.Array, "k h t"]:
            keys = jnp.repeat(trace.keys[0], config.num_heads // config.num_kv_heads, 1)
            return jnp.einsum("khd,thd->kht", trace.queries[0, reads], keys, preferred_element_type=jnp.float32)

        x, ends = network.embed(tokens[None], row), jnp.full_like(row, len(tokens))
        found = network.run(x, row, ends, prefix, Gates.open(config), keep=scores)[1]
        found = found if config.score_cap is None else config.score_cap * jnp.tanh(found / config.score_cap)
        behind = reads[:, None] - row
        near = behind < jnp.where(jnp.array(config.slides), config.window or 0, len(tokens))[:, None, None]
        weights = jax.nn.softmax(jnp.where(((behind >= 0) & near)[:, :, None], found, -jnp.inf))
        return weights[config.num_layers // 2 :].mean((0, 1, 2))

    return jax.jit(run)

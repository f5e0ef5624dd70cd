"""Greedy generation, for the answer that is explained when none is given."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from spexjax.models.language_model import LanguageModel
from spexjax.models.transformer import Gates, Prefix


def greedy_answer(model: LanguageModel, ids: Sequence[int], *, max_tokens: int = 16) -> str:
    """The model's most likely continuation, token by token, up to its end-of-turn token or a line break.

    Raises:
      ValueError: if the model ends its turn at once.
    """
    room = min(max_tokens, model.config.max_length - len(ids))
    tokens = jnp.zeros(-(-(len(ids) + room) // 64) * 64, jnp.int32).at[: len(ids)].set(jnp.asarray(ids))
    answer: list[int] = []
    step = _next_token(model.graph)
    for at in range(len(ids), len(ids) + room):
        token = int(step(model.parameters, tokens, at - 1))
        if token == model.tokenizer.eos_token_id or (answer and "\n" in model.tokenizer.decode([token])):
            break
        answer.append(token)
        tokens = tokens.at[at].set(token)
    if not answer:
        raise ValueError("The model answers nothing to this text; give `answers` to say what to explain.")
    return model.tokenizer.decode(answer)


@functools.cache
def _next_token(graph: nnx.GraphDef):
    def step(weights, tokens, at):
        model = nnx.merge(graph, weights)
        row = jnp.arange(len(tokens), dtype=jnp.int32)[None]
        empty = Prefix.empty(model.config, model.dtype)
        hidden, _ = model(tokens[None], row, jnp.full_like(row, len(tokens)), empty, Gates.open(model.config))
        return model.logits(hidden[0, at]).argmax()

    return jax.jit(step)

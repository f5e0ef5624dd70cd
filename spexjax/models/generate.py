"""Greedy generation, for the answer that is explained when none is given."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from spexjax.models.language_model import LanguageModel
from spexjax.models.transformer import Gates, Prefix


class Answer(NamedTuple):
    """What a model says, as a text and as the very tokens, which the text need not be cut into again."""

    text: str
    tokens: tuple[int, ...]


def greedy_answer(model: LanguageModel, ids: Sequence[int], *, max_tokens: int = 16) -> Answer:
    """The model's most likely continuation, token by token, up to its end-of-turn token or a line break.

    Raises:
      ValueError: if the model ends its turn at once, or its context has no room for an answer.
    """
    if len(ids) >= model.config.max_length:
        raise ValueError(f"The prompt's {len(ids)} tokens leave no room in {model.name}'s context; shorten the text.")
    room = min(max_tokens, model.config.max_length - len(ids))
    tokens = jnp.zeros(-(-(len(ids) + room) // 64) * 64, jnp.int32).at[: len(ids)].set(jnp.asarray(ids, jnp.int32))
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
    return Answer(model.tokenizer.decode(answer), tuple(answer))


@functools.cache
def _next_token(graph: nnx.GraphDef):
    def step(weights, tokens, at):
        model = nnx.merge(graph, weights)
        row = jnp.arange(len(tokens), dtype=jnp.int32)[None]
        empty = Prefix.empty(model.config, model.dtype)
        hidden, _ = model(tokens[None], row, jnp.full_like(row, len(tokens)), empty, Gates.open(model.config))
        return model.logits(hidden[0, at]).argmax()

    return jax.jit(step)

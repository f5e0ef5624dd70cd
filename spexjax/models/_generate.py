"""Greedy generation of the answer to explain when none is given."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Float, Int

from spexjax.models._language_model import LanguageModel
from spexjax.models._transformer import Gates, Prefix
from spexjax.typing import Array


class Answer(NamedTuple):
    """A model's answer, as text and as the tokens it generated, which tokenising the text need not give back."""

    text: str
    tokens: tuple[int, ...]


def greedy_answer(model: LanguageModel, ids: Sequence[int], *, max_tokens: int = 16) -> Answer:
    """The model's most likely continuation, token by token, up to the end of its turn or a line break.

    The turn ends at any of the model's `stop_ids` and at any control token of its tokenizer, as control tokens belong
    to the template.

    Args:
      model: answers.
      ids: the prompt's token ids.
      max_tokens: the longest answer.

    Raises:
      ValueError: if the model ends its turn at once, or its context has no room for an answer.
    """
    if len(ids) >= model.config.max_length:
        raise ValueError(f"The prompt's {len(ids)} tokens leave no room in {model.name}'s context; shorten the text.")
    ends = {*model.stop_ids, *control_tokens(model.tokenizer)}
    room = min(max_tokens, model.config.max_length - len(ids))
    most_likely = _following(model, ids, room, jnp.argmax)
    answer: list[int] = []
    while len(answer) < room:
        token = int(most_likely(answer))
        if token in ends or (answer and "\n" in model.tokenizer.decode([token])):
            break
        answer.append(token)
    if not answer:
        raise ValueError("The model gives an empty answer to this text; give `answers` to say what to explain.")
    return Answer(model.tokenizer.decode(answer), tuple(answer))


def next_log_probabilities(model: LanguageModel, ids: Sequence[int], tokens: Sequence[int]) -> Float[np.ndarray, " k"]:
    """The log-probability of each of k tokens right after `ids`.

    Args:
      model: predicts.
      ids: what comes before.
      tokens: the k tokens.
    """
    return np.asarray(_following(model, ids, 0, _log_probabilities)([], np.asarray(tokens, np.int32)))


def control_tokens(tokenizer: Any) -> set[int]:
    """The tokens that are not text: chat markup, beginning and end of sequence."""
    added = tokenizer.added_tokens_decoder.items()
    return {*tokenizer.all_special_ids, *(i for i, token in added if token.special)}


def _log_probabilities(logits: Float[Array, " v"], tokens: Int[Array, " k"]) -> Float[Array, " k"]:
    return jax.nn.log_softmax(logits)[tokens]


def _following(model: LanguageModel, ids: Sequence[int], room: int, read: Callable) -> Callable[..., jax.Array]:
    """A function of the answer so far: `read` of the logits after `ids` and it; one program for up to `room` tokens."""
    tokens = np.zeros(-(-(len(ids) + room) // 64) * 64, np.int32)
    tokens[: len(ids)] = ids
    program = _last(model.graph, read)

    def following(answer: list[int], *more) -> jax.Array:
        end = len(ids) + len(answer)
        tokens[len(ids) : end] = answer
        return program(model.parameters, tokens, end - 1, *more)

    return following


@functools.cache
def _last(graph: nnx.GraphDef, read: Callable):
    def last(weights, tokens, at, *more):
        model = nnx.merge(graph, weights)
        row = jnp.arange(len(tokens), dtype=jnp.int32)[None]
        empty = Prefix.empty(model.config, model.dtype)
        hidden, _ = model(tokens[None], row, jnp.full_like(row, len(tokens)), empty, Gates.open(model.config))
        return read(model.logits(hidden[0, at]), *more)

    return jax.jit(last)

"""A value function of one's own: a JAX function of the log-probabilities at an answer's tokens."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from spexjax._identity import named_identity
from spexjax.ablations._prompts._strings import check_text


@dataclasses.dataclass(frozen=True)
class Value:
    """What `text` and `components` read off a model's answer, by a JAX function of yours.

    `fn(log_probs[k, v], targets[k]) -> scalar` is given the log-probabilities of all v tokens at each of the answer's k
    tokens, with the answer's tokens before it, and these tokens. A function of three arguments is given the
    log-probabilities of the unablated model, too, `fn(log_probs, targets, unablated)`.

    Attributes:
      fn: pure, of JAX arrays; it is traced.
      name: what explanations call it; by default the function's own name.
      fingerprint: identifies what fn reads where its code does not tell (a file, an object of yours, a module of
        yours); change it whenever that changes. A function whose code tells all needs none.

    >>> def perplexity(log_probs, targets):
    ...     return jnp.exp(-jnp.take_along_axis(log_probs, targets[:, None], 1).mean())
    >>> Value(perplexity).called
    'perplexity'
    """

    fn: Callable[..., Any]
    name: str | None = None
    fingerprint: str | None = None

    @property
    def called(self) -> str:
        """Its name."""
        return self.name or str(getattr(self.fn, "__name__", type(self.fn).__name__))

    @functools.cached_property
    def identity(self) -> str:
        """A hash of the code and all that it reads: different functions never share values. Else a unique string."""
        return named_identity(self.fn, self.fingerprint)

    @functools.cached_property
    def takes_unablated(self) -> bool:
        """Whether fn has a third argument."""
        try:
            parameters = inspect.signature(self.fn).parameters.values()
        except (TypeError, ValueError):
            return False
        places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return sum(p.kind in places and p.default is p.empty for p in parameters) == 3

    def __call__(self, log_probs: Any, targets: Any, unablated: Any = None) -> Any:
        """Calls fn, with what it takes.

        Args:
          log_probs: `[k, v]`.
          targets: `[k]`.
          unablated: `[k, v]`.
        """
        found = self.fn(log_probs, targets, unablated) if self.takes_unablated else self.fn(log_probs, targets)
        return jnp.asarray(found, jnp.float32)


def own_value(value: Any, known: Collection[str], answers: Any) -> Value | None:
    """The value, if it is a function of the user's; None if it is a name or None.

    Args:
      value: what the user gave.
      known: names of values.
      answers: what the user gave.

    Raises:
      ValueError: if the function has a name that is known, or no hash, or there are several answers.
    """
    if isinstance(value, Value):
        own = value
    elif callable(value):
        own = Value(value)
    else:
        return None
    check_text("name of the value", own.called)
    try:
        hash(own)
    except TypeError:
        raise ValueError(f"The value {own.called} must be a function, or an object with a hash.") from None
    if own.called in known:
        raise ValueError(f"There is a value {own.called} already; give yours another name: Value(fn, name=...).")
    several = isinstance(answers, Sequence) and not isinstance(answers, str) and len(answers) > 1
    if several and all(isinstance(answer, str) for answer in answers):
        raise ValueError(f"The value {own.called} reads one answer's tokens; give one answer, not {len(answers)}.")
    return own


def check_scalar(own: Value, lengths: Collection[int], num_tokens: int) -> None:
    """Raises unless a function gives one real number, without running it.

    Args:
      own: the function.
      lengths: k of each answer.
      num_tokens: v.

    Raises:
      ValueError: if it fails on arrays of these shapes, or gives something else.
    """
    for k in sorted(set(lengths)):
        log_probs = jax.ShapeDtypeStruct((k, num_tokens), jnp.float32)
        try:
            found = jax.eval_shape(own, log_probs, jax.ShapeDtypeStruct((k,), jnp.int32), log_probs)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".split("\n")[0]
            raise ValueError(
                f"The value {own.called} fails on log-probabilities [{k}, {num_tokens}] and targets [{k}]: "
                f"{reason.rstrip('. ')}. It must be written in jax.numpy, without `if` or float() of what it is given."
            ) from error
        if found.shape != ():
            raise ValueError(f"The value {own.called} must give one number; it gives an array of shape {found.shape}.")
        if jnp.issubdtype(found.dtype, jnp.complexfloating):
            raise ValueError(f"The value {own.called} must give one real number; it gives {found.dtype}.")

"""Fills: what replaces the output of a removed head or MLP. The contract, the built-in fills and their registry."""

import abc
import operator
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from spexjax.ablations._registry import Registry
from spexjax.typing import Array

Tokens = tuple[int, ...]


class Fill(abc.ABC):
    """What replaces the output of a removed head or MLP: `gate * output + (1 - gate) * substitute`.

    The lens runs the reference prompts once, and asks `substitute` once for the heads and once for the MLP of every
    layer. Derive your own fill, define `substitute`, register it, and use it by name. The other methods have defaults.
    A fill must not change once it is used, because its `substitute` is compiled once: register another one instead.

    >>> class Median(Fill):
    ...     def substitute(self, outputs, real, at):
    ...         flat = outputs.reshape(-1, *outputs.shape[2:])
    ...         kept = jnp.where(real.reshape(-1, *[1] * (flat.ndim - 1)), flat, jnp.nan)
    ...         return jnp.nanmedian(kept, 0)[None, None]
    >>> outputs = jnp.array([[[1.0], [5.0], [2.0]], [[9.0], [0.0], [0.0]]])  # two references; the second has one token
    >>> Median().substitute(outputs, jnp.array([[True, True, True], [True, False, False]]), None).tolist()
    [[[3.5]]]
    """

    uses_references: bool = True  # False if the substitute is zero whatever the references are

    def references(self, prompts: Sequence[Tokens]) -> Sequence[Tokens]:
        """The reference prompts where the user gives none, as token ids; by default the prompts themselves.

        Args:
          prompts: token ids of the prompts that are explained.

        Raises:
          ValueError: if the fill needs more prompts than there are.
        """
        return prompts

    def sources(
        self, sequences: Sequence[Tokens], ends: Sequence[int], references: Sequence[Tokens]
    ) -> list[list[int]] | None:
        """Which reference token the substitute of each token comes from; by default None, the same for all tokens.

        Args:
          sequences: the prompts, each followed by the answer's tokens if these are teacher-forced.
          ends: the length of each prompt without its answer.
          references: the reference prompts.

        Returns:
          For each token of each sequence `row * width + column` of a reference token, where `width` is the length of
          the longest reference; or None.
        """
        return None

    @abc.abstractmethod
    def substitute(
        self, outputs: Float[Array, "f t *o"], real: Bool[Array, "f t"], at: Int[Array, "r u"] | None
    ) -> Float[Array, "_ _ *o"]:
        """The substitute for the outputs of one layer; pure JAX, as it is traced.

        Args:
          outputs: of all heads (`*o` is heads, head size) or the MLP (`*o` is hidden size) at each reference token.
          real: which tokens are not padding.
          at: where each token of the prompts takes its substitute from, as indices into the f * t reference tokens;
            None if `sources` gives None.

        Returns:
          `[r, u, *o]`, or `[1, 1, *o]` if it is the same for all tokens.
        """


class Zero(Fill):
    """Nothing in its place."""

    uses_references = False

    def substitute(self, outputs, real, at):
        return jnp.zeros_like(outputs[:1, :1])


class Mean(Fill):
    """The component's mean output over all tokens of the references."""

    def substitute(self, outputs, real, at):
        return jnp.einsum("ft,ft...->...", real / real.sum(), outputs)[None, None]


class Resample(Fill):
    """The component's output in another prompt: prompt i takes it from reference `i mod f`."""

    def references(self, prompts: Sequence[Tokens]) -> Sequence[Tokens]:
        if len(prompts) < 2:
            raise ValueError("Fill 'resample' takes outputs from another prompt: give two prompts or references.")
        return (*prompts[1:], *prompts[:1])

    def sources(
        self, sequences: Sequence[Tokens], ends: Sequence[int], references: Sequence[Tokens]
    ) -> list[list[int]]:
        """Aligns each sequence with its reference.

        The beginning they have in common is aligned token by token. The rest of the prompt is aligned with the rest of
        the reference from the end: last token with last token, and so on. Where the reference's rest is shorter, its
        first token is used again (or, if there is no rest, the reference's last token). The answer's tokens are aligned
        with the reference's last token. Where references begin alike, their common tokens count as one source.
        """
        width = max(map(len, references))
        nodes: dict[tuple[int, int], int] = {}
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

    def substitute(self, outputs, real, at):
        return outputs.reshape(-1, *outputs.shape[2:])[at]


FILLS: Registry[Fill] = Registry("fill", Fill, zero=Zero(), mean=Mean(), resample=Resample())


def checked_references(found: Any, vocab_size: int) -> tuple[Tokens, ...]:
    """Returns what `Fill.references` gave, if it is one or more prompts.

    Args:
      found: what the fill returned.
      vocab_size: of the model.

    Raises:
      ValueError: if it is not.
    """
    try:
        references = tuple(tuple(map(operator.index, tokens)) for tokens in found)
    except TypeError:
        references = ()
    if not references or not all(tokens and 0 <= min(tokens) <= max(tokens) < vocab_size for tokens in references):
        raise ValueError(
            "references of the fill must return one or more prompts, each a tuple of one or more token ids, from 0 to "
            f"{vocab_size - 1}."
        )
    return references


def checked_sources(
    found: Any, sequences: Sequence[Tokens], references: Sequence[Tokens]
) -> Sequence[Sequence[int]] | None:
    """Returns what `Fill.sources` gave, if it is None or names a reference token for each token.

    Args:
      found: what the fill returned.
      sequences: the prompts with their answers.
      references: the reference prompts.

    Raises:
      ValueError: if it is not.
    """
    if found is None:
        return None
    width = max(map(len, references))
    there = {row * width + i for row, tokens in enumerate(references) for i in range(len(tokens))}
    try:
        sources = [list(map(operator.index, row)) for row in found]
    except TypeError:
        sources = []
    if [*map(len, sources)] != [*map(len, sequences)] or not all(there.issuperset(row) for row in sources):
        raise ValueError(
            "sources of the fill must return, for each token of each sequence, row * width + column of a reference "
            "token, or None for all."
        )
    return sources


def register_fill(name: str, fill: Fill) -> Fill:
    """Makes a fill available as `components(..., fill=name)`.

    The name is part of the fingerprint, so values in a `Store` are found again under it: change the name whenever you
    change the code.

    Args:
      name: what the fill is called; a fill of the same name is replaced.
      fill: an instance of a subclass of `Fill`.

    Returns:
      The fill.

    Raises:
      ValueError: if the name is not a string, or the fill not an instance of `Fill`.
    """
    return FILLS.register(name, fill)


def fill_names() -> tuple[str, ...]:
    """The names that `components(..., fill=name)` knows, those that users registered included."""
    return FILLS.names()

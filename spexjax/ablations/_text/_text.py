"""The feature-attribution lens on text: parts of the input are removed and a language model answers again."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from spexjax.ablation import Ablation, Plan
from spexjax.ablations._prompts._frame import STABLE_DATE, Frame, frame
from spexjax.ablations._prompts._packing import batches, shared_prefix
from spexjax.ablations._prompts._reading import VALUES, Parameters, prefix_program, program
from spexjax.ablations._prompts._strings import (
    answer_tokens,
    check_beginnings,
    check_length,
    check_room,
    check_text,
    warn_of_spelling,
)
from spexjax.ablations._text._removal import REMOVALS, FromText, FromTokens, owners
from spexjax.ablations._text._units import split
from spexjax.models import Gates, LanguageModel, Prefix, greedy_answer, nodes_that_fit, tensor_parallel
from spexjax.typing import Masks


@dataclasses.dataclass(frozen=True, eq=False)
class TextAblation(Ablation):
    """f(mask) = what the model says when only the kept units of a text are there; made by `text`.

    The `frame` around the text is never ablated. Every mask becomes a token sequence; what all
    sequences begin with is run once, the rest is packed (see `packing`).
    """

    model: LanguageModel
    text: str
    frame: Frame
    answers: tuple[str, ...]
    value: str
    targets: tuple[int, ...]  # tokens: the first of each of two answers, or all of the one answer
    feature_names: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # where each feature stands in the text
    removal: FromText | FromTokens

    @property
    def fingerprint(self) -> str:
        """Identifies the value function across processes: model, template, text, units, removal and value."""
        parts = [self.model.fingerprint, dataclasses.astuple(self.frame), self.text, self.value, self.targets]
        parts += [self.spans, repr(self.removal)]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def describe(self) -> dict:
        """What is explained, as plain JSON values; the pieces, `[string, feature or -1]`, make up the text."""
        pieces, at = [], 0
        for feature, (start, end) in enumerate(self.spans):
            pieces += [[self.text[at:start], -1]] * (at < start) + [[self.text[start:end], feature]]
            at = end
        return {
            "model": self.model.name,
            "before": self.frame.opening + self.frame.before,
            "after": self.frame.after + self.frame.closing,
            "pieces": pieces + [[self.text[at:], -1]] * (at < len(self.text)),
            "answers": list(self.answers),
            "value": self.value,
            "removal": self.removal.removal,
        }

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """Tokenises, merges equal sequences, runs the shared prefix and packs the rest into fixed-shape batches."""
        forced = () if self.value == "logit-difference" else self.targets[:-1]
        sequences = list(zip(*self.removal.sequences(np.asarray(masks), forced), strict=True))
        index = {sequence: i for i, sequence in enumerate(dict.fromkeys(sequences))}
        tokens, positions = ([s[part] for s in index] for part in (0, 1))
        check_length(self.model, max(map(len, tokens), default=0))
        shared = shared_prefix(tokens, positions, reads=len(forced) + 1)
        parameters = Parameters(
            self.model.parameters,
            self.prefix(tokens[0][:shared] if tokens else ()),
            Gates.open(self.model.config),
            jnp.asarray(self.targets, jnp.int32),
        )
        tails = [t[shared:] for t in tokens], [p[shared:] for p in positions]
        keys = parameters.prefix.keys.shape[1] + max(map(len, tails[0]), default=0)
        most = nodes_that_fit(self.model.config, self.model.dtype, keys) // shrink
        return Plan(
            owner=np.array([index[s] for s in sequences], np.int64),
            num_evaluations=len(index),
            apply=program(self.model.graph, self.value),
            parameters=parameters,
            batches=batches(*tails, reads=len(forced) + 1, devices=devices, most=most),
            partition=tensor_parallel,
        )

    def prefix(self, tokens: Sequence[int]) -> Prefix:
        """Keys and values of what all sequences begin with."""
        padded = np.zeros(max(16, -(-len(tokens) // 16) * 16), np.int32)
        padded[: len(tokens)] = tokens
        return prefix_program(self.model.graph)(self.model.parameters, padded, len(tokens))


def text(
    model: LanguageModel,
    text: str,
    *,
    question: str | None = None,
    answers: str | Sequence[str] | None = None,
    features: str | Sequence[tuple[int, int]] = "word",
    removal: str = "delete",
    replacement: str = "_",
    value: str | None = None,
    answer_prefix: str = "",
    system: str | None = None,
    template: str | None = "chat",
    chat_template_kwargs: Mapping[str, Any] | None = None,
    date: str = STABLE_DATE,
) -> TextAblation:
    """The value function of a text: n units are removed or kept, and the model answers a question about the rest.

    Args:
      model: from `load_model`.
      text: what is explained.
      question: goes into the user turn with the text, before it or around `{text}`; never ablated.
      answers: two answers (their logit difference at the first token), or one (its log-probability over all its
        tokens). Without any, the model's own greedy answer to the whole text is the one.
      features: "word", "sentence", "line", "token", or character spans `(start, end)`.
      removal: "delete" takes a unit out with the white space after it; "replace" puts `replacement` in its place;
        "hide" leaves all tokens at their positions but lets nothing attend to the removed ones.
      replacement: what stands for a removed unit.
      value: "logit-difference", "log-probability" or "log-odds" (`log p - log(1 - p)` of one answer).
      answer_prefix: what the assistant's turn begins with.
      system: a system turn; none, not even the template's own, unless given.
      template: "chat" for the model's chat template, if it has one; None for raw text: question, text and answer
        prefix on lines of their own.
      chat_template_kwargs: variables for the chat template, such as `{"enable_thinking": False}`.
      date: "YYYY-MM-DD", what a chat template that asks for the day is told: not today's, so that the same text has
        the same values tomorrow.

    Warns:
      UserWarning: if an answer is far likelier with a leading space that it lacks, or without the one it has.

    Raises:
      ValueError: if the text has fewer than two units or does not fit the model's context, if the answers do not fit
        the value or begin with the same token, if an option is unknown, or if the chat template fails.
    """
    given = {"question": question, "answer prefix": answer_prefix, "system turn": system, "replacement": replacement}
    strings = {"text": text, **{what: string for what, string in given.items() if string is not None}}
    for what, string in strings.items():
        check_text(what, string)
    if not text.strip():
        raise ValueError("The text is empty; there is nothing to explain.")
    for what, string in strings.items():
        check_room(model, string, what)
    if removal not in REMOVALS:
        raise ValueError(f"Removal must be one of {', '.join(REMOVALS)}, not {removal!r}.")
    around = frame(
        model.tokenizer,
        text,
        question,
        answer_prefix=answer_prefix,
        system=system,
        template=template,
        chat_template_kwargs=chat_template_kwargs,
        date=date,
    )
    prompt, (shift, first, last) = around.prompt(text), around.place(text)
    ids, places = model.encode_with_places(prompt)
    if isinstance(features, str) and features == "token":
        spans, owner = _token_spans([(a - shift, b - shift) for a, b in places], first, last)
        names = [text[a:b].strip() or repr(text[a:b])[1:-1] for a, b in spans]
    else:
        units = split(text, features)
        pieces = [(a, b, b if units.gaps_stay else stop) for a, b, stop in units.spans()]
        spans, names = [(a, b) for a, b, _ in pieces], units.cores
        there = [tuple(shift + min(max(at, first), last) for at in piece) for piece in pieces]
        owner = None if removal != "hide" else owners(places, there)
    if len(names) < 2:
        raise ValueError(
            f"The text has {len(names)} unit(s); at least two are needed; give a longer text or finer features."
        )
    check_length(model, len(ids))
    own = None if answers or isinstance(answers, str) else greedy_answer(model, ids)
    answers = (own.text,) if own else (answers,) if isinstance(answers, str) else tuple(answers)
    if value is None and len(answers) > 2:
        raise ValueError(
            f"Give one answer, whose log-probability is explained, or two, whose logits are; not {len(answers)}."
        )
    value = value or ("logit-difference" if len(answers) == 2 else "log-probability")
    targets = own.tokens if own and value in VALUES[1:] else _targets(model, prompt, ids, answers, value)
    check_length(model, len(ids) + len(targets))
    if owner is None:
        remove = FromText(around, units, replacement if removal == "replace" else None, model.encode)
    else:
        remove = FromTokens(tuple(ids), owner, removal, tuple(model.encode([replacement])[0]))
    (bare,), _ = remove.sequences(np.zeros((1, len(names)), bool), targets[:-1])
    if len(bare) < len(targets):
        raise ValueError("Nothing is left of the prompt with every unit removed; give a question or an answer prefix.")
    check_length(model, len(bare))
    if own is None:
        warn_of_spelling(model, prompt, ids, answers)
    return TextAblation(model, text, around, answers, value, targets, tuple(names), tuple(spans), remove)


def _token_spans(
    places: Sequence[tuple[int, int]], first: int, last: int
) -> tuple[list[tuple[int, int]], tuple[int, ...]]:
    """The spans of tokens in a text's `first:last`, those that share a character as one, and each token's, or -1."""
    spans, owner = [], []
    for a, b in places:
        inside = a < last and b > first
        if inside and spans and a < spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], min(b, last)))
        elif inside:
            spans.append((max(a, first), min(b, last)))
        owner.append(len(spans) - 1 if inside else -1)
    return spans, tuple(owner)


def _targets(model: LanguageModel, prompt: str, ids: list[int], answers: tuple, value: str) -> tuple[int, ...]:
    if value not in VALUES:
        raise ValueError(f"The value must be one of {', '.join(VALUES)}, not {value!r}.")
    wanted = 2 if value == "logit-difference" else 1
    if len(answers) != wanted:
        raise ValueError(f"A {value} needs {wanted} answer(s); got {len(answers)}.")
    tokens = [answer_tokens(model, prompt, ids, answer) for answer in answers]
    if wanted == 1:
        return tokens[0]
    check_beginnings(answers, tokens)
    return tokens[0][0], tokens[1][0]

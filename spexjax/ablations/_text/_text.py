"""The lens on text: parts of the input are removed, and a language model answers again."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._identity import fingerprint_of
from spexjax.ablation import Ablation, Plan
from spexjax.ablations._prompts._answers import read_answers
from spexjax.ablations._prompts._frame import STABLE_DATE, Frame, frame
from spexjax.ablations._prompts._own_value import Value, check_scalar, own_value
from spexjax.ablations._prompts._packing import batches, power_of_two, shared_prefix
from spexjax.ablations._prompts._reading import RAW, VALUES, ReadingParameters, prefix_program, reading_program
from spexjax.ablations._prompts._strings import check_length, check_room
from spexjax.ablations._text._inputs import FromText, FromTokens, cut, unit_of_each_token
from spexjax.ablations._text._pieces import marked
from spexjax.ablations._text._precheck import precheck_text
from spexjax.ablations._text._removal import REMOVALS, check_replacement
from spexjax.models import (
    Gates,
    LanguageModel,
    Prefix,
    attention_mass,
    check_model,
    greedy_answer,
    nodes_that_fit,
    tensor_parallel,
)
from spexjax.typing import Array, Masks


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class TextAblation(Ablation):
    """f(mask) = the model's answer, as a number, to a text with only the kept units; made by `text`.

    The `frame` around the text is never ablated. Every mask becomes a token sequence. What all sequences begin with is
    run once; the rest is packed (see `pack`).
    """

    model: LanguageModel
    text: str
    frame: Frame
    answers: tuple[str, ...]
    value: str
    targets: tuple  # tokens: the first of each of two answers, all of the one, or all of each (a tuple of tuples)
    feature_names: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # where each feature stands in the text
    removal: str
    inputs: FromText | FromTokens  # what the model is given for each mask
    doubts: tuple[str, ...]  # what was warned of when it was made
    own: Value | None = None  # the function of the user's that `value` is the name of
    has_covalues = True  # a sketch of the hidden states that are read; not a field

    @property
    def fingerprint(self) -> str:
        """Identifies the value function across processes: model, template, text, units, removal and value."""
        parts = [self.model.fingerprint, dataclasses.astuple(self.frame), self.text, self.value, self.targets]
        parts += [self.spans, self.inputs.identity]
        if self.own is not None:
            return fingerprint_of(parts, self.own.identity)
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    @property
    def is_set(self) -> bool:
        """Whether there are several answers, each of which has a value: its log-odds within the set."""
        return self.value == "log-odds" and len(self.answers) > 1

    @property
    def num_values(self) -> int | None:
        """The number of answers in a set, or of the answer's tokens if each has a value; else None."""
        return len(self.targets) if self.is_set or self.value == "token-log-probability" else None

    @property
    def value_names(self) -> list[str] | None:
        """The answers of a set; or the answer's tokens, if each has a value: together they are the answer."""
        if self.num_values is None:
            return None
        return list(self.answers) if self.is_set else self.model.pieces(self.targets)

    @property
    def value_names_make_a_text(self) -> bool:
        """True for the tokens of an answer."""
        return self.value == "token-log-probability"

    def describe_part(self, part: Sequence[int]) -> dict:
        """An answer of the set. Or a part of the answer, whole tokens with "…" in gaps, given what stands before it."""
        if self.is_set:
            value = {"value": f"sum of the log-odds of {len(part)} answers"} if len(part) > 1 else {}
            return value | {"answers": [self.answers[i] for i in part], "all_answers": list(self.answers)}
        pieces = self.model.pieces(self.targets)
        gaps = ["" if i - before == 1 else " …" for before, i in pairwise([part[0] - 1, *part])]
        said = "".join(gap + pieces[i] for gap, i in zip(gaps, part, strict=True)).strip()
        return {"value": "log-probability", "answers": [said], "whole_answer": self.answers[0]}

    @property
    def structure(self) -> str:
        """ "sequence" if removed units are deleted, so that others meet."""
        return "sequence" if self.inputs.deletes else "auto"

    def relevances(self) -> Float[np.ndarray, " n"]:
        """The attention that each unit gets from where the answer is read, with nothing removed; see `attention_mass`.

        It predicts effects of removals (AT2, arXiv 2504.13752), and takes one pass.
        """
        longest = max(self.forced, key=len)
        (ids,), _ = self.inputs.sequences(np.ones((1, self.num_features), bool), longest)
        mass = attention_mass(self.model, ids, 1 + len(longest))
        unit = np.asarray(unit_of_each_token(self.model, self.text, self.inputs))
        return np.bincount(unit + 1, mass[: len(unit)], 1 + self.num_features)[1:]

    def describe(self) -> dict:
        """What is explained, as plain JSON values; the pieces, `[string, feature or -1]`, make up the text."""
        return {
            "model": self.model.name,
            "question": f"{self.frame.before}{{text}}{self.frame.after}",
            "before": self.frame.opening + self.frame.before,
            "after": self.frame.after + self.frame.closing,
            "pieces": marked(self.text, self.spans),
            "answers": list(self.answers),
            "value": self.value,
            **({} if self.own is None else {"own_value": self.own.called}),
            "removal": self.removal,
            **({"warnings": list(self.doubts)} if self.doubts else {}),
        }

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """Tokenises, merges equal sequences, runs the shared prefix and packs the rest into fixed-shape batches."""
        return self.plan_together([self], [masks], devices=devices, shrink=shrink)

    @property
    def batch_group(self) -> tuple:
        """Texts share batches if the model, the value and the number of answers' tokens are the same."""
        apart = self.fingerprint if self.own is not None and self.own.takes_unablated else None
        return self.model, self.own or self.value, _filled(self.targets).shape, apart

    @classmethod
    def plan_together(
        cls,
        ablations: Sequence[Any],
        masks: Sequence[Bool[Array, "_ _"]],
        *,
        devices: int = 1,
        shrink: int = 1,
    ) -> Plan:
        """The plan of one text or several: their sequences are packed into the same rows."""
        first = ablations[0]
        model, value, group = first.model, first.own or first.value, len(first.forced)
        reads = 1 + max(map(len, ablations[0].forced))
        keys = [
            (sequences, ablation.targets)
            for ablation, some in zip(ablations, masks, strict=True)
            for sequences in ablation.sequences(some)
        ]
        index = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        sequences = [one for sequences, _ in index for one in sequences]
        tokens, positions = [one[0] for one in sequences], [one[1] for one in sequences]
        check_length(model, max(map(len, tokens), default=0))
        shared = shared_prefix(tokens, positions, reads)
        prefix = _prefix(model, tokens[0][:shared] if tokens else ())
        tails = [t[shared:] for t in tokens], [p[shared:] for p in positions]
        width = prefix.keys.shape[1] + max(map(len, tails[0]), default=0)
        most = nodes_that_fit(model.config, model.dtype, width) // shrink
        targets = [_filled(targets) for _, targets in index]
        wanted = np.array(targets, np.int32).reshape(len(index), *_filled(ablations[0].targets).shape)
        return Plan(
            owner=np.array([index[key] for key in keys], np.int64),
            num_evaluations=len(index),
            apply=reading_program(model.graph, value),
            parameters=ReadingParameters(model.parameters, prefix, Gates.open(model.config), first._unablated),
            batches=batches(*tails, wanted, reads, devices=devices, most=most, group=group),
            partition=tensor_parallel,
        )

    @functools.cached_property
    def _unablated(self) -> Float[Array, "k v"] | None:
        """The log-probabilities with everything kept, at the answer's tokens, if the value takes them."""
        if self.own is None or not self.own.takes_unablated:
            return None
        plan = dataclasses.replace(self, own=None, value=RAW).plan(np.ones((1, self.num_features), bool))
        (batch,) = plan.batches
        found, _ = jax.jit(plan.apply)(plan.parameters, batch.inputs)
        return found[int(np.argmax(batch.slots == 0))]

    @property
    def forced(self) -> tuple[tuple[int, ...], ...]:
        """What the model is given after the prompt, one after the other: all but the last token of each answer."""
        if self.is_set:
            return tuple(answer[:-1] for answer in self.targets)
        return ((),) if self.value == "logit-difference" else (self.targets[:-1],)

    def sequences(self, masks: Masks) -> list[tuple]:
        """For each mask the tokens that the model is given, with their positions; once for each of the `forced`."""
        longest = max(self.forced, key=len)
        tokens, positions = self.inputs.sequences(np.asarray(masks), longest)
        spare = [len(longest) - len(answer) for answer in self.forced]
        return [
            tuple(
                ((*ids[: len(ids) - len(longest)], *answer), tuple(at[: len(at) - less]))
                for answer, less in zip(self.forced, spare, strict=True)
            )
            for ids, at in zip(tokens, positions, strict=True)
        ]


def text(
    model: LanguageModel,
    text: str,
    *,
    question: str | None = None,
    answers: str | Sequence[str] | None = None,
    features: str | Sequence[tuple[int, int]] = "word",
    removal: str = "delete",
    replacement: str | None = None,
    value: str | Value | Callable[..., Any] | None = None,
    answer_prefix: str = "",
    system: str | None = None,
    template: str | None = "chat",
    chat_template_kwargs: Mapping[str, Any] | None = None,
    date: str = STABLE_DATE,
    check_spelling: bool = True,
) -> TextAblation:
    """The value function of a text: n units are removed or kept, and the model answers a question about the rest.

    Args:
      model: from `load_model`.
      text: what is explained.
      question: goes into the user turn with the text, before it or around `{text}`; never ablated.
      answers: two answers (their logit difference at the first token), or one (its log-probability over all its
        tokens). With three or more, each has its log-odds within the set, for `sx.explain_each`. Without any, the
        model's own greedy answer to the whole text is the one.
      features: "word", "sentence", "clause", "line", "paragraph", "turn", "document", "demonstration", "tool-call",
        "noun-phrase" (of spaCy), "token", or character spans `(start, end)`. Words of scripts without spaces and
        sentences are cut by the segmenters of the extra `units`, where they are installed.
      removal: "delete" takes a unit out with the white space after it; "replace" puts `replacement` in its place;
        "hide" leaves all tokens at their positions but lets nothing attend to the removed ones; or the name of a
        removal that you registered with `register_removal`.
      replacement: what "replace" puts in the place of a removed unit; "_" by default. Removals that put nothing there
        refuse it.
      value: "logit-difference", "log-probability" or "log-odds": `log p - log(1 - p)` of one answer; or of each of
        several, p being its share of the probability of all of them, over all their tokens (so of two answers, one of
        which goes on from the other, the longer one is never the likelier). Or
        "token-log-probability", which gives a value for every token of the one answer, for `sx.explain_each`. Or a JAX
        function `fn(log_probs[k, v], targets[k])` of all log-probabilities at the one answer's k tokens; see `Value`.
      answer_prefix: what the assistant's turn begins with.
      system: a system turn. Without it there is none, not even the template's default one.
      template: "chat" for the model's chat template, if it has one; None for raw text: question, text and answer
        prefix on lines of their own.
      chat_template_kwargs: variables for the chat template, such as `{"enable_thinking": False}`.
      date: "YYYY-MM-DD", for chat templates that ask for today's date. It is fixed, so that a text has the same values
        tomorrow.
      check_spelling: whether the model is asked, by one forward pass, how it would spell the answers.

    Warns:
      UserWarning: if an answer is far likelier with a leading space that it lacks, or without the one it has.

    Raises:
      ValueError: if the text has fewer than two units or does not fit the model's context, if the answers do not fit
        the value or begin with the same token, if an option is unknown, or if the chat template fails.
    """
    framing: dict[str, Any] = {"question": question, "answer_prefix": answer_prefix, "system": system}
    framing |= {"template": template, "chat_template_kwargs": chat_template_kwargs}
    cutting: dict[str, Any] = {"features": features, "removal": removal, "replacement": replacement}
    precheck_text(text, answers=answers, value=value, **framing, **cutting)
    check_model(model)
    own, stand_in = own_value(value, (*VALUES, RAW), answers), check_replacement(removal, replacement)
    read_as = value if isinstance(value, str | None) else "log-probability"  # which reads the same tokens
    given = {"text": text, "question": question, "answer prefix": answer_prefix, "system turn": system}
    for what, string in {**given, "replacement": stand_in}.items():
        check_room(model, string or "", what)
    around = frame(model.tokenizer, text, date=date, **framing)
    names, spans, inputs = cut(model, text, around, features, REMOVALS.get(removal), stand_in)
    prompt = around.prompt(text)
    (ids,) = model.encode([prompt])
    check_length(model, len(ids))
    if answers or isinstance(answers, str):
        found = read_answers(model, [prompt], [ids], answers, read_as, VALUES, spelling=check_spelling, depth=4)
    else:
        said = greedy_answer(model, ids)
        found = read_answers(model, [prompt], [ids], said.text, read_as, VALUES, tokens=said.tokens, depth=4)
    (strings,), (tokens,) = found.strings, found.tokens
    targets = tokens if found.value == "log-odds" else tuple(each[0] for each in tokens)
    cuts = names, spans, removal, inputs
    whole = tokens[0] if len(tokens) == 1 else targets
    if own is not None:
        check_scalar(own, [len(whole)], model.config.vocab_size)
    called = found.value if own is None else own.called
    ablation = TextAblation(model, text, around, strings, called, whole, *cuts, found.doubts, own)
    lengths = [len(ids) for ids, _ in ablation.sequences(np.zeros((1, len(names)), bool))[0]]
    if lengths[0] <= len(ablation.forced[0]):
        raise ValueError("Nothing is left of the prompt with every unit removed; give a question or an answer prefix.")
    check_length(model, max(lengths))
    return ablation


def _filled(targets: tuple) -> Int[np.ndarray, "*a"]:
    """Answers' tokens as an array; where there are several for each, `[t, k]`, filled up with -1 in front."""
    if not targets or not isinstance(targets[0], tuple):
        return np.array(targets, np.int32)
    longest = max(map(len, targets))
    return np.array([[-1] * (longest - len(answer)) + list(answer) for answer in targets], np.int32)


def _prefix(model: LanguageModel, tokens: Sequence[int]) -> Prefix:
    """Keys and values of what all sequences begin with."""
    padded = np.zeros(power_of_two(len(tokens), 16), np.int32)
    padded[: len(tokens)] = tokens
    return prefix_program(model.graph)(model.parameters, padded, len(tokens))

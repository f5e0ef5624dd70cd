"""The feature-attribution lens on text: parts of the input are removed and a language model answers again."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from spexjax.ablations.packing import Rows, common_prefix, pack
from spexjax.ablations.prompt import around
from spexjax.ablations.reading import VALUES, Inputs, Parameters, prefix_program, program
from spexjax.ablations.units import Units, split
from spexjax.models import Gates, LanguageModel
from spexjax.typing import Batch, Masks, Plan

REMOVALS = ("delete", "replace", "hide")
_ROW = 256  # nodes a row: long enough to share and to leave little over, short enough for cheap attention


@dataclasses.dataclass(frozen=True, eq=False)
class TextAblation:
    """f(mask) = what the model says when only the kept units of a text are there; made by `text`.

    The template before and after the text is never ablated. Every mask becomes a token sequence; what all sequences
    begin with is run once, the rest is packed (see `packing`).
    """

    model: LanguageModel
    text: str
    before: str
    after: str
    answers: tuple[str, ...]
    value: str
    removal: str
    replacement: str
    feature_names: tuple[str, ...]
    units: Units | None  # None where tokens are removed as tokens, by `owners`
    ids: tuple[int, ...]  # the whole prompt
    owners: tuple[int, ...]  # which feature each token of the whole prompt belongs to; -1 is the template
    targets: tuple[int, ...]

    @property
    def num_features(self) -> int:
        """n, the number of units."""
        return len(self.feature_names)

    @property
    def fingerprint(self) -> str:
        """Identifies the value function across processes: model, template, text, units, removal and value."""
        parts = [self.model.fingerprint, self.before, self.after, self.text, self.value, self.removal]
        parts += [self.replacement, self.targets, self.units, self.ids, self.owners]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def prompt(self, mask: Sequence[bool]) -> str:
        """The prompt a mask leads to, as text."""
        if self.units is None:
            return self.model.tokenizer.decode(self._token_sequences(np.asarray(mask, bool)[None])[0][0])
        replacement = self.replacement if self.removal == "replace" else None
        return self.before + self.units.ablate(mask, replacement) + self.after

    def plan(self, masks: Masks) -> Plan:
        """Tokenises, merges equal sequences, runs the shared prefix and packs the rest into fixed-shape batches."""
        tokens, positions = self._sequences(np.asarray(masks))
        forced = self.targets[:-1] if self.value != "logit-difference" else ()
        reads = len(forced) + 1
        tokens = [[*t, *forced] for t in tokens]
        positions = [[*p, *range(len(self.ids), len(self.ids) + len(forced))] if self.removal == "hide" else range(len(t))
                     for t, p in zip(tokens, positions, strict=True)]  # fmt: skip
        distinct: dict[tuple, int] = {}
        owner = np.array(
            [distinct.setdefault((tuple(t), tuple(p)), len(distinct)) for t, p in zip(tokens, positions, strict=True)]
        )
        tokens, positions = [t for t, _ in distinct], [p for _, p in distinct]
        shared = _shared(tokens, positions, reads)
        parameters = Parameters(
            weights=self.model.parameters,
            prefix=self._prefix(tokens[0][:shared] if tokens else ()),
            gates=Gates.open(self.model.config),
            targets=jnp.asarray(self.targets, jnp.int32),
        )
        tails = [t[shared:] for t in tokens]
        total, longest = sum(map(len, tails)), max(map(len, tails), default=1)
        row_length = max(_round_up(longest, 64), min(_ROW, _round_up(total, 64)))
        rows = pack(tails, [p[shared:] for p in positions], row_length, reads)
        apply = program(self.model.graph, self.value)
        return Plan(owner, len(tokens), apply, parameters, _batches(rows, row_length))

    def _sequences(self, masks: np.ndarray) -> tuple[list, list]:
        if self.units is None:
            return self._token_sequences(masks)
        ids = self.model.encode([self.prompt(mask) for mask in masks.tolist()])
        return ids, [range(len(i)) for i in ids]

    def _token_sequences(self, masks: np.ndarray) -> tuple[list, list]:
        """Removal among the tokens of the whole prompt. A hidden token is one that nothing attends to, so that it need
        not be run at all; the others keep their positions."""
        owners, ids = np.asarray(self.owners), np.asarray(self.ids)
        kept = np.where(owners < 0, True, masks[:, owners])
        if self.removal == "replace":
            stand_in = self.model.encode([self.replacement])[0]
            ids_of = [[[i] if k else stand_in for i, k in zip(self.ids, row, strict=True)] for row in kept]
            tokens = [[i for piece in row for i in piece] for row in ids_of]
            return tokens, [range(len(t)) for t in tokens]
        where = [np.flatnonzero(row) for row in kept]
        return [ids[w].tolist() for w in where], [w.tolist() for w in where]

    def _prefix(self, tokens: Sequence[int]):
        padded = np.zeros(_round_up(len(tokens), 32), np.int32)
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
) -> TextAblation:
    r"""The value function of a text: n units are removed or kept, and the model answers a question about the rest.

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

    Raises:
      ValueError: if the text has fewer than two units or does not fit the model's context, if the answers do not fit
        the value or begin with the same token, or if an option is unknown.
    """
    if not text.strip():
        raise ValueError("The text is empty; there is nothing to explain.")
    if removal not in REMOVALS:
        raise ValueError(f"Removal must be one of {', '.join(REMOVALS)}, not {removal!r}.")
    before, after = around(model.tokenizer, question, answer_prefix, system)
    by_token = isinstance(features, str) and features == "token"
    units = None if by_token else split(text, features)
    ids, spans = _tokenise(model, before + text + after)
    owners = _owners(spans, units, len(before), len(before) + len(text))
    names = _token_names(ids, owners, spans, before + text, model) if by_token else units.cores
    if len(names) < 2:
        raise ValueError(
            f"The text has {len(names)} {features if isinstance(features, str) else 'span'} unit(s); interactions need "
            "at least two. Give a longer text or finer features."
        )
    answers = (answers,) if isinstance(answers, str) else tuple(answers or ())
    _check_length(model, len(ids))
    if not answers:
        from spexjax.models.generate import greedy_answer

        answers = (greedy_answer(model, ids),)
    value = value or ("logit-difference" if len(answers) == 2 else "log-probability")
    targets = _targets(model, before + text + after, ids, answers, value)
    _check_length(model, len(ids) + len(targets))
    return TextAblation(
        model, text, before, after, answers, value, removal, replacement, tuple(names),
        None if by_token or removal == "hide" else units, tuple(ids), tuple(owners), targets,
    )  # fmt: skip


def _targets(model: LanguageModel, prompt: str, ids: list[int], answers: tuple, value: str) -> tuple[int, ...]:
    if value not in VALUES:
        raise ValueError(f"The value must be one of {', '.join(VALUES)}, not {value!r}.")
    wanted = 2 if value == "logit-difference" else 1
    if len(answers) != wanted:
        raise ValueError(f"A {value} needs {wanted} answer(s); got {len(answers)}.")
    tokens = []
    for answer in answers:
        # In context if the answer does not change the prompt's own tokens, else on its own.
        whole = model.encode([prompt + answer])[0]
        tokens.append(whole[len(ids) :] if whole[: len(ids)] == ids else model.encode([answer])[0])
        if not tokens[-1]:
            raise ValueError(f"The answer {answer!r} has no tokens; give at least one character.")
    if wanted == 1:
        return tuple(tokens[0])
    if tokens[0][0] == tokens[1][0]:
        raise ValueError(
            f"The answers {answers[0]!r} and {answers[1]!r} begin with the same token, so their logits cannot differ; "
            "choose answers with different beginnings (a leading space counts)."
        )
    return tokens[0][0], tokens[1][0]


def _check_length(model: LanguageModel, length: int) -> None:
    if length > model.config.max_length:
        raise ValueError(
            f"The prompt has {length} tokens, more than the {model.config.max_length} of {model.name}'s context; "
            "shorten the text."
        )


def _tokenise(model: LanguageModel, prompt: str) -> tuple[list[int], list[tuple[int, int]]]:
    encoded = model.tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=True)
    return encoded["input_ids"], encoded["offset_mapping"]


def _owners(spans: list, units: Units | None, start: int, stop: int) -> list[int]:
    """The feature of each token: the unit it overlaps most, a gap's unit if it overlaps none, -1 for the template."""
    if units is None:
        inside = [a < stop and b > start for a, b in spans]
        return [int(k) if i else -1 for i, k in zip(inside, np.cumsum(inside) - 1, strict=True)]
    pieces = [(start + a, start + b, start + (b if units.gaps_stay else end)) for a, b, end in units.spans()]

    def owner(a: int, b: int) -> int:
        overlap = [(min(b, core) - max(a, first), min(b, gap) - max(a, core)) for first, core, gap in pieces]
        best = max(range(len(pieces)), key=lambda i: (max(overlap[i][0], 0), overlap[i][1]), default=-1)
        return best if pieces and max(overlap[best]) > 0 else -1

    return [owner(a, b) for a, b in spans]


def _token_names(ids: list, owners: list, spans: list, whole: str, model: LanguageModel) -> list[str]:
    return [
        whole[a:b].strip() or model.tokenizer.decode([i])
        for i, k, (a, b) in zip(ids, owners, spans, strict=True)
        if k >= 0
    ]


def _shared(tokens: list, positions: list, reads: int) -> int:
    """How many leading tokens all sequences have in common, leaving each at least its reads."""
    limit = min(map(len, tokens), default=reads) - reads
    for i in range(limit):
        if len({(t[i], p[i]) for t, p in zip(tokens, positions, strict=True)}) > 1:
            return i
    return max(limit, 0)


def _batches(rows: Rows, row_length: int) -> Iterator[Batch]:
    """Groups rows into batches of one shape, the last filled up with unused rows."""
    count = len(rows.tokens)
    if count == 0:
        return
    per_batch = {"cpu": 2048}.get(jax.default_backend(), 65536)  # tokens: enough to fill the device
    size = max(1, min(per_batch // row_length, 1 << (count - 1).bit_length()))
    groups = [np.flatnonzero(rows.row_of // size == g) for g in range(-(-count // size))]
    slots = 1 << max(3, (max(map(len, groups)) - 1).bit_length())
    for g, members in enumerate(groups):
        part = slice(g * size, (g + 1) * size)
        fill = ((0, size - len(rows.tokens[part])), (0, 0))
        ends = np.tile(np.arange(1, row_length + 1, dtype=np.int32), (size, 1))
        ends[: len(rows.ends[part])] = rows.ends[part]
        reads = np.zeros((slots, rows.last_nodes.shape[1]), np.int32)
        local = (rows.row_of[members] - g * size)[:, None] * row_length
        reads[: len(members)] = local + rows.last_nodes[members]
        inputs = Inputs(np.pad(rows.tokens[part], fill), np.pad(rows.positions[part], fill), ends, reads)
        owners = np.full(slots, -1, np.int64)
        owners[: len(members)] = members
        yield Batch(owners, inputs, int(rows.used[part].sum()), size * row_length)


def _round_up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple

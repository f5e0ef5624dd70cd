"""A set of prompts with their answers: their tokens, and the forest of rows they are packed in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from spexjax.ablations._prompts._frame import beginning
from spexjax.ablations._prompts._packing import Rows, pack
from spexjax.ablations._prompts._strings import (
    answer_tokens,
    check_beginnings,
    check_length,
    check_room,
    check_text,
    warn_of_spelling,
)
from spexjax.models import LanguageModel

AVERAGES = ("logit-difference", "log-probability", "accuracy")
_ATTENTION = 1400  # nodes a row at which attention costs as much as all else
_LONGER = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # rows tried, in lengths of the longest prompt


class PromptSet(NamedTuple):
    """Token ids. With several answers a prompt, only their first tokens count; one answer is read to its end."""

    prompts: tuple[tuple[int, ...], ...]
    answers: tuple[tuple[tuple[int, ...], ...], ...]  # per prompt, the right one first

    @property
    def choice(self) -> bool:
        """Whether there are answers to choose from."""
        return len(self.answers[0]) > 1

    def sequences(self) -> list[tuple[int, ...]]:
        """Each prompt with all but the last token of its one answer, which are teacher-forced."""
        forced = [() if self.choice else answers[0][:-1] for answers in self.answers]
        return [prompt + rest for prompt, rest in zip(self.prompts, forced, strict=True)]


class Forest(NamedTuple):
    """All prompts as r rows of t nodes, each a trie (see `packing`); p prompts read at up to k nodes each."""

    tokens: Int[np.ndarray, "r t"]
    positions: Int[np.ndarray, "r t"]
    ends: Int[np.ndarray, "r t"]
    sources: Int[np.ndarray, "r t"]
    reads: Int[np.ndarray, "p k"]  # into the r * t nodes; an answer shorter than k has its last ones
    counted: Bool[np.ndarray, "p k"]
    used: int


def read(model: LanguageModel, prompts: Sequence[str], answers: str | Sequence, value: str) -> PromptSet:
    """Tokenises prompts and answers.

    Raises:
      ValueError: if a prompt is empty or too long, or the answers do not fit the prompts or the value.
    """
    if value not in AVERAGES:
        raise ValueError(f"The value must be one of {', '.join(AVERAGES)}, not {value!r}.")
    if isinstance(prompts, str) or not prompts:
        raise ValueError("Give a list of prompts, at least one.")
    if not answers:
        raise ValueError("Give the answers: the right one first, then those it is compared with.")
    answers = (answers,) if isinstance(answers, str) else tuple(answers)
    common = all(isinstance(a, str) for a in answers)
    sets = [answers] * len(prompts) if common else [(a,) if isinstance(a, str) else tuple(a) for a in answers]
    if len(sets) != len(prompts):
        raise ValueError(f"There are {len(prompts)} prompts but answers for {len(sets)}.")
    count = {len(s) for s in sets}
    wanted = {"logit-difference": "two or more", "log-probability": "one", "accuracy": "one or more"}[value]
    fits = {"logit-difference": min(count) > 1, "log-probability": count == {1}, "accuracy": min(count) > 0}[value]
    if len(count) > 1 or not fits:
        raise ValueError(f"Value {value!r} needs {wanted} answers a prompt, the same number for all; got {sets[0]!r}.")
    encoded, begun = encode(model, prompts), _begun(model, prompts)
    found = tuple(
        tuple(answer_tokens(model, prompt, ids, answer) for answer in group)
        for prompt, ids, group in zip(begun, encoded, sets, strict=True)
    )
    result = PromptSet(encoded, found)
    check_length(model, max(map(len, result.sequences())), "A prompt")
    for group, tokens in zip(sets, found, strict=True):
        check_beginnings(group, tokens)
    warn_of_spelling(model, begun[0], encoded[0], sets[0], depth=4)
    return result


def encode(model: LanguageModel, prompts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Token ids of each prompt as it stands, behind the beginning-of-sequence token where the tokenizer puts one.

    Raises:
      ValueError: if one has no tokens, is no text, or is far too long.
    """
    for prompt in prompts:
        check_text("prompt", prompt)
        check_room(model, prompt, "prompt")
    ids = tuple(map(tuple, model.encode(_begun(model, prompts))))
    for prompt, tokens in zip(prompts, ids, strict=True):
        if not tokens:
            raise ValueError(f"The prompt {prompt!r} has no tokens; give at least one character.")
    return ids


def _begun(model: LanguageModel, prompts: Sequence[str]) -> list[str]:
    bos = beginning(model.tokenizer)
    return [prompt if prompt.startswith(bos) else bos + prompt for prompt in prompts]


def plant(prompts: PromptSet, sources: Sequence[Sequence[int]] | None = None) -> Forest:
    """Packs the prompts into rows of the length at which one pass over them costs least.

    Args:
      prompts: the sequences.
      sources: a number for each of their tokens; what two sequences begin with is shared only where these agree.
    """
    sequences = prompts.sequences()
    sources = sources if sources is not None else [[0] * len(s) for s in sequences]
    lengths = np.array([1 if prompts.choice else len(answers[0]) for answers in prompts.answers])
    pairs = [tuple(zip(s, origin, strict=True)) for s, origin in zip(sequences, sources, strict=True)]
    symbols = {pair: i for i, pair in enumerate(dict.fromkeys(p for s in pairs for p in s))}
    distinct = {pair: i for i, pair in enumerate(dict.fromkeys(pairs))}  # equal prompts are run once
    rows = _least_costly([[symbols[p] for p in s] for s in distinct])
    length = _round_up(rows.used.max())
    tokens, places, ends = (a[:, :length] for a in (rows.tokens, rows.positions, rows.ends))
    table = np.array(list(symbols))
    counted = np.arange(lengths.max()) >= lengths.max() - lengths[:, None]
    reads = np.zeros(counted.shape, np.int32)
    for nodes, mine, pair in zip(reads, counted, pairs, strict=True):
        row, last = rows.row_of[distinct[pair]], rows.last_nodes[distinct[pair], 0]
        path = np.flatnonzero(ends[row, : last + 1] > last)  # the sequence's nodes are those its last one sees
        nodes[mine] = row * length + path[-mine.sum() :]
    return Forest(table[tokens, 0], places, ends, table[tokens, 1], reads, counted, int(rows.used.sum()))


def _least_costly(sequences: list[list[int]]) -> Rows:
    longest, total = max(map(len, sequences)), sum(map(len, sequences))
    positions = [range(len(s)) for s in sequences]
    options = {_round_up(min(longest * times, total)) for times in _LONGER}

    def cost(rows: Rows) -> float:
        return rows.used.size * int(rows.used.max()) * (1 + int(rows.used.max()) / _ATTENTION)

    return min((pack(sequences, positions, 1, option) for option in sorted(options)), key=cost)


def _round_up(length) -> int:
    return -(-int(length) // 8) * 8

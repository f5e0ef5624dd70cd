"""A set of prompts with their answers: their tokens, and the forest of rows they are packed in."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

from spexjax.ablations._prompts._answers import MANY, Answers, read_answers
from spexjax.ablations._prompts._frame import beginning
from spexjax.ablations._prompts._packing import Rows, pack
from spexjax.ablations._prompts._strings import check_room, check_text
from spexjax.models import LanguageModel

AVERAGES = {"logit-difference": (2, MANY), "log-probability": (1, 1), "accuracy": (1, MANY)}  # the answers each takes
_ATTENTION = 1400  # nodes per row at which attention costs as much as everything else
_LONGER = (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # row lengths to try, in multiples of the longest prompt


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
    """All prompts as r rows of t nodes, each row a trie (see `pack`); each of p prompts is read at up to k nodes."""

    tokens: Int[np.ndarray, "r t"]
    positions: Int[np.ndarray, "r t"]
    ends: Int[np.ndarray, "r t"]
    sources: Int[np.ndarray, "r t"] | None  # of each token's substitute, if they differ between tokens
    reads: Int[np.ndarray, "p k"]  # into the r * t nodes; an answer shorter than k has its last ones
    counted: Bool[np.ndarray, "p k"]
    used: int


def read(
    model: LanguageModel, prompts: Sequence[str], answers: str | Sequence, value: str | None
) -> tuple[PromptSet, Answers]:
    """Tokenises prompts and answers.

    Args:
      model: answers the prompts.
      prompts: texts that end where the answer begins.
      answers: as in `components`.
      value: as in `components`.

    Returns:
      The tokens; and the answers with the value, which depends on them if it is None.

    Raises:
      ValueError: if a prompt is empty or too long, or the answers do not fit the prompts or the value.
    """
    encoded = encode(model, prompts)
    found = read_answers(model, _begun(model, prompts), encoded, answers, value, AVERAGES, depth=5)
    return PromptSet(encoded, found.tokens), found


def encode(model: LanguageModel, prompts: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Token ids of each prompt, after the beginning-of-sequence token if the tokenizer adds one.

    Args:
      model: has the tokenizer.
      prompts: one or more texts.

    Raises:
      ValueError: if one has no tokens, is not a string, or is far too long.
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
    """Packs the prompts into rows, of the length that makes one pass over them cheapest.

    Args:
      prompts: the sequences.
      sources: a number for each of their tokens; a common beginning is shared only where these agree.
    """
    sequences = prompts.sequences()
    known = sources if sources is not None else [[0] * len(s) for s in sequences]
    lengths = np.array([1 if prompts.choice else len(answers[0]) for answers in prompts.answers])
    pairs = [tuple(zip(s, origin, strict=True)) for s, origin in zip(sequences, known, strict=True)]
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
    origins = None if sources is None else table[tokens, 1]
    return Forest(table[tokens, 0], places, ends, origins, reads, counted, int(rows.used.sum()))


def _least_costly(sequences: list[list[int]]) -> Rows:
    longest, total = max(map(len, sequences)), sum(map(len, sequences))
    positions = [range(len(s)) for s in sequences]
    options = {_round_up(min(longest * times, total)) for times in _LONGER}

    def cost(rows: Rows) -> float:
        return rows.used.size * int(rows.used.max()) * (1 + int(rows.used.max()) / _ATTENTION)

    return min((pack(sequences, positions, 1, option) for option in sorted(options)), key=cost)


def _round_up(length) -> int:
    return -(-int(length) // 8) * 8

"""Builds the tokenizer that a GGUF file has in its metadata."""

import bisect
import re
import warnings
from typing import Any

from spexjax.models._gguf import GGUF
from spexjax.models._lazy_tokenizer import LazyTokenizer
from spexjax.models._pretrained_tokenizer import checked

_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_SHORT}|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_SHORT}"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {  # tokenizer.ggml.pre -> how text is split, step by step, before byte-level merges; () is GPT-2's rule
    "default": (r"[\p{P}\$\+<=>\^~\|]+", _WORDS, r"\p{N}+", "[0-9][0-9][0-9]"),  # llama.cpp's for files that do not say
    "gpt-2": (),
    "mpt": (),
    "olmo": (),  # of Pythia and GPT-NeoX, too
    "smollm": (),
    "refact": (),
    "starcoder": (),
    "dbrx": (_LLAMA3,),  # of Phi-4 and OLMo 2
    "smaug-bpe": (_LLAMA3,),
    "gpt-4o": (_GPT4O,),  # of Phi-4-mini
    "llama-bpe": (_LLAMA3,),
    "llama3": (_LLAMA3,),
    "llama-v3": (_LLAMA3,),
    "falcon3": (_LLAMA3,),
    "qwen2": (_QWEN2,),
    "deepseek-r1-qwen": (_QWEN2,),
}
_BEGINNING = ("llama-bpe", "llama3", "llama-v3", "falcon3")  # those that mark it; whole words need no merges there
_DIGITS = ("smollm", "refact", "starcoder")  # those that cut every digit off
_CONTROL, _USER_DEFINED = 3, 4  # token types
_SENTENCE_PIECE = {"bos": 1, "eos": 2, "unknown": 0}  # ids of a sentence-piece model that does not say


def gguf_tokenizer(gguf: GGUF) -> LazyTokenizer:
    """Builds a `transformers.PreTrainedTokenizerFast` from GGUF metadata, as llama.cpp reads it.

    Warns:
      UserWarning: if the metadata do not say how text is split or which tokens are control tokens.

    Raises:
      ValueError: if the tokenizer model or its pre-tokenizer is not one of the supported kinds, or the metadata are
        incomplete or contradict each other.
    """
    kind = gguf.field("tokenizer.ggml.model")
    if kind not in ("gpt2", "llama"):
        raise ValueError(f"GGUF tokenizer {kind!r} is not supported; spexjax reads gpt2 (byte-level BPE) and llama.")
    tokens = _strings(gguf, "tokens")
    ids = {name: _id(gguf, name, len(tokens), kind) for name in ("bos", "eos", "unknown", "padding", "eot", "eom")}
    types = _types(gguf, tokens, ids)
    splits, pre = _splits(gguf) if kind == "gpt2" else (), gguf.field("tokenizer.ggml.pre")
    scores = _numbers(gguf, "scores", len(tokens)) if kind == "llama" else []
    names = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}
    named = {f"{short}_token": tokens[i] for name, short in names.items() if (i := ids[name]) is not None}

    adds_bos = _typed(gguf, "tokenizer.ggml.add_bos_token", bool)
    template = _typed(gguf, "tokenizer.chat_template", str)

    def build():
        core = (
            _byte_level(gguf, tokens, splits)
            if kind == "gpt2"
            else _sentence_piece(gguf, tokens, scores, ids["unknown"])
        )
        core.add_special_tokens(_added(tokens, types, _CONTROL))
        core.add_tokens(_added(tokens, types, _USER_DEFINED))
        begins = kind == "llama" or pre in _BEGINNING
        if ids["bos"] is not None and (begins if adds_bos is None else adds_bos):
            _begin_with(core, tokens[ids["bos"]], ids["bos"])
        return LazyTokenizer(core, named, template)

    try:
        return checked(build)
    except ValueError as error:
        raise ValueError(f"The tokenizer in the GGUF file cannot be built: {error}.") from error


def _typed(gguf: GGUF, key: str, kind: type) -> Any:
    """The value of a key, which must have this type; None if it is missing."""
    found = gguf.field(key)
    if found is not None and not isinstance(found, kind):
        raise ValueError(f"{key} of the GGUF file is {str(found)[:40]!r}, which is no {kind.__name__}.")
    return found


def _strings(gguf: GGUF, name: str) -> list[str]:
    found = gguf.field(f"tokenizer.ggml.{name}")
    if not isinstance(found, list) or not found or not all(isinstance(each, str) for each in found):
        raise ValueError(f"The GGUF file has no list of strings tokenizer.ggml.{name}, so that it has no tokenizer.")
    return found


def _id(gguf: GGUF, name: str, count: int, kind: str) -> int | None:
    key = f"tokenizer.ggml.{name}_token_id"
    index = gguf.field(key, _SENTENCE_PIECE.get(name) if kind == "llama" else None)
    if index is not None and not (isinstance(index, int) and 0 <= index < count):
        raise ValueError(f"{key} is {index!r}, which is none of the GGUF file's {count} tokens.")
    return index


def _types(gguf: GGUF, tokens: list[str], ids: dict[str, int | None]) -> list[int]:
    """The type of each token; without types in the file, tokens with a role or like markup are control tokens."""
    if gguf.field("tokenizer.ggml.token_type") is not None:
        return _numbers(gguf, "token_type", len(tokens))
    warnings.warn(
        "The GGUF file does not say which tokens are control tokens (tokenizer.ggml.token_type): those with a role "
        "and those like <|this|> are taken to be; convert the model anew if its markup looks otherwise.",
        stacklevel=4,
    )
    roles = set(ids.values())
    return [_CONTROL if i in roles or re.fullmatch(r"<\|.*\|>", t) else 1 for i, t in enumerate(tokens)]


def _numbers(gguf: GGUF, name: str, count: int) -> list:
    found = gguf.field(f"tokenizer.ggml.{name}")
    if not isinstance(found, list) or len(found) != count or not all(isinstance(each, int | float) for each in found):
        raise ValueError(f"The GGUF file has no list tokenizer.ggml.{name} of a number for each of its {count} tokens.")
    return found


def _splits(gguf: GGUF) -> tuple[str, ...]:
    pre = gguf.field("tokenizer.ggml.pre")
    if pre is None:
        warnings.warn(
            "The GGUF file does not say how text is cut into words (tokenizer.ggml.pre): llama.cpp's default is taken, "
            "which is wrong for most models; convert the model anew.",
            stacklevel=4,
        )
    elif pre not in _SPLITS:
        raise ValueError(f"GGUF pre-tokenizer {pre!r} is not supported; spexjax knows {', '.join(_SPLITS)}.")
    return _SPLITS["default" if pre is None else pre]


def _added(tokens: list[str], types: list[int], kind: int) -> list:
    from tokenizers import AddedToken

    return [
        AddedToken(token, normalized=False, special=kind == _CONTROL)
        for token, type_ in zip(tokens, types, strict=True)
        if type_ == kind
    ]


def _byte_level(gguf: GGUF, tokens: list[str], splits: tuple[str, ...]) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    merges = [tuple(m.split(" ", 1)) for m in gguf.field("tokenizer.ggml.merges")]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    pre = gguf.field("tokenizer.ggml.pre")
    core = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre in _BEGINNING))
    steps: list[Any] = [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in splits]
    if pre in _DIGITS:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not splits))
    core.pre_tokenizer = pre_tokenizers.Sequence(steps)
    core.decoder = decoders.ByteLevel()
    return core


def _sentence_piece(gguf: GGUF, tokens: list[str], scores: list[float], unknown: int) -> Any:
    """SentencePiece BPE: the merges are not stored, but follow from the scores, the best token first."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    vocabulary = {token: i for i, token in enumerate(tokens)}
    lengths = sorted({len(token) for token in tokens})
    merges = []
    for token in tokens:
        if re.fullmatch(r"<0x[0-9A-F]{2}>", token):
            continue
        for cut in lengths[: bisect.bisect_left(lengths, len(token))]:
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                rank = (-scores[vocabulary[token]], vocabulary[left], vocabulary[right])
                merges.append((rank, (left, right)))
    core = Tokenizer(
        models.BPE(
            vocabulary,
            [pair for _, pair in sorted(merges)],
            unk_token=tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    first = [normalizers.Prepend("▁")] if gguf.field("tokenizer.ggml.add_space_prefix", True) else []
    core.normalizer = normalizers.Sequence([*first, normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return core


def _begin_with(core: Any, bos: str, index: int) -> None:
    from tokenizers import processors

    core.post_processor = processors.TemplateProcessing(
        single=["BOS", "$A"],
        pair=["BOS", "$A", "BOS", "$B"],
        special_tokens=[{"id": "BOS", "ids": [index], "tokens": [bos]}],
    )

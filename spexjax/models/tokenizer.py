"""The tokenizer a GGUF file carries in its metadata, rebuilt without torch."""

import re
from typing import Any

from spexjax.models.gguf import GGUF

_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLITS = {  # tokenizer.ggml.pre -> how text is cut before byte-level merges; None is GPT-2's own rule
    "default": None,
    "gpt-2": None,
    "smollm": None,
    "llama-bpe": _LLAMA3,
    "llama3": _LLAMA3,
    "qwen2": _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"),
}
_CONTROL, _USER_DEFINED = 3, 4  # token types


def gguf_tokenizer(gguf: GGUF) -> Any:
    """Builds a `transformers.PreTrainedTokenizerFast` from GGUF metadata.

    Raises:
      ValueError: if the tokenizer model or its pre-tokenizer is not one of the supported kinds.
    """
    from transformers import PreTrainedTokenizerFast

    kind = gguf.field("tokenizer.ggml.model")
    if kind == "gpt2":
        core = _byte_level(gguf)
    elif kind == "llama":
        core = _sentence_piece(gguf)
    else:
        raise ValueError(f"GGUF tokenizer {kind!r} is not supported; spexjax reads gpt2 (byte-level BPE) and llama.")
    tokens = gguf.field("tokenizer.ggml.tokens")
    core.add_special_tokens(_added(gguf, _CONTROL))
    core.add_tokens(_added(gguf, _USER_DEFINED))
    named = {}
    for name, key in [("bos", "bos"), ("eos", "eos"), ("unk", "unknown"), ("pad", "padding")]:
        index = gguf.field(f"tokenizer.ggml.{key}_token_id")
        if index is not None and index < len(tokens):
            named[f"{name}_token"] = tokens[index]
    _begin_with_bos(core, gguf, named.get("bos_token"), kind)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        chat_template=gguf.field("tokenizer.chat_template"),
        clean_up_tokenization_spaces=False,
        **named,
    )


def _added(gguf: GGUF, kind: int) -> list:
    from tokenizers import AddedToken

    types = zip(gguf.field("tokenizer.ggml.tokens"), gguf.field("tokenizer.ggml.token_type"), strict=True)
    return [AddedToken(t, normalized=False, special=kind == _CONTROL) for t, type_ in types if type_ == kind]


def _byte_level(gguf: GGUF) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    pre = gguf.field("tokenizer.ggml.pre", "default")
    if pre not in _SPLITS:
        raise ValueError(f"GGUF pre-tokenizer {pre!r} is not supported; spexjax knows {', '.join(_SPLITS)}.")
    tokens = gguf.field("tokenizer.ggml.tokens")
    merges = [tuple(m.split(" ", 1)) for m in gguf.field("tokenizer.ggml.merges")]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    core = Tokenizer(models.BPE(vocabulary, merges, ignore_merges=pre in ("llama-bpe", "llama3")))
    pattern = _SPLITS[pre]
    steps = [pre_tokenizers.Digits(individual_digits=True)] if pre == "smollm" else []
    if pattern:
        steps.append(pre_tokenizers.Split(Regex(pattern), behavior="isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None))
    core.pre_tokenizer = pre_tokenizers.Sequence(steps)
    core.decoder = decoders.ByteLevel()
    return core


def _sentence_piece(gguf: GGUF) -> Any:
    """SentencePiece BPE: the merges are not stored, but follow from the scores, best token first."""
    from tokenizers import Tokenizer, decoders, models, normalizers

    tokens, scores = gguf.field("tokenizer.ggml.tokens"), gguf.field("tokenizer.ggml.scores")
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = []
    for token in tokens:
        if re.fullmatch(r"<0x[0-9A-F]{2}>", token):
            continue
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in vocabulary and right in vocabulary:
                rank = (-scores[vocabulary[token]], vocabulary[left], vocabulary[right])
                merges.append((rank, (left, right)))
    unknown = tokens[gguf.field("tokenizer.ggml.unknown_token_id", 0)]
    core = Tokenizer(
        models.BPE(
            vocabulary,
            [pair for _, pair in sorted(merges)],
            unk_token=unknown,
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


def _begin_with_bos(core: Any, gguf: GGUF, bos: str | None, kind: str) -> None:
    from tokenizers import processors

    if bos is not None and gguf.field("tokenizer.ggml.add_bos_token", kind == "llama"):
        index = gguf.field("tokenizer.ggml.bos_token_id")
        core.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, index)]
        )

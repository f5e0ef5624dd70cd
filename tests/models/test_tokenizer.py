"""Tokenizers rebuilt from GGUF metadata."""

import pytest

from spexjax.models.gguf import GGUF
from spexjax.models.tokenizer import gguf_tokenizer


class Metadata(GGUF):
    """The part of a GGUF file that a tokenizer is made from."""

    def __init__(self, **fields):
        self.fields = {f"tokenizer.ggml.{key}": value for key, value in fields.items()}

    def field(self, key, default=None):
        return self.fields.get(key, default)


def test_sentence_piece_equals_the_real_one(golden):
    record = golden("sentence_piece")
    metadata = Metadata(
        model="llama",
        tokens=record["tokens"],
        scores=record["scores"],
        token_type=record["token_type"],
        bos_token_id=record["bos"],
        eos_token_id=record["eos"],
        unknown_token_id=record["unk"],
        add_bos_token=True,
    )
    tokenizer = gguf_tokenizer(metadata)
    for text, ids in zip(record["texts"], record["ids"], strict=True):
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == ids, text
        assert tokenizer(text)["input_ids"] == [record["bos"], *ids]
        if "日" not in text:  # unknown to the tiny model but for its bytes
            assert tokenizer.decode(ids) == text


def byte_level(pre):
    alphabet = [chr(c) for c in range(33, 127)] + ["Ġ", "Ċ", "č"]
    return gguf_tokenizer(Metadata(model="gpt2", pre=pre, tokens=alphabet, token_type=[1] * len(alphabet), merges=[]))


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["It", "'s", "Ġ12345", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("smollm", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("llama-bpe", ["It", "'s", "Ġ", "123", "45", "Ġthings", "ĊĊ", "OK", "!!"]),
        ("qwen2", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "Ġthings", "ĊĊ", "OK", "!!"]),
    ],
)
def test_text_is_cut_as_each_family_cuts_it(pre, pieces):
    core = byte_level(pre).backend_tokenizer
    assert [p for p, _ in core.pre_tokenizer.pre_tokenize_str("It's 12345 things\n\nOK!!")] == pieces


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match="'tekken'"):
        byte_level("tekken")
    with pytest.raises(ValueError, match="'bert'"):
        gguf_tokenizer(Metadata(model="bert", tokens=[]))

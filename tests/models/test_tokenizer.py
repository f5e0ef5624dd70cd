"""Tokenizers rebuilt from GGUF metadata."""

import pytest

from spexjax.models._generate import control_tokens
from spexjax.models._gguf import GGUF
from spexjax.models._tokenizer import gguf_tokenizer


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


def byte_level(pre="gpt-2", extra=(), **fields):
    """A tokenizer of single characters and some tokens more; a field that is None is left out."""
    tokens = [chr(c) for c in range(33, 127)] + ["Ġ", "Ċ", "č", *extra]
    types = [1] * (len(tokens) - len(extra)) + [3] * len(extra)
    given = {"model": "gpt2", "pre": pre, "tokens": tokens, "token_type": types, "merges": [], **fields}
    return gguf_tokenizer(Metadata(**{key: value for key, value in given.items() if value is not None}))


@pytest.mark.parametrize(
    ("pre", "pieces"),
    [
        ("gpt-2", ["It", "'s", "Ġ12345", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("smollm", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("llama-bpe", ["It", "'s", "Ġ", "123", "45", "Ġthings", "ĊĊ", "OK", "!!"]),
        ("default", ["It", "'", "s", "Ġ", "123", "45", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("qwen2", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "Ġthings", "ĊĊ", "OK", "!!"]),
        ("olmo", ["It", "'s", "Ġ12345", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("refact", ["It", "'s", "Ġ", "1", "2", "3", "4", "5", "Ġthings", "Ċ", "Ċ", "OK", "!!"]),
        ("dbrx", ["It", "'s", "Ġ", "123", "45", "Ġthings", "ĊĊ", "OK", "!!"]),
        ("gpt-4o", ["It's", "Ġ", "123", "45", "Ġthings", "ĊĊ", "OK", "!!"]),
    ],
)
def test_text_is_cut_as_each_family_cuts_it(pre, pieces):
    core = byte_level(pre).backend_tokenizer
    assert [p for p, _ in core.pre_tokenizer.pre_tokenize_str("It's 12345 things\n\nOK!!")] == pieces


def test_a_file_that_does_not_say_how_text_is_cut_is_cut_as_llama_cpp_does():
    with pytest.warns(UserWarning, match=r"tokenizer\.ggml\.pre"):
        core = byte_level(None).backend_tokenizer
    assert str(core.pre_tokenizer) == str(byte_level("default").backend_tokenizer.pre_tokenizer)


@pytest.mark.parametrize(
    ("pre", "add", "begins"),
    [
        ("llama-bpe", None, True),
        ("llama3", None, True),
        ("llama-bpe", False, False),
        ("gpt-2", None, False),
        ("dbrx", None, False),
        ("qwen2", None, False),
        ("qwen2", True, True),
    ],
)
def test_the_beginning_is_marked_where_llama_cpp_marks_it(pre, add, begins):
    tokenizer = byte_level(pre, ["<|begin of text|>"], bos_token_id=97, add_bos_token=add)
    assert tokenizer("it")["input_ids"] == [97] * begins + tokenizer("it", add_special_tokens=False)["input_ids"]
    assert tokenizer.bos_token == "<|begin of text|>"


def test_missing_token_types_are_guessed_and_said():
    extra = ["<|eot|>", "</s>", "<user>"]
    with pytest.warns(UserWarning, match=r"tokenizer\.ggml\.token_type"):
        tokenizer = byte_level(extra=extra, token_type=None, eos_token_id=98)
    assert control_tokens(tokenizer) == {97, 98}
    assert tokenizer("<|eot|>a</s>")["input_ids"] == [97, 64, 98]


def test_turn_ends_are_control_tokens_whatever_their_role():
    tokenizer = byte_level(extra=["<end>", "<turn>"], eos_token_id=97, eot_token_id=98)
    assert control_tokens(tokenizer) == {97, 98}
    assert tokenizer.eos_token == "<end>"


def test_sentence_piece_has_default_ids(golden):
    record = golden("sentence_piece")
    fields = {key: record[key] for key in ("tokens", "scores", "token_type")}
    tokenizer = gguf_tokenizer(Metadata(model="llama", **fields))
    named = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.unk_token)
    assert named == tuple(record["tokens"][i] for i in (1, 2, 0))
    assert tokenizer("it")["input_ids"][0] == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokens": None}, r"no list of strings tokenizer\.ggml\.tokens"),
        ({"tokens": []}, r"no list of strings tokenizer\.ggml\.tokens"),
        ({"tokens": [1, 2]}, r"no list of strings tokenizer\.ggml\.tokens"),
        ({"token_type": [1, 1]}, "no list tokenizer.ggml.token_type of a number for each of its 97 tokens"),
        ({"bos_token_id": 97}, r"tokenizer\.ggml\.bos_token_id is 97, which is none of the GGUF file's 97 tokens"),
        ({"eot_token_id": -1}, r"eot_token_id is -1"),
        ({"eos_token_id": "a"}, r"eos_token_id is 'a'"),
        ({"merges": None}, "cannot be built"),
        ({"merges": ["a b"]}, "cannot be built: .*out of vocabulary"),
        ({"merges": ["ab"]}, "cannot be built"),
        ({"merges": [3]}, "cannot be built"),
        ({"model": "llama", "scores": None}, "no list tokenizer.ggml.scores"),
        ({"model": "llama", "scores": [0.0]}, "no list tokenizer.ggml.scores"),
    ],
)
def test_metadata_that_make_no_tokenizer_are_one_sentence(fields, message):
    with pytest.raises(ValueError, match=message) as error:
        byte_level(**fields)
    assert "\n" not in str(error.value)


def test_unknown_kinds_are_named():
    with pytest.raises(ValueError, match="'tekken'"):
        byte_level("tekken")
    with pytest.raises(ValueError, match="'bert'"):
        gguf_tokenizer(Metadata(model="bert", tokens=[]))


@pytest.mark.parametrize("value", ["no", 1])
def test_metadata_of_another_type_is_named(value):
    with pytest.raises(ValueError, match=f"add_bos_token of the GGUF file is '{value}', which is no bool"):
        byte_level("llama-bpe", ["<|a|>"], bos_token_id=97, add_bos_token=value)

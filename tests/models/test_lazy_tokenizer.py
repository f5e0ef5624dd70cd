"""What a tokenizer answers without transformers is what it answers with them."""

import copy
import json
import pickle

import pytest
from test_tokenizer import Metadata, byte_level

from spexjax.models._tokenizer import gguf_tokenizer

KNOWN = ["added_tokens_decoder", "all_special_ids", "bos_token", "bos_token_id", "chat_template", "special_tokens_map"]
TEXTS = ["", "It's 12 o'clock,\n naïve", "<turn> a<begin>", "  two  spaces "]


def small(**fields):
    return byte_level("smollm", ["<begin>", "<turn>", "<user>"], chat_template=None, **fields)


def sentence_piece(golden):
    record = golden("sentence_piece")
    fields = {key: record[key] for key in ("tokens", "scores", "token_type")}
    return gguf_tokenizer(Metadata(model="llama", **fields))


def large():
    """As many tokens as those for which transformers looks at how text is cut."""
    return byte_level("qwen2", [f"<{i}>" for i in range(100_100)], bos_token_id=97, padding_token_id=98)


@pytest.fixture(params=["plain", "begins", "a word begins", "one token for all", "sentence piece", "large"])
def build(request, golden):
    ids = {"bos_token_id": 97, "eos_token_id": 98, "padding_token_id": 98}
    return {
        "plain": lambda: small(),
        "begins": lambda: small(add_bos_token=True, **ids),
        "a word begins": lambda: small(bos_token_id=64, eos_token_id=65, add_bos_token=True),
        "one token for all": lambda: small(**dict.fromkeys([*ids, "unknown_token_id"], 97)),
        "sentence piece": lambda: sentence_piece(golden),
        "large": large,
    }[request.param]


def test_answers_are_those_of_transformers(build):
    lazy, whole = build(), build()._whole()
    for name in [*KNOWN, "vocab_size"]:
        assert repr(getattr(lazy, name)) == repr(getattr(whole, name)), name
    assert lazy.get_vocab() == whole.get_vocab()
    assert len(lazy) == len(whole)
    for special in (True, False):
        options = {"add_special_tokens": special, "return_attention_mask": False}
        assert lazy(TEXTS, **options) == dict(whole(TEXTS, **options))
        for text in TEXTS:
            offsets = lazy(text, return_offsets_mapping=True, **options)
            assert offsets == dict(whole(text, return_offsets_mapping=True, **options))
            assert lazy.decode(offsets["input_ids"]) == whole.decode(offsets["input_ids"])
    assert lazy._made is None
    cores = [json.loads(core.to_str()) for core in (lazy._core, lazy.backend_tokenizer, whole.backend_tokenizer)]
    assert cores[1] == cores[2]
    if cores[0]["post_processor"] is None:  # transformers add one that does nothing
        assert cores[2].pop("post_processor")["single"] == [{"Sequence": {"id": "A", "type_id": 0}}]
        del cores[0]["post_processor"]
    assert cores[0] == cores[2]


def test_what_else_is_asked_transformers_answer():
    lazy, whole = small(), small()._whole()
    found = lazy(["it is", "it"], padding=False)
    assert (found.input_ids, found.attention_mask) == (whole(["it is", "it"]).input_ids, [[1] * 5, [1] * 2])
    assert lazy.decode([[40], [41]]) == whole.decode([[40], [41]])
    assert lazy.convert_ids_to_tokens(40) == whole.convert_ids_to_tokens(40)
    assert repr(lazy) == repr(whole)
    with pytest.raises(AttributeError):
        lazy.nothing_like_it  # noqa: B018


def test_what_is_set_counts_from_then_on():
    tokenizer = small(bos_token_id=97)
    tokenizer.chat_template, tokenizer.bos_token = "{{ messages }}", "<turn>"
    assert (tokenizer.chat_template, tokenizer.bos_token, tokenizer.bos_token_id) == ("{{ messages }}", "<turn>", 98)
    assert tokenizer.special_tokens_map["bos_token"] == "<turn>"
    tokenizer.add_tokens(["<new>"])
    assert tokenizer("<new>", return_attention_mask=False)["input_ids"] == [100]
    assert len(tokenizer) == 101


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies_are_whole(duplicate):
    tokenizer = small(bos_token_id=97, add_bos_token=True)
    again = duplicate(tokenizer)
    assert type(again).__module__.startswith("transformers")
    assert again("it")["input_ids"] == tokenizer("it")["input_ids"]

"""A model's answer ends with its turn, whichever of its files says how turns end."""

import dataclasses
import json
import shutil
from copy import deepcopy

import numpy as np
import pytest
from common import GOLDEN

from spexjax.models import _generate as generate
from spexjax.models import greedy_answer, load_model, save_model
from spexjax.models._stop_ids import folder_stop_ids, gguf_stop_ids


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("generation", "config", "ids"),
    [
        (None, {}, ()),
        (None, {"eos_token_id": 2}, (2,)),
        ({"eos_token_id": [7, 3]}, {"eos_token_id": 2}, (2, 3, 7)),
        ({"eos_token_id": None}, {"eos_token_id": [2, 2]}, (2,)),
        ({"eos_token_id": 5}, {"eos_token_id": None}, (5,)),
        ({}, {"eos_token_id": []}, ()),
    ],
)
def test_ids_of_a_folder(tmp_path, generation, config, ids):
    write(tmp_path, config=config, **({} if generation is None else {"generation_config": generation}))
    assert folder_stop_ids(tmp_path) == ids


@pytest.mark.parametrize("wrong", ["two", 1.5, True, [1, "2"], {"id": 1}])
def test_what_is_no_id_is_named(tmp_path, wrong):
    with pytest.raises(ValueError, match=r"eos_token_id in .*config\.json must be a token id"):
        folder_stop_ids(write(tmp_path, config={"eos_token_id": wrong}))


@pytest.mark.parametrize(
    ("broken", "words"),
    [("", "is not readable JSON"), ("{", "is not readable JSON")]
    + [(kind, "holds .*, not a JSON object") for kind in ("[]", "3")],
)
def test_a_broken_file_is_named(tmp_path, broken, words):
    with pytest.raises(ValueError, match=rf"generation_config\.json {words}"):
        folder_stop_ids(write(tmp_path, generation_config=broken, config={}))


class Metadata(dict):
    def field(self, key, default=None):
        return self.get(key.removeprefix("tokenizer.ggml."), default)


def test_ids_of_a_gguf_file():
    assert gguf_stop_ids(Metadata(eos_token_id=1, eot_token_id=9, eom_token_id=4)) == (1, 4, 9)
    assert gguf_stop_ids(Metadata()) == ()
    with pytest.raises(ValueError, match=r"tokenizer\.ggml\.eot_token_id must be"):
        gguf_stop_ids(Metadata(eot_token_id="nine"))


def test_ids_are_loaded_and_saved(tmp_path):
    folder = shutil.copytree(GOLDEN / "tiny_llama3", tmp_path / "model")
    write(folder, generation_config={"eos_token_id": [11, 12]})
    model = load_model(folder)
    assert {11, 12} <= set(model.stop_ids)
    save_model(model, tmp_path / "saved")
    assert load_model(tmp_path / "saved").stop_ids == model.stop_ids


def test_an_answer_ends_at_every_stop_id_and_control_token(tiny, monkeypatch):
    said = [65, 70, 42, 75, 0, 80]  # 42 ends a turn by the model's files, 0 is <eos>, a control token
    monkeypatch.setattr(generate, "_following", lambda *_: lambda answer: said[len(answer)])

    def one_hot(token):
        return np.eye(tiny.config.vocab_size)[token]

    assert greedy_answer(tiny, [1, 2, 3]).tokens == (65, 70, 42, 75)
    assert greedy_answer(dataclasses.replace(tiny, stop_ids=(42, 9)), [1, 2, 3]).tokens == (65, 70)
    bare = dataclasses.replace(tiny, tokenizer=deepcopy(tiny.tokenizer))
    bare.tokenizer.eos_token = None  # a control token need not have a role
    assert greedy_answer(bare, [1, 2, 3]).tokens == (65, 70, 42, 75)
    with pytest.raises(ValueError, match="gives an empty answer"):
        greedy_answer(dataclasses.replace(tiny, stop_ids=(65,)), [1, 2, 3])


def test_generation_takes_the_most_likely_token_each_time(tiny):
    ids = tiny.encode(["It is so"])[0]
    answer = greedy_answer(tiny, ids, max_tokens=3).tokens
    for i, token in enumerate(answer):
        log_p = generate.next_log_probabilities(tiny, [*ids, *answer[:i]], range(tiny.config.vocab_size))
        assert log_p.argmax() == token
        np.testing.assert_allclose(np.exp(log_p).sum(), 1, rtol=1e-5)

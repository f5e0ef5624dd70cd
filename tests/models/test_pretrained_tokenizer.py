"""A folder's tokenizer: what is broken is one sentence, what is code is never run."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from common import GOLDEN

from spexjax.ablations._prompts._frame import frame
from spexjax.cli._main import main
from spexjax.models._pretrained_tokenizer import load_tokenizer

SOURCE = GOLDEN / "tiny_llama3"
TEMPLATE = "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}\n{% endfor %}<|assistant|>"
TEXTS = ("It's 12 o'clock,\n naïve 日本 🎬", "a quick brown fox <eos>")


@pytest.fixture
def folder(tmp_path):
    copied = shutil.copytree(SOURCE, tmp_path / "model")
    (copied / "chat_template.jinja").write_text(TEMPLATE)
    return copied


def change(path, **fields):
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def in_vocabulary(folder, **ids):
    core = json.loads((folder / "tokenizer.json").read_text())
    core["model"]["vocab"].update(ids)
    (folder / "tokenizer.json").write_text(json.dumps(core))


def add_merge(folder):
    core = json.loads((folder / "tokenizer.json").read_text())
    core["model"]["merges"].append(["zzz", "qqq"])
    (folder / "tokenizer.json").write_text(json.dumps(core))


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
        (lambda f: (f / "tokenizer.json").write_text(""), "tokenizer.json is not readable JSON"),
        (lambda f: (f / "tokenizer.json").write_text("[]"), "tokenizer.json holds .*, not a JSON object"),
        (lambda f: (f / "tokenizer.json").write_text("[" * 100_000), "tokenizer.json is not readable JSON"),
        (lambda f: (f / "tokenizer.json").write_bytes(b"\xff\xfe\x00"), "tokenizer.json is not readable JSON"),
        (lambda f: (f / "tokenizer_config.json").write_text("{"), "tokenizer_config.json is not readable JSON"),
        (lambda f: (f / "tokenizer_config.json").write_text("3"), "tokenizer_config.json holds .*, not a JSON object"),
        (lambda f: (f / "chat_template.jinja").write_bytes(b"\xff"), "cannot be read: .*UnicodeDecodeError"),
        (lambda f: change(f / "tokenizer_config.json", tokenizer_class=3), "cannot be read: .*AttributeError"),
        (lambda f: change(f / "tokenizer_config.json", tokenizer_class="BertTokenizer"), "cannot be read: WordPiece"),
        (lambda f: change(f / "tokenizer_config.json", eos_token=3), "cannot be read: Special token eos_token"),
        (lambda f: change(f / "tokenizer.json", model=None), "cannot be read"),
        (add_merge, "cannot be read: Token `zzz` out of vocabulary"),
        (lambda f: in_vocabulary(f, a=70), "the tokens '.' and '.' have the same id 70"),
    ],
)
def test_what_is_broken_is_one_sentence(folder, breaks, message):
    breaks(folder)
    with pytest.raises(ValueError, match=message) as error:
        load_tokenizer(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("family", ["gpt2", "qwen2", "gpt_neox", "gemma2"])
def test_a_folder_without_a_vocabulary_has_no_tokenizer(family, tmp_path):
    """For these families transformers makes an empty tokenizer of nothing."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": family}))
    with pytest.raises(ValueError, match=r"has no tokenizer.json, and no other file with a vocabulary; fetch"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("")
    with pytest.raises(ValueError, match="of a whole text, so its vocabulary is empty"):
        load_tokenizer(tmp_path)


def test_a_template_that_is_no_text_is_named(folder):
    (folder / "chat_template.jinja").unlink()
    change(folder / "tokenizer_config.json", chat_template=3)
    with pytest.raises(ValueError, match="chat template is a int, not a string"):
        frame(load_tokenizer(folder), "it is")


@pytest.mark.parametrize("tokenizer_class", ["Own", "TokenizersBackend"])
def test_code_in_a_folder_is_never_run(folder, tokenizer_class, tmp_path):
    """Not even where `yes` answers whatever is asked; a class that transformers knows needs no code."""
    traces = tmp_path / "traces"
    (folder / "own.py").write_text(f"open({str(traces)!r}, 'w').close()\nclass Own: pass\nclass OwnConfig: pass\n")
    change(
        folder / "tokenizer_config.json",
        tokenizer_class=tokenizer_class,
        auto_map={"AutoTokenizer": ["own.Own", "own.Own"]},
    )
    change(folder / "config.json", auto_map={"AutoConfig": "own.OwnConfig", "AutoTokenizer": "own.Own"})
    command = [sys.executable, "-m", "spexjax", "explain", "it is so", "--model", str(folder), "--quiet"]
    done = subprocess.run(
        [*command, "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path / "out")],
        input="yes\n" * 1000,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert not traces.exists()
    if tokenizer_class == "Own":
        assert done.returncode == 2
        assert "has code of its own (auto_map in tokenizer_config.json), which is never run" in done.stderr
        assert done.stderr.count("\n") == 1
    else:
        assert (done.returncode, done.stderr) == (0, "")


def corrupted(content, rng):
    """Bits flipped, a piece cut off, taken out or filled with zeros, or a number forged."""
    content, at = bytearray(content), rng.randrange(len(content))
    match rng.randrange(6):
        case 0 | 1:
            content[at] ^= 1 << rng.randrange(8)
        case 2:
            del content[at:]
        case 3:
            del content[at : at + rng.randrange(1, 50)]
        case 4:
            content[at : at + 8] = bytes(8)
        case 5:
            numbers = [i for i, byte in enumerate(content) if 48 <= byte < 58] or [at]
            at = rng.choice(numbers)
            content[at : at + 1] = rng.choice([b"-1", b"99999999999", b"1e400", b"null"])
    return bytes(content)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_corrupt_files_give_what_transformers_reads_or_one_sentence(folder, name):
    from transformers import AutoTokenizer

    rng, content = random.Random(name), (folder / name).read_bytes()
    refused = []
    for _ in range(20):
        (folder / name).write_bytes(corrupted(content, rng))
        start = time.perf_counter()
        try:
            tokenizer = load_tokenizer(folder)
            prompt = frame(tokenizer, "it is so", "Q").prompt("it is")
            ids = [tokenizer(text)["input_ids"] for text in (*TEXTS, prompt)]
        except ValueError as error:
            refused.append(str(error))
        else:
            oracle = AutoTokenizer.from_pretrained(folder)
            assert ids == [oracle(text)["input_ids"] for text in (*TEXTS, prompt)]
            turn = [{"role": "user", "content": "Q\nit is"}]
            if tokenizer.chat_template:
                whole = oracle.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
                assert whole.endswith(prompt)
        assert time.perf_counter() - start < 30  # milliseconds on an idle machine
    assert len(refused) > 3
    assert not any("\n" in message for message in refused)


def test_the_command_line_says_so_in_one_sentence(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))
    run = ["explain", "it is so", "--model", str(folder), "--quiet", "--out", str(tmp_path / "out")]
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ raise_exception('\x1b[31mno') }}{% endfor %}"
    )
    assert main(run) == 2
    said = capsys.readouterr().err
    assert said.startswith("spexjax: The model's chat template fails (TemplateError: \\x1b[31mno)")
    assert said.count("\n") == 1
    (folder / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes()[:3000])
    assert main(run) == 2
    assert "tokenizer.json is not readable JSON" in capsys.readouterr().err

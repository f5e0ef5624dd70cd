"""The command line, end to end on a tiny model, and its one-sentence errors."""

import io
import json
import sys

import pytest
from common import GOLDEN

import spexjax as sx
from spexjax.cli import main

TINY = str(GOLDEN / "tiny_llama3")
WORDS = "a quick brown fox jumps over the lazy dog again"


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))


def run(*arguments):
    return main(["explain", *arguments, "--model", TINY, "--quiet"])


def test_explains_prints_and_writes(tmp_path, capsys):
    options = ["--question", "Why?", "--answers", "x", "y", "--budget", "64", "--index", "k-SII", "--order", "2"]
    assert run(WORDS, *options, "--out", str(tmp_path / "o")) == 0
    out = capsys.readouterr().out
    assert "k-SII" in out
    assert str(tmp_path / "o" / "explanation.html") in out
    assert str(tmp_path / "o" / "explanation.json") in out
    for word in ("load", "compile", "ablations", "fit", "report"):
        assert word in out
    assert "quick" in (tmp_path / "o" / "explanation.html").read_text()
    explanation = sx.load(tmp_path / "o")
    assert explanation.provenance["budget"] == 64
    assert json.loads((tmp_path / "o" / "explanation.json").read_text())["provenance"]["answers"] == ["x", "y"]


def test_text_from_a_file_and_from_standard_input(tmp_path, monkeypatch, capsys):
    (tmp_path / "review.txt").write_text("one two three\n")
    options = ["--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)]
    assert run("--file", str(tmp_path / "review.txt"), *options) == 0
    assert sx.load(tmp_path).feature_names == ("one", "two", "three")
    monkeypatch.setattr(sys, "stdin", io.StringIO("four five"))
    assert run(*options) == 0
    assert sx.load(tmp_path).feature_names == ("four", "five")
    assert "exact" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "The text is empty"),
        (["word"], "1 unit(s)"),
        ([WORDS, "--budget", "5"], "10 features need at least 20 ablations"),
        ([WORDS, "--index", "FSI"], "'FSI' is not an index (did you mean FSII?)"),
        ([WORDS, "--order", "0"], "max_order"),
        ([WORDS, "--method", "magic"], "no method 'magic'"),
        ([WORDS, "--answers", "yes", "yes"], "same token"),
        ([WORDS * 100], "more than the 512"),
        (["--file", "does-not-exist.txt"], "does-not-exist.txt"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(arguments, message, capsys, tmp_path):
    extra = [] if "--answers" in arguments else ["--answers", "x", "y"]
    assert run(*arguments, *extra, "--question", "Q", "--out", str(tmp_path)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("spexjax: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "FSI"], "FSII"),
        (["--method", "magic"], "proxyspex"),
        (["--target", "1.5"], "below 1"),
        (["--target", "nan"], "below 1"),
    ],
)
def test_what_can_be_judged_at_once_is_judged_before_the_model_is_loaded(arguments, message, capsys):
    assert main(["explain", WORDS, "--model", "no-such/model", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_unknown_model(capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["explain", WORDS, "--model", "no-such/model"]) == 2
    assert "'no-such/model' is not" in capsys.readouterr().err


def test_usage_errors_exit_with_two(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explain", "--features", "letter"])
    assert stop.value.code == 2

"""The command line on many texts: a folder for each, a page that ranks them, and bad lines by their numbers."""

import json
import re
import warnings

import pytest
from common import GOLDEN

import spexjax as sx
from spexjax.cli._main import main

TINY = str(GOLDEN / "tiny_llama3")
LINES = (
    {"text": "a quick brown fox jumps", "answers": ["x", "y"]},
    None,
    {"text": "one <b>two</b> three", "question": "Why not?", "answers": "x"},
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))

    def call(content, *arguments, name="texts.jsonl"):
        (tmp_path / name).write_text(content, encoding="utf-8")
        options = ["--model", TINY, "--quiet", "--method", "lasso", "--budget", "20", "--out", str(tmp_path / "out")]
        return main(["explain", "--batch", str(tmp_path / name), *options, *arguments])

    return call


def test_a_folder_for_each_text_and_a_page_that_links_them(run, tmp_path, capsys):
    assert run("\n".join(json.dumps(line) if line else "" for line in LINES), "--question", "Q") == 0
    out = capsys.readouterr().out
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert str(tmp_path / "out" / "index.html") in out
    for folder, text in (("0001", "a quick brown fox jumps"), ("0003", "one &lt;b&gt;two&lt;/b&gt; three")):
        assert folder in out
        assert re.search(f'<a href="{folder}/explanation.html"[^>]*>{text}</a>', page)
        assert (tmp_path / "out" / folder / "explanation.html").is_file()
    assert "://" not in page
    first, second = (sx.load(tmp_path / "out" / folder) for folder in ("0001", "0003"))
    assert (first.provenance["answers"], second.provenance["answers"]) == (["x", "y"], ["x"])
    assert "Q" in first.provenance["before"]
    assert "Why not?" in second.provenance["before"]
    assert run("\n".join(json.dumps(line) if line else "" for line in LINES), "--question", "Q") == 0
    assert sx.load(tmp_path / "out" / "0001").provenance["evaluations"] == 0


def test_texts_in_a_column(run, tmp_path):
    content = 'id,review\n1,"one two\nthree four"\n2,five six\n'
    options = ["--column", "review", "--question", "Q", "--answers", "x", "y"]
    assert run(content, *options, name="texts.csv") == 0
    assert sx.load(tmp_path / "out" / "0002").feature_names == ("one", "two", "three", "four")
    assert sx.load(tmp_path / "out" / "0004").feature_names == ("five", "six")


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (
            '{"text": "a b"}\n[1]\n\n{"text": " "}',
            [],
            "2 lines of * Line 2: it is no JSON object. Line 4: ",
        ),
        ('{"text": "a b"', [], "Line 1: it is not JSON"),
        ('{"text": "a b", "answer": "x"}', [], "Line 1: 'answer' is not one of text, answers, question"),
        ('{"text": "a b", "answers": [1]}', [], "Line 1: answers must be a string or a list of strings"),
        ('{"text": "a b", "question": 1}', [], "Line 1: question must be a string"),
        (
            '{"text": "a b"}\n{"text": "word"}',
            ["--answers", "x", "y", "--question", "Q"],
            "Line 2: The text has 1",
        ),
        ('{"text": "a b", "answers": ["x", "y", "z"]}', ["--question", "Q"], "Line 1: 3 values of one text; a batch"),
        ("\n\n", [], "There is no text in"),
        ("id,review\n1,\n", ["--column", "review"], "Line 2: there is no text"),
        ("id,review\n", ["--column", "reviews"], "has no column 'reviews'; its columns are id, review"),
    ],
)
def test_bad_lines_are_named_by_their_numbers(content, arguments, message, run, tmp_path, capsys):
    name = "texts.csv" if content.startswith("id,review") else "texts.jsonl"
    assert run(content, *arguments, name=name) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(".*".join(map(re.escape, message.split(" * "))), said)
    assert not (tmp_path / "out").exists()


def test_batch_is_a_command_of_its_own(tmp_path, monkeypatch, capsys):
    """It says the same as explain --batch, here as JSON; what is doubtful about a line is said with its number."""
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))
    (tmp_path / "texts").write_text('{"text": "one two"}\n{"text": "three four", "system": null}\n', encoding="utf-8")
    given = ["batch", str(tmp_path / "texts"), "--model", TINY, "--answers", "x", "y", "--quiet", "--question", "Q"]
    assert main([*given, "--out", str(tmp_path / "out")]) == 2
    assert "Line 2: system must be a string" in capsys.readouterr().err
    (tmp_path / "texts").write_text('{"text": "one two"}\n{"text": "three four"}\n', encoding="utf-8")
    text = sx.ablations.text

    def doubtful(model, words, **options):
        warnings.warn(f"{words}?", stacklevel=1)
        return text(model, words, **options)

    monkeypatch.setattr(sx.ablations, "text", lambda model, **options: doubtful(model, options.pop("text"), **options))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main([*given, "--out", str(tmp_path / "out"), "--json"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert captured.err == "spexjax: warning: line 1: one two?\nspexjax: warning: line 2: three four?\n"
    assert [each["folder"] for each in record["explanations"]] == ["0001", "0002"]
    assert record["explanations"][1]["feature_names"] == ["three", "four"]
    assert record["page"] == str(tmp_path / "out" / "index.html")


def test_a_csv_file_without_a_column_names_its_columns(run, capsys):
    assert run("id,review\n1,five six\n", name="texts.csv") == 2
    said = capsys.readouterr().err
    assert "texts.csv is a CSV file: give --column, the column of its texts; its columns are id, review." in said
    assert said.count("\n") == 1


def test_lines_are_judged_before_the_model_is_loaded(tmp_path, capsys):
    (tmp_path / "texts").write_text('{"text": "one two"}\n{"text": "one"}\n', encoding="utf-8")
    assert main(["batch", str(tmp_path / "texts"), "--model", "no-such/model"]) == 2
    assert "Line 2: The text has 1 unit;" in capsys.readouterr().err


def test_a_column_needs_a_file(capsys):
    assert main(["explain", "a b", "--column", "review"]) == 2
    assert "give that file, too" in capsys.readouterr().err

"""The command line, end to end on a tiny model, and its one-sentence errors."""

import html
import io
import json
import os
import re
import shutil
import sys
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from common import GOLDEN

import spexjax as sx
from spexjax.ablations._text._removal import REMOVALS
from spexjax.cli._main import main

TINY = str(GOLDEN / "tiny_llama3")
WORDS = "a quick brown fox jumps over the lazy dog again"


@pytest.fixture(autouse=True)
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))


def run(*arguments, model=TINY):
    return main(["explain", *arguments, "--model", model, "--quiet"])


def stdin(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


@pytest.fixture
def chat(tmp_path):
    """The tiny model with a chat template that can be told to think."""
    folder = shutil.copytree(TINY, tmp_path / "chat")
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[{{ 'think' if think else 'go' }}]"
    (folder / "chat_template.jinja").write_text(template)
    return str(folder)


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


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_warning_of_unlikely_answers_stays_with_the_explanation(tmp_path, monkeypatch, capsys):
    from spexjax.ablations._prompts import _strings

    monkeypatch.setattr(_strings, "next_log_probabilities", lambda model, ids, of: np.arange(len(of)) * 10.0)
    options = ["--question", "Why?", "--answers", "x", "y", "--out", str(tmp_path)]
    assert run("a b c d", *options, "--json") == 0
    captured = capsys.readouterr()
    (said,) = json.loads(captured.out)["warnings"]
    assert "as likely to begin with ' x' as with 'x'; did you mean ' x' and ' y'?" in said
    assert captured.err == f"spexjax: warning: {said}\n"
    assert sx.load(tmp_path).provenance["warnings"] == [said]
    cautions = re.findall('<p class="caution" role="note">(.*?)</p>', (tmp_path / "explanation.html").read_text())
    assert html.escape(said) in cautions
    assert main(["report", str(tmp_path)]) == 0
    assert "did you mean" in capsys.readouterr().out


def test_text_from_a_file_and_from_standard_input(tmp_path, monkeypatch, capsys):
    (tmp_path / "review.txt").write_text("\ufeffone two three\n", encoding="utf-8")
    options = ["--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)]
    assert run("--file", str(tmp_path / "review.txt"), *options) == 0
    assert sx.load(tmp_path).feature_names == ("one", "two", "three")
    stdin(monkeypatch, b"four five")
    assert run(*options) == 0
    assert sx.load(tmp_path).feature_names == ("four", "five")
    assert "exact" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([""], "The text is empty"),
        (["word"], "1 unit; at least two are needed"),
        ([WORDS, "--budget", "5"], "10 features need at least 20 ablations"),
        ([WORDS, "--index", "FSI"], "'FSI' is not an index (did you mean FSII?)"),
        ([WORDS, "--order", "0"], "max_order"),
        ([WORDS, "--method", "magic"], "no method 'magic'"),
        ([WORDS, "--answers", "yes", "yes"], "are the same"),
        ([WORDS * 100], "more than the 512"),
        (["--file", "does-not-exist.txt"], "does-not-exist.txt: No such file"),
        (["--file", "/"], "/: Is a directory"),
        (["a b\udcff c"], "The text is not valid UTF-8"),
        ([WORDS, "--answers", "x\udcff", "y"], "The answer is not valid UTF-8"),
        ([WORDS, "--answer-prefix", "\udcff"], "The answer prefix is not valid UTF-8"),
        ([WORDS, "--store", "http://localhost:1/values"], "http://localhost:1/values"),
        ([WORDS, "--store", "nothing://here"], "'nothing://here' cannot be opened"),
        ([WORDS, "--template-kwargs", '{"think": true}'], "no chat template, so there is nothing to give think to"),
        ([WORDS, "--method", "\x1b]0;owned\x07"], "no method '\\x1b]0;owned"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(arguments, message, capsys, tmp_path):
    extra = [] if "--answers" in arguments else ["--answers", "x", "y"]
    assert run(*arguments, *extra, "--question", "Q", "--out", str(tmp_path)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("spexjax: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.err[:-1].isprintable()
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "FSI"], "FSII"),
        (["--method", "magic"], "proxyspex-gp"),
        (["--target", "1.5"], "below 1"),
        (["--target", "nan"], "below 1"),
        (["--value", "surprise"], "must be one of logit-difference"),
        (["--value", "log-probability", "--answers", "x", "y"], "needs 1 answer to a prompt; got 2"),
        (["--answers", "yes", "yes"], "are the same"),
        (["--replacement", "[MASK]"], "The removal delete puts nothing in a unit's place, so the replacement '[MASK]'"),
        (["--removal", "burn"], "Removal must be one of delete"),
        (["--keep", "1.5"], "keep is the probability of keeping a feature, between 0 and 1"),
        (["--keep", "0.9", "--method", "spex"], "The method spex draws masks of its own"),
        (["--keep", "0.9", "--index", "SV(0.9)"], "SV has no probability of keeping a feature"),
        (["--budget", "5"], "10 features need at least 20 ablations"),
        (["--budget", "0", "--features", "token"], "A budget of 0 is too small"),
        (["--question", "{text} {text}"], "only once"),
        (["--system", "Be brief.", "--no-template"], "Raw text has no chat template"),
        (["--out", __file__], "is a file, but --out takes a folder"),
        (["--out", f"{__file__}/deeper"], "is a file, but --out takes a folder"),
    ],
)
def test_what_can_be_judged_at_once_is_judged_before_the_model_is_loaded(arguments, message, capsys):
    assert main(["explain", WORDS, "--model", "no-such/model", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:Each character")
@pytest.mark.parametrize(
    ("text", "message"),
    [("", "The text is empty"), (" \n", "The text is empty"), ("文", "The text has 1")],
)
def test_texts_that_cannot_be_cut_are_refused_before_the_model_is_loaded(text, message, capsys):
    assert main(["explain", text, "--model", "no-such/model"]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named_at_once(tmp_path, monkeypatch, capsys):
    asked = ["explain", WORDS, "--model", "no-such/model", "--out"]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main([*asked, str(tmp_path / "o")]) == 2
    assert "'no-such/model' is not" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())  # the trial leaves nothing
    if Path("/proc").is_dir():  # by its permissions, root may write there
        assert main([*asked, "/proc/x/y"]) == 2
        assert "Nothing can be written to /proc (No such file or directory)" in capsys.readouterr().err

    def refused(**options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refused)
    assert main([*asked, str(tmp_path / "o")]) == 2
    assert f"Nothing can be written to {tmp_path} (Permission denied)" in capsys.readouterr().err


def test_the_command_line_and_python_ask_alike(tmp_path, capsys):
    """The same masks, and so the same numbers: both name the index."""
    asked = {"question": "Q", "answers": ("x", "y")}
    options = ["--question", "Q", "--answers", "x", "y", "--budget", "40", "--method", "lasso", "--seed", "3"]
    assert run(WORDS, *options, "--out", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    ablation = sx.ablations.text(sx.load_model(TINY), WORDS, **asked)
    explanation = sx.explain(ablation, budget=40, method="lasso", key=jax.random.key(3), index="FSII")
    saved = sx.load(tmp_path)
    assert (saved.masks == explanation.masks).all()
    table = explanation.interactions("FSII", 2).top(10)
    assert [tuple(each["features"]) for each in said["interactions"]] == [s for s, _ in table]
    assert [each["value"] for each in said["interactions"]] == pytest.approx([value for _, value in table], rel=1e-4)
    assert (said["answers"], said["index"], said["page"]) == (["x", "y"], "FSII", str(tmp_path / "explanation.html"))
    assert said["faithfulness"]["r2"] == pytest.approx(saved.faithfulness.r2, nan_ok=True)


def test_masks_near_the_full_model(tmp_path, capsys):
    options = ["--question", "Q", "--answers", "x", "y", "--budget", "40", "--method", "lasso", "--keep", "0.8"]
    assert run(WORDS, *options, "--out", str(tmp_path), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["index"], said["faithfulness"]["keep"]) == ("WBII(0.8)", 0.8)
    assert "note" not in said
    assert sx.load(tmp_path).keep_probability == 0.8
    assert main(["report", str(tmp_path), "--index", "SV"]) == 0
    assert "Extrapolated: the ablations keep each" in " ".join(capsys.readouterr().out.split())
    assert main(["report", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["index"] == "WBII(0.8)"


def test_a_system_prompt(tmp_path, chat):
    options = ["a b", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)]
    assert run(*options, "--system", "Be brief.", model=chat) == 0
    assert sx.load(tmp_path).provenance["before"] == "[system]Be brief.[user]Q\n"


def test_unknown_model(capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["explain", WORDS, "--model", "no-such/model"]) == 2
    assert "'no-such/model' is not" in capsys.readouterr().err


def test_what_a_script_registered_can_be_asked_for(tmp_path, monkeypatch, capsys):
    class Initial(sx.ablations.Removal):
        def stand_in(self, unit, replacement):
            return unit[0] + "."

    monkeypatch.setattr(REMOVALS, "_entries", dict(REMOVALS._entries))
    sx.ablations.register_removal("initial", Initial())
    asked = ("--answers", "e", "a", "--budget", "32", "--method", "lasso", "--out", str(tmp_path))
    assert run(WORDS, *asked, "--removal", "initial") == 0
    assert sx.load(tmp_path).provenance["removal"] == "initial"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "--features", "letter"], "argument --features: invalid choice: 'letter'"),
        (["explain", WORDS, "--budget", "1e3"], "argument --budget: a whole number, which '1e3' is not"),
        (["explain", WORDS, "--target", "most"], "argument --target: a number, which 'most' is not"),
        (["explain", WORDS, "--top", "x"], "argument --top: a whole number, which 'x' is not"),
        (["subset", "out"], "one of the arguments --remove --keep is required"),
        (["heads", "A", "--layers", "x"], "argument --layers: layers are given as 4-9 or 0,3,5, not as 'x'"),
        (["heads", "A", "--layers", "-3"], "argument --layers: "),
        (["heads", "A", "--layers", "9-4"], "argument --layers: '9-4' names no layer"),
        ([], "the following arguments are required: COMMAND"),
    ],
)
def test_usage_errors_are_a_sentence_and_exit_with_two(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert said.startswith(f"spexjax: {message}")
    assert said.endswith(" --help\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--template-kwargs", "{"], "not JSON"),
        (["--template-kwargs", "[" * 100_000], "not JSON"),
        (["--template-kwargs", "[1]"], "not a JSON object"),
        (["--keep", "most"], "a probability such as 0.9, or auto, which most is not"),
        (["--seed", str(1 << 64)], "a whole number of 64 bits"),
        (["--seed", str(-(1 << 70))], "a whole number of 64 bits"),
    ],
)
def test_options_that_cannot_be_read(arguments, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["explain", WORDS, *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_bytes_that_are_no_utf8_and_endless_files_are_refused(tmp_path, monkeypatch, capsys):
    stdin(monkeypatch, b"one two \xff")
    assert run() == 2
    assert capsys.readouterr().err.startswith("spexjax: Standard input is not UTF-8: byte 8 is 0xff")
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    assert run("--file", str(tmp_path / "latin.txt")) == 2
    assert "latin.txt is not UTF-8: byte 2 is 0xef; convert it first, say by iconv -f latin1" in capsys.readouterr().err
    (tmp_path / "utf16.txt").write_text("one two", encoding="utf-16")
    assert run("--file", str(tmp_path / "utf16.txt")) == 2
    assert "iconv -f UTF-16 -t utf-8" in capsys.readouterr().err
    (tmp_path / "picture").write_bytes(b"\x89PNG\0\0\xff")
    assert run("--file", str(tmp_path / "picture")) == 2
    assert "picture is no text" in capsys.readouterr().err
    monkeypatch.setattr("spexjax.cli._files._MOST", 1 << 20)
    assert run("--file", "/dev/zero") == 2
    assert "/dev/zero holds more than 1 MB" in capsys.readouterr().err


def test_the_template_can_be_left_out_or_given_variables(tmp_path, chat, capsys):
    options = ["a b", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path / "o")]
    for more, before, after in [
        ([], "[user]Q\n", "[go]"),
        (["--template-kwargs", '{"think": true}'], "[user]Q\n", "[think]"),
        (["--no-template"], "Q\n", ""),
    ]:
        assert run(*options, *more, model=chat) == 0
        said = sx.load(tmp_path / "o").provenance
        assert (said["before"], said["after"]) == (before, after)
    assert run(*options, "--template-kwargs", '{"thinking": true}', model=chat) == 2
    assert "no variable 'thinking'" in capsys.readouterr().err


class Pipe(io.TextIOWrapper):
    """Standard output into a pipe that nobody reads."""

    def __init__(self):
        reader, writer = os.pipe()
        os.close(reader)
        super().__init__(os.fdopen(writer, "wb"), encoding="utf-8")


@pytest.mark.parametrize("terminal", ["ascii", "pipe", "closed"])
def test_the_files_are_written_whatever_the_terminal_can_do(terminal, tmp_path, monkeypatch):
    stream = {"ascii": lambda: io.TextIOWrapper(io.BytesIO(), encoding="ascii"), "pipe": Pipe, "closed": lambda: None}
    stdout = stream[terminal]()
    monkeypatch.setattr(sys, "stdout", stdout)
    assert run("a naïve 日本 fox", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)) == 0
    assert "naïve" in (tmp_path / "explanation.html").read_text(encoding="utf-8")
    assert sx.load(tmp_path).feature_names == ("a", "naïve", "日本", "fox")
    if terminal == "ascii":
        table = stdout.buffer.getvalue().decode("ascii")
        assert "na?ve" in table
        assert " -0." in table  # a minus is no question mark
    if stdout is not None:
        stdout.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_behind_standard_output_is_said_once(tmp_path, monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run("a b c", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)) == 2
    assert capsys.readouterr().err == "spexjax: standard output: No space left on device.\n"
    assert len(sx.load(tmp_path).feature_names) == 3


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["explain", "--help"]])
def test_help_that_finds_the_disk_full_is_a_sentence(arguments, monkeypatch, capsys):
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == 2
    assert capsys.readouterr().err == "spexjax: standard output: No space left on device.\n"


@pytest.mark.parametrize("store", ["~nobody-of-this-name/x", "/tmp/s\udcff"])
def test_stores_that_cannot_be_named(store, tmp_path, capsys):
    assert run("a b c", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path), "--store", store) == 2
    assert "A store is a folder or a URL" in capsys.readouterr().err


def test_a_table_is_shown_though_the_files_cannot_be_written(tmp_path, monkeypatch, capsys):
    def full(*args, **options):
        raise OSError(28, "No space left on device", "explanation.html")

    monkeypatch.setattr("spexjax.report.write_html", full)
    assert run("a b c", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)) == 2
    captured = capsys.readouterr()
    assert "FSII up to order 2" in captured.out
    assert captured.err == "spexjax: explanation.html: No space left on device.\n"


def test_a_fault_of_ours_says_where_to_report_it(tmp_path, monkeypatch, capsys):
    def fault(*args, **options):
        raise IndexError("at \x1b[31m")

    monkeypatch.setattr(sx, "explain", fault)
    options = ["a b", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)]
    assert run(*options) == 1
    said = capsys.readouterr().err
    assert said.startswith("spexjax: this is a fault of spexjax, not of your input (IndexError: at \\x1b[31m)")
    assert "issue tracker" in said
    assert said.count("\n") == 1
    assert run(*options, "--debug") == 1
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert "\x1b" not in said
    assert run("", "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [MemoryError(), jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")])
def test_what_does_not_fit_the_memory_is_no_fault(error, monkeypatch, capsys):
    def full(*args, **options):
        raise error

    monkeypatch.setattr(sx, "load_model", full)
    assert run("a b") == 2
    assert capsys.readouterr().err.startswith("spexjax: The memory is full")


def test_warnings_are_one_line_on_standard_error(tmp_path, monkeypatch, capsys):
    def warned(*args, **options):
        warnings.warn("mind\nthe \x1b[31mgap", stacklevel=1)
        raise ValueError("no\n more")

    monkeypatch.setattr(sx, "explain", warned)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run("a b", "--question", "Q", "--answers", "x", "y", "--out", str(tmp_path)) == 2
    assert capsys.readouterr().err == "spexjax: warning: mind the \\x1b[31mgap\nspexjax: no more\n"


def test_the_help_lists_methods_and_indices(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["explain", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert ", ".join(sx.methods.names()) in said
    assert ", ".join(sx.indices.INDICES) in said


def test_three_answers_have_a_page_and_a_table_each(tmp_path, capsys):
    options = ["--question", "Why?", "--answers", "x", "y", "a b", "--budget", "64", "--out", str(tmp_path / "o")]
    assert run(WORDS, *options) == 0
    out = capsys.readouterr().out
    assert out.count("FSII up to order 2") == 3
    assert out.startswith("x\n")
    page = (tmp_path / "o" / "explanation.html").read_text()
    assert page.count("<iframe") == 3
    assert sx.load(tmp_path / "o" / "value2").provenance["answers"] == ["a b"]
    assert run(WORDS, *options, "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert [value["name"] for value in record["values"]] == ["x", "y", "a b"]
    assert record["values"][1]["answers"] == ["y"]
    assert record["values"][0]["file"].endswith("explanation.json")
    stale, mine = tmp_path / "o" / "value3", tmp_path / "o" / "value4"
    shutil.copytree(tmp_path / "o" / "value2", stale)
    mine.mkdir()
    assert run(WORDS, *options) == 0
    assert not stale.exists()
    assert mine.exists()  # it is not ours
    assert run(WORDS, *options, "--target", "0.9") == 2
    assert "for several, give a --budget" in capsys.readouterr().err

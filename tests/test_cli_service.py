"""`spexjax explain --service`."""

import json

import pytest

pytest.importorskip("httpx")

import fake_service

from spexjax.cli import main
from spexjax.cli._main import _parser

TEXT = "The plot is not exactly bad, I think."
ASKED = ["--question", "Is it good?", "--answers", "Yes", "No", "--budget", "60", "--method", "lasso"]


@pytest.fixture(autouse=True)
def _no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))


def explain(url, out, *arguments):
    return main(["explain", TEXT, "--service", url, "--out", str(out), *ASKED, *arguments])


def test_a_service_is_explained_and_its_values_are_found_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-secret-1")
    with fake_service.FakeService(key="sk-secret-1") as fake:
        for known in (False, True):
            arguments = ["--model", "small", "--key-env", "MY_KEY", "--price", "0.1", "0.4", "--max-cost", "1"]
            assert explain(fake.url, tmp_path, *arguments) == 0
            out, err = capsys.readouterr()
            assert "60 asks, about" in err
            assert "at most" in err
            assert f"asks  {0 if known else 60} answers by" in out
            assert "not" in out
        assert fake.asks == 60
        assert fake.bodies[0]["model"] == "small"
        assert explain(fake.url, tmp_path, *arguments, "--json", "--quiet") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["model"] == "small"
    assert record["service"]["asks"] == 0
    assert not any(b"sk-secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--service needs --model"),
        (["--model", "m", "--no-template"], "has its own template"),
        (["--model", "m", "--max-cost", "1"], "--max-cost needs --price, of a million"),
        (["--model", "m", "--max-cost", "1", "--price", "1e6", "1e6"], "more than --max-cost 1; take a smaller budget"),
        (["--model", "m", "--features", "token"], "Tokens are known to a model alone"),
        (["--model", "m", "--method", "none"], "none"),
    ],
)
def test_what_is_wrong_is_said_before_an_ask(tmp_path, capsys, arguments, said):
    with fake_service.FakeService() as fake:
        assert explain(fake.url, tmp_path, *arguments) == 2
    assert said in capsys.readouterr().err
    assert fake.asks == 0


def test_a_service_that_refuses(tmp_path, capsys):
    with fake_service.FakeService(key="k") as fake:
        assert explain(fake.url, tmp_path, "--model", "m") == 2
    assert "refuses m (401); put a valid key into the environment variable OPENAI_API_KEY" in capsys.readouterr().err
    assert fake.asks == 1


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("take samples=20, or judge=, a function", "take --samples 20, or judge=, a function"),
        ("more than max_cost=1.", "more than --max-cost 1."),
        ("take samples= or judge=", "take --samples or judge="),
        ("the variable by key_env, at a rate", "the variable by --key-env, at a rate"),
        ("take features='word'.", "take --features word."),
        ("see sx.explain(budget=64)", "see sx.explain(budget=64)"),
        ("no /tmp/key_env here", "no /tmp/key_env here"),
    ],
)
def test_arguments_are_named_as_options(message, shown):
    assert _parser().parse_args(["explain", "a text"]).in_its_words(message) == shown

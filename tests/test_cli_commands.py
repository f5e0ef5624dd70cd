"""The commands that need no model, or only the tiny one: report, subset, heads, models, doctor, completion."""

import json
import shutil
import subprocess

import jax
import numpy as np
import pytest
from common import GOLDEN, all_masks

import spexjax as sx
from spexjax.ablations._text._units import KINDS
from spexjax.cli._main import main

TINY = str(GOLDEN / "tiny_llama3")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """An exact explanation of three features, `2 x0 x1 - x2`."""
    folder, masks = tmp_path_factory.mktemp("saved"), all_masks(3)
    values = 2.0 * masks[:, 0] * masks[:, 1] - masks[:, 2]
    sx.fit(masks, values, key=jax.random.key(0), feature_names=("not", "bad", "\x1b[31m")).save(folder)
    return folder


def out(capsys):
    return json.loads(capsys.readouterr().out)


def test_the_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"spexjax {sx.__version__}\n"


def test_a_saved_explanation_is_rendered_again(saved, tmp_path, capsys):
    asked = ["report", str(saved), "--index", "Moebius", "--order", "2"]
    assert main([*asked, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "Moebius up to order 2" in said
    assert "\x1b[31m" not in said
    assert "bad" in (tmp_path / "explanation.html").read_text(encoding="utf-8")
    assert main([*asked, "--json"]) == 0
    record = out(capsys)
    strongest = {tuple(each["names"]): each["value"] for each in record["interactions"][:2]}
    assert strongest == {("not", "bad"): pytest.approx(2), ("\x1b[31m",): pytest.approx(-1)}
    assert record["page"] == str(saved / "explanation.html")


def test_several_saved_explanations_are_ranked_again(saved, tmp_path, capsys):
    for name in ("0001", "0002"):
        shutil.copytree(saved, tmp_path / name)
    assert main(["report", str(tmp_path), "--json", "--quiet"]) == 0
    record = out(capsys)
    assert [each["folder"] for each in record["explanations"]] == ["0001", "0002"]
    assert "0002/explanation.html" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_subset_to_remove_and_to_keep(saved, capsys):
    assert main(["subset", str(saved), "--remove", "1"]) == 0
    assert "removing not" in capsys.readouterr().out
    assert main(["subset", str(saved), "--keep", "2", "--goal", "largest", "--json"]) == 0
    record = out(capsys)
    assert (record["kept_names"], record["status"]) == (["not", "bad"], "optimal")
    assert (record["full"], record["value"]) == (pytest.approx(1, abs=1e-5), pytest.approx(2, abs=1e-5))


def test_two_saved_explanations_are_compared(saved, tmp_path, capsys):
    masks = all_masks(3)
    other = -2.0 * masks[:, 0] * masks[:, 1] - masks[:, 2]
    names = sx.load(saved).feature_names
    sx.fit(masks, other, key=jax.random.key(0), feature_names=names).save(tmp_path / "other")
    asked = ["compare", str(saved), str(tmp_path / "other"), "--index", "Moebius", "--out", str(tmp_path)]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert str(tmp_path / "compare.html") in said
    assert (tmp_path / "compare.html").is_file()
    assert main([*asked, "--json"]) == 0
    record = out(capsys)
    assert record["sign_flips"] == [[0, 1]]
    assert record["changes"][0]["names"] == ["not", "bad"]
    assert record["changes"][0]["change"] == pytest.approx(-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "nowhere"], "There is no explanation at nowhere"),
        (["report", "{saved}", "--index", "FSI"], "did you mean FSII?"),
        (["subset", "{saved}", "--remove", "9"], "9"),
        (["heads", "A b", "--fill", "magic", "--answers", "x"], "Fill must be one of zero, mean, resample"),
        (["heads", "A b", "--model", "no-such/model"], "Prompt 1 has no answers"),
        (["heads", "A b", "--model", "no-such/model", "--answers", "x", "x"], "are the same"),
        (["heads", "A b", "--model", "no-such/model", "--answers", "x", "--value", "logit-difference"], "or more"),
        (["heads", "A b", "--model", "no-such/model", "--answers", "x", "--rescale", "--fill", "mean"], "Rescaling"),
        (["heads", " ", "--model", "no-such/model", "--answers", "x"], "A prompt is empty"),
        (["heads", "--file", "{prompts}"], 'Line 1 must be an object with "prompt"'),
        (["models", "nowhere"], None),
    ],
)
def test_bad_input_ends_with_two(arguments, message, saved, tmp_path, capsys):
    (tmp_path / "prompts").write_text('{"promt": "A"}\n', encoding="utf-8")
    places = {"saved": saved, "prompts": tmp_path / "prompts"}
    assert main([argument.format(**places) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert (message or "There is no file or folder nowhere") in " ".join((captured.err or captured.out).split())


def test_layers_that_are_not_there_are_not_all_listed(tmp_path, capsys):
    asked = ["heads", "A b", "--answers", "x", "y", "--model", TINY, "--out", str(tmp_path), "--quiet"]
    assert main([*asked, "--layers", "0-99999999999"]) == 2
    said = capsys.readouterr().err
    assert "Layers must be distinct numbers from 0 to 2, at least one of them; got 65,537 from 0 to 65536." in said


def test_heads_of_prompts(tmp_path, capsys):
    (tmp_path / "prompts").write_text('{"prompt": "one two"}\n\n{"prompt": "three", "answers": ["x", "z"]}\n')
    options = ["--model", TINY, "--quiet", "--method", "lasso", "--budget", "20", "--json", "--out", str(tmp_path)]
    assert main(["heads", "--file", str(tmp_path / "prompts"), "--answers", "x", "y", "--layers", "1", *options]) == 0
    record = out(capsys)
    assert record["feature_names"] == [f"L1.H{i}" for i in range(len(record["feature_names"]))]
    explanation = sx.load(tmp_path)
    assert explanation.provenance["prompts"] == ["one two", "three"]
    asked = ["one two", "three"], [("x", "y"), ("x", "z")]
    known = sx.ablations.components(sx.load_model(TINY), *asked, layers=[1])
    np.testing.assert_allclose(sx.evaluate(known, explanation.masks[:4]), explanation.values[:4], atol=1e-5)


def test_models_are_listed_without_reading_their_weights(capsys):
    assert main(["models", TINY, "--json"]) == 0
    record = out(capsys)
    (facts,), model = record["models"], sx.load_model(TINY)
    assert {"llama", "mistral", "qwen2"} <= set(record["families"])
    assert facts["family"] == "llama"
    assert facts["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(model.parameters))
    assert (facts["layers"], facts["context"]) == (model.config.num_layers, model.config.max_length)
    assert main(["models", TINY]) == 0
    assert "llama" in capsys.readouterr().out


def test_a_model_that_cannot_be_loaded_is_not_run(tmp_path, capsys):
    folder = shutil.copytree(TINY, tmp_path / "tiny")
    (folder / "tokenizer.json").unlink()
    assert main(["models", str(folder)]) == 2
    assert "has no tokenizer.json" in " ".join(capsys.readouterr().out.split())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 64}))
    assert main(["models", str(folder)]) == 2
    assert "the config asks for" in " ".join(capsys.readouterr().out.split())


def test_the_doctor(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SPEXJAX_CACHE", str(tmp_path))
    assert main(["doctor", "--json"]) == 0
    record = out(capsys)
    assert record["packages"]["jax"] == jax.__version__
    assert record["devices"][0]["count"] == len(jax.devices())
    assert record["caches"]["models"] == {"folder": str(tmp_path / "models"), "bytes": 0}
    assert record["self_test"]["problem"] is None
    monkeypatch.setattr(sx, "explain", lambda *args, **options: 1 / 0)
    assert main(["doctor"]) == 1
    assert "self-test failed: ZeroDivisionError" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(tmp_path, capsys):
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out, encoding="utf-8")

    def completed(*words):
        line = f"COMP_WORDS=({' '.join(words)} ''); COMP_CWORD={len(words)}; _spexjax"
        if words[-1].startswith("="):  # the word that is being typed
            line = f"COMP_WORDS=({' '.join(words[:-1])} {words[-1][1:]}); COMP_CWORD={len(words) - 1}; _spexjax"
        command = f"source {tmp_path / 'script'}; {line}; echo ${{COMPREPLY[@]}}"
        return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout.split()

    assert completed("spexjax", "=do") == ["doctor"]
    assert completed("spexjax", "explain", "--features") == [*KINDS, "token"]
    assert completed("spexjax", "heads", "--index") == list(sx.indices.INDICES)
    assert completed("spexjax", "subset", "=--ti") == ["--time-limit"]
    assert {"bash", "zsh", "fish"} <= set(completed("spexjax", "completion"))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_know_every_option(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("doctor", "time-limit", "proxyspex-gp", "resample"):
        assert word in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, text=True, check=False).returncode == 0

"""The summary of a sweep, its configuration, its estimate, its page, and the command that shows them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from common import GOLDEN
from sweep_games import Game, small

import spexjax as sx
from spexjax.cli import main

pytest.importorskip("pyarrow", reason="the table of a sweep needs pyarrow")
pytest.importorskip("yaml", reason="a configuration needs pyyaml")

CONFIG = """
inputs: {texts: ["a b c d e f", "x y z a b", "one two"]}
text: {question: Which, answer_prefix: so, answers: [x, y]}
models: MODEL
methods: least-squares
budgets: [20, 24]
folder: out
"""


@pytest.fixture
def config(tmp_path):
    """A sweep of a tiny model."""
    path = tmp_path / "sweep.yaml"
    path.write_text(CONFIG.replace("MODEL", str(GOLDEN / "tiny_llama3")))
    return path


def row(r2, *, number=0, error="", **more):
    numbers = {"ablations": 32, "seconds": 1.0, "budget": 32, "model": "m", "method": "a", "index": "SV"}
    return {"r2": r2, "input": number, "error": error, **numbers, **more}


def test_means_are_over_inputs():
    rows = [row(0.5), row(0.7), row(0.2, number=1), row(np.nan, number=2, error="No.")]
    (group,) = sx.sweep.summarise(rows)
    assert (group.explanations, group.failures) == (3, 1)
    assert group.r2 == pytest.approx((0.6 + 0.2) / 2)
    assert 0.2 <= group.low < group.r2 < group.high <= 0.6


def test_intervals_cover_the_mean():
    rng = np.random.default_rng(0)
    found = [
        sx.sweep.summarise([row(r, number=i) for i, r in enumerate(rng.normal(0.5, 0.1, 30))])[0] for _ in range(40)
    ]
    assert 0.85 <= np.mean([group.low <= 0.5 <= group.high for group in found]) <= 1
    assert np.mean([group.error for group in found]) == pytest.approx(0.1 / 30**0.5, rel=0.15)


def test_groups_that_nothing_is_known_of():
    (group,) = sx.sweep.summarise([row(np.nan, error="No.")])
    assert np.isnan([group.r2, group.low, group.high, group.ablations]).all()
    assert sx.sweep.summarise([]) == []
    with pytest.raises(ValueError, match="`by` names 'colour'"):
        sx.sweep.summarise([row(0.1)], ["colour"])


def test_an_estimate_is_what_is_spent(tmp_path):
    log = tmp_path / "log"
    before = sx.sweep.estimate(small(), tmp_path / "out", seconds_per_ablation=0.5, price_per_ablation=0.01)
    assert not (tmp_path / "out" / "parts").exists()
    sx.sweep.run(small(Game(log)), tmp_path / "out")
    spent = sum(int(line.split()[1]) for line in log.read_text().splitlines())
    assert (before.explanations, before.done, before.stored, before.failures) == (28, 0, 0, 4)
    assert before.ablations == spent
    assert before.seconds == pytest.approx(spent * 0.5)
    assert before.money == pytest.approx(spent * 0.01)
    more = sx.sweep.Sweep(range(7), lens=Game(), budgets=(24, 60), methods="least-squares", indices=("FSII", "FBII"))
    after = sx.sweep.estimate(more, tmp_path / "out", price_per_hour=3600.0)
    assert (after.explanations, after.done) == (28, 14)
    assert 0 < after.stored < after.ablations
    assert after.measured
    assert after.money == pytest.approx(after.seconds)
    assert f"{after.stored:,} ({after.stored / after.ablations:.0%}) in the store already" in str(after)
    unknown = sx.sweep.estimate(small(), tmp_path / "nowhere")
    assert "time unknown" in str(unknown)
    with pytest.raises(ValueError, match="`price_per_hour` is a number, finite and not below 0"):
        sx.sweep.estimate(small(), tmp_path, price_per_hour=-1.0)


def test_an_estimate_of_texts_asks_no_model(config, tmp_path, monkeypatch):
    def asked(*args, **kwargs):
        raise AssertionError("the model is asked")

    sweep = sx.sweep.read_config(config).sweep
    monkeypatch.setattr("spexjax.models._generate._following", asked)
    monkeypatch.setattr("spexjax.ablations._text._text.TextAblation.relevances", asked)
    assert sx.sweep.estimate(sweep, tmp_path / "out").failures == 0
    with pytest.raises(AssertionError, match="the model is asked"):
        sx.ablations.text(sx.load_model(GOLDEN / "tiny_llama3"), "a b c", question="Q", answers=["x", "y"])


def test_the_command(config, capsys):
    assert main(["sweep", str(config), "--dry-run", "--json"]) == 0
    estimate = json.loads(capsys.readouterr().out)
    assert (estimate["explanations"], estimate["stored"], estimate["seconds"]) == (6, 0, None)
    assert main(["sweep", str(config), "--quiet"]) == 0
    assert "6 explanations, model " in capsys.readouterr().out
    frame = sx.sweep.load(config.parent / "out")
    assert list(frame.error) == [""] * 6
    assert frame.features.max() == 6
    assert 0 < frame.evaluations.sum() <= frame[frame.budget == 24].ablations.sum(), "a larger budget asks what is new"
    assert main(["sweep", "report", str(config.parent / "out"), "--quiet", "--json"]) == 0
    page = Path(json.loads(capsys.readouterr().out)["page"])
    text = page.read_text()
    links = re.findall(r'<a href="([^"]*)"', text)
    assert len(links) == 6
    assert all((page.parent / link).is_file() for link in links)
    assert "{{" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_the_page_says_what_failed(tmp_path):
    sx.sweep.run(small(), tmp_path)
    text = sx.sweep.write_page(tmp_path, pages=False).read_text()
    assert text.count("Three is no game.</td>") == 4
    assert "4 explanations failed" in text
    assert text.count('<polygon class="band"') == 2
    assert "<a href" not in text
    with pytest.raises(ValueError, match="There is no sweep in"):
        sx.sweep.write_page(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("budgets: [20, 24]", "budgets: many", "`budgets`: .*many"),
        ("budgets: [20, 24]", "", "`budgets` is missing"),
        ("budgets", "budget", "`budget` is not a field"),
        ("methods: least-squares", "methods: [3]", "`methods` is a list of names"),
        ("methods: least-squares", "methods: least", "`methods`: There is no method 'least'"),
        ("question: Which", "colour: red", "`colour` is not an option of texts"),
        ("{texts: ", "{text: ", "`inputs` has no field 'text'"),
        ("texts: [", "file: nowhere.jsonl, limit: 3, texts: [", "`inputs` takes one of"),
        ('texts: ["a b c d e f", "x y z a b", "one two"]', "file: nowhere.jsonl", "`inputs.file` names .*nowhere"),
        ("folder: out", "folder: out\nexecutor: slurm", "`executor` is local or ray"),
        ("folder: out", "folder: out\nray: {gpus: 1}", "`ray.gpus` is not a field"),
        ("folder: out", "folder: out\nestimate: {price_per_hour: x}", "`estimate.price_per_hour` is a number"),
        ("folder: out", "folder: [out]", "`folder` is the name of a folder"),
        ("models: ", "models: {a: ", "is not YAML"),
        ("folder: out", "folder: out\nbudgets: [30]", "is not YAML: 'budgets' is given twice in .*line 8"),
        ("folder: out", "folder: out\nray: {num_cpus: 1}", "`ray` says what tasks of Ray need; add `executor: ray`"),
        ("folder: out", "folder: out\nexecutor: ray\nray: {num_cpus: -1}", "`num_cpus` of Ray's tasks is a number"),
        ("folder: out", "folder: out\nray: 0", "`ray` is a mapping; got 0"),
        ('two"]}', 'two"], column: x}', "`inputs.column` says nothing of texts; leave it out"),
        ("folder: out", 'folder: ""', "`folder` is the name of a folder; got ''"),
        ("folder: out", "folder: /proc/out", "Nothing can be written to /proc .*; give folder a folder of yours"),
        ("folder: out", "folder: out\nstore: /proc/out", "Nothing can be written to /proc .*; give store a folder"),
        ("folder: out", "folder: out\nestimate: {seconds_per_ablation: .inf}", "`estimate.seconds_per_ablation` is a"),
        ("budgets: [20, 24]", "budgets: [null]", "`budgets`: each is a whole number of ablations; got None"),
        ("[x, y]}", "[x, y], features: sentence}", "`inputs`, number 0: The text has 1 unit; at least two"),
    ],
)
def test_a_bad_configuration_is_one_sentence(config, capsys, old, new, said, unchecked):
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new, 1))
    assert main(["sweep", str(config)]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error), error
    assert error.count("\n") == 1
    assert not (config.parent / "out").exists()


def test_inputs_of_files(config, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a b c"}\n{"text": "d e f", "question": "Why"}\n')
    (tmp_path / "a.csv").write_text("n,review\n1,a b c\n2,d e f\n")
    whole = config.read_text()
    for source, count in (("file: a.jsonl", 2), ("file: a.csv, column: review", 2), ("file: a.jsonl, limit: 1", 1)):
        config.write_text(re.sub(r"inputs: .*", f"inputs: {{{source}}}", whole))
        sweep = sx.sweep.read_config(config).sweep
        assert [each.text for each in sweep.inputs] == ["a b c", "d e f"][:count]
    config.write_text(re.sub(r"inputs: .*", "inputs: {file: a.csv}", whole))
    with pytest.raises(ValueError, match=r"`inputs.column` is missing"):
        sx.sweep.read_config(config)


def test_a_column_of_objects(config, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"review": "a b c", "label": 1}\n{"review": "d e f"}\n')
    whole = config.read_text()
    config.write_text(re.sub(r"inputs: .*", "inputs: {file: a.jsonl, column: review}", whole))
    assert [each.text for each in sx.sweep.read_config(config).sweep.inputs] == ["a b c", "d e f"]
    config.write_text(re.sub(r"inputs: .*", "inputs: {file: a.jsonl, column: text}", whole))
    with pytest.raises(ValueError, match="Line 1: it has no entry 'text'; its entries are review, label"):
        sx.sweep.read_config(config)
    (tmp_path / "a.csv").write_text("review,review\na b,c d\n")
    config.write_text(re.sub(r"inputs: .*", "inputs: {file: a.csv, column: review}", whole))
    with pytest.raises(ValueError, match="has 2 columns 'review'"):
        sx.sweep.read_config(config)


def test_where_all_fail_the_exit_code_says_so(config, capsys):
    model = str(GOLDEN / "tiny_llama3")
    config.write_text(config.read_text().replace(model, "nowhere/at/all"))
    assert main(["sweep", str(config), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "6 explanations will fail before the first ablation:\n  6 times: " in said
    assert main(["sweep", str(config), "--quiet"]) == 2
    said = capsys.readouterr()
    assert "6 explanations, 6 of them failed" in said.out
    assert "6 of 6 explanations failed; the column error says why, and --retry tries again." in said.err


def test_models_are_named_from_where_the_file_is(config, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    config.write_text(CONFIG.replace("MODEL", "[mine, smollm2]"))
    monkeypatch.chdir("/")
    found = sx.sweep.read_config(config).sweep
    assert dict(found.models) == {"mine": str(tmp_path / "mine"), "smollm2": "smollm2"}


def test_models_that_are_none(config):
    for wrong, said in (
        ("[., .]", "'.' is there twice"),
        ("[]", "is empty"),
        ('[""]', "are names"),
        (r'"\0"', "names"),
    ):
        config.write_text(CONFIG.replace("MODEL", wrong))
        with pytest.raises(ValueError, match=said):
            sx.sweep.read_config(config)


def test_an_estimate_of_a_share(config, capsys):
    found = []
    for options in ([], ["--share", "0/2"], ["--share", "1/2"]):
        assert main(["sweep", str(config), "--dry-run", "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["explanations"])
    assert found == [6, 6, 0], "three inputs are one block"


def test_the_summary_fits_a_terminal():
    from rich.console import Console

    key = {"model": "/a/long/path/to/models/SmolLM2-135M-Instruct", "method": "proxyspex-fast", "index": "FSII"}
    groups = [
        sx.sweep.Group(
            {**key, "model": f"{key['model']}-{i}.gguf", "budget": 2048}, 12, 4, -0.05, -0.1, 0.3, 0.02, 9.0, 9.0
        )
        for i in range(2)
    ]
    groups.append(groups[0]._replace(key={**key, "budget": 64, "method": "auto"}))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(sx.sweep.summary_table(groups))
    shown = captured.get()
    for whole in ("mean R²", "seconds", "2,048", "−0.050", "−0.10 to 0.30", "-0.gguf", "proxyspex-fast"):
        assert whole in shown


def test_inputs_of_a_data_set(config, tmp_path):
    datasets = pytest.importorskip("datasets", reason="data sets need the package datasets")
    rows = {"review": ["a b c", "d e f"], "label": [0, 1]}
    datasets.DatasetDict({"test": datasets.Dataset.from_dict(rows)}).save_to_disk(tmp_path / "set")
    source = f"inputs: {{dataset: {tmp_path / 'set'}, split: test, column: review}}"
    whole = config.read_text()
    config.write_text(re.sub(r"inputs: .*", source, whole))
    assert [each.text for each in sx.sweep.read_config(config).sweep.inputs] == rows["review"]
    config.write_text(re.sub(r"inputs: .*", source.replace("review", "text"), whole))
    with pytest.raises(ValueError, match=r"`inputs.column` is 'text'; the columns of .* are review, label"):
        sx.sweep.read_config(config)

"""A sweep: its rows are what `explain` gives, what fails is a row, what has been done is not done again."""

import json

import jax
import numpy as np
import pytest
from sweep_games import Game, small, values_of

import spexjax as sx

pytest.importorskip("pyarrow", reason="the table of a sweep needs pyarrow")


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    return sx.sweep.run(small(), folder)


def test_rows_are_what_explain_gives(swept):
    frame = sx.sweep.load(swept.folder)
    row = frame[(frame.input == 5) & (frame.budget == 48) & (frame["index"] == "FSII")].iloc[0]
    key = jax.random.fold_in(jax.random.key(0), 5)
    alone = sx.explain(Game()(5, None), budget=48, key=key, method="least-squares", index="FSII")
    kept = sx.load(swept.folder / "explanations" / row.id)
    np.testing.assert_array_equal(kept.values, alone.values)
    np.testing.assert_array_equal(kept.masks, alone.masks)
    assert row.r2 == alone.faithfulness.r2 == kept.faithfulness.r2
    texts = [file.read_text() for file in (swept.folder / "indices").iterdir()]
    lines = [json.loads(line) for text in texts for line in text.splitlines()]
    (table,) = [sx.Interactions.from_json(json.dumps(line["table"])) for line in lines if line["id"] == row.id]
    assert table.to_dict() == alone.interactions("FSII", 2).to_dict()
    assert row.strongest_value == alone.interactions("FSII", 2).top(1).values[0]


def test_a_failure_is_a_row(swept):
    frame = sx.sweep.load(swept.folder)
    assert len(frame) == 28
    assert list(frame[frame.input == 3].error) == ["Three is no game."] * 4
    assert (swept.explanations, swept.failures, swept.complete) == (28, 4, True)
    assert (frame[frame.input != 3].error == "").all()


def test_the_table_is_parquet_and_the_picture_is_there(swept):
    import pandas as pd

    pd.testing.assert_frame_equal(pd.read_parquet(swept.folder / "table.parquet"), sx.sweep.load(swept.folder))
    assert (swept.folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_is_done_is_not_done_again_and_a_sweep_grows(swept, tmp_path):
    log = tmp_path / "log"
    before = {part.name: part.stat().st_mtime_ns for part in (swept.folder / "parts").iterdir()}
    assert sx.sweep.run(small(Game(log)), swept.folder).explanations == 28
    assert not log.exists()
    grown = sx.sweep.run(small(Game(log), range(8)), swept.folder)
    assert (grown.explanations, grown.failures) == (32, 4)
    assert {line.split()[0] for line in log.read_text().splitlines()} == {"7"}
    after = {part.name: part.stat().st_mtime_ns for part in (swept.folder / "parts").iterdir()}
    assert before.items() <= after.items()


def test_a_torn_part_is_made_again_from_the_store(tmp_path):
    sx.sweep.run(small(), tmp_path)
    whole = values_of(tmp_path)
    torn, other = sorted((tmp_path / "parts").iterdir())[:2]
    torn.write_bytes(torn.read_bytes()[:-7])
    other.write_bytes(b"")
    assert len(sx.sweep.load(tmp_path)) < 28
    log = tmp_path / "log"
    sx.sweep.run(small(Game(log)), tmp_path)
    assert values_of(tmp_path).equals(whole)
    assert not log.exists(), "all values are in the store"


def test_retry_makes_what_failed(tmp_path):
    calls = []

    def lens(number, model):
        calls.append(number)
        if len(calls) < 3:
            raise OSError("it is down")
        return Game()(number, model)

    sweep = sx.sweep.Sweep([0, 1], budgets=32, methods="least-squares", lens=lens)
    assert sx.sweep.run(sweep, tmp_path).failures == 2
    assert sx.sweep.run(sweep, tmp_path).failures == 2, "a failure is left alone"
    assert sx.sweep.run(sweep, tmp_path, retry=True).failures == 0
    assert calls == [0, 1, 0, 1]


def test_a_store_that_fails_ends_the_sweep(tmp_path):
    (tmp_path / "store").write_text("no folder")
    with pytest.raises(OSError, match="store"):
        sx.sweep.run(small(), tmp_path / "sweep", store=tmp_path / "store")
    (tmp_path / "store").unlink()
    assert sx.sweep.run(small(), tmp_path / "sweep", store=tmp_path / "store").failures == 4


def test_a_sweep_that_only_failed_is_given_up(tmp_path):
    unable = sx.sweep.run(small(inputs=[3]), tmp_path)
    assert (unable.explanations, unable.failures, unable.first_failure) == (4, 4, "Three is no game.")
    assert sx.sweep.estimate(small(inputs=[3]), tmp_path).failed == 4
    assert "4 of them done, of which 4 failed" in str(sx.sweep.estimate(small(inputs=[3]), tmp_path))
    assert sx.sweep.estimate(small(inputs=[3]), tmp_path, retry=True).failed == 0
    able = sx.sweep.run(small(inputs=[5]), tmp_path)
    assert (able.explanations, able.failures, able.complete) == (4, 0, True)
    with pytest.raises(ValueError, match="holds another sweep"):
        sx.sweep.run(small(inputs=[6]), tmp_path)


def test_one_value_that_is_not_finite_fails_alone(tmp_path):
    def lens(number, model):
        bad = sx.ablations.host_function(lambda masks: masks.sum(1) / 0.0 * 0, 6, fingerprint="bad")
        return bad if number == 1 else Game()(number, model)

    with np.errstate(all="ignore"):
        sx.sweep.run(sx.sweep.Sweep([0, 1, 2], budgets=32, methods="least-squares", lens=lens), tmp_path)
    errors = list(sx.sweep.load(tmp_path).error)
    assert errors[0] == errors[2] == ""
    assert "not finite" in errors[1]


def test_two_shares_are_the_whole(swept, tmp_path):
    first = sx.sweep.run(small(), tmp_path, share=(0, 2))
    assert 0 < first.explanations < 28
    assert not first.complete
    assert sx.sweep.run(small(), tmp_path, share=(1, 2)).complete
    assert values_of(tmp_path).equals(values_of(swept.folder)[lambda frame: frame.input < 7].reset_index(drop=True))


def test_ablations_are_inputs(tmp_path):
    sweep = sx.sweep.Sweep((Game()(i, None) for i in range(2)), budgets=[32], methods=["least-squares"])
    assert sx.sweep.run(sweep, tmp_path).failures == 0
    assert list(sx.sweep.load(tmp_path).features) == [9, 9]


def test_grids_of_numpy(unchecked):
    grid = {"budgets": np.array([24, 48]), "seeds": np.arange(1), "max_order": np.int64(2), "batch": np.int32(3)}
    names = {"methods": np.array(["least-squares"]), "indices": np.array(["FSII", "FBII"])}
    assert sx.sweep.Sweep(range(7), lens=Game(), **grid, **names).ids() == small().ids()


def test_lines_of_progress(tmp_path, capsys):
    sx.sweep.run(small(), tmp_path, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("28 of 28 explanations, 4 failures, ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budgets": []}, "`budgets` is empty"),
        ({"budgets": [1]}, "`budgets`: A budget of 1 is too small"),
        ({"budgets": [32, 32]}, "`budgets`: 32 is there twice"),
        ({"budgets": [10**30]}, "`budgets`: each is below 2"),
        ({"indices": ["FSII", "fsii"]}, "`indices`: 'FSII' is there twice"),
        ({"methods": [sx.methods.from_proxy(sx.proxies.lasso(), name="a\n")]}, "`methods`: 'a.n' cannot be printed"),
        ({"asked": None}, "`asked` maps options of texts"),
        ({"inputs": 5}, "`inputs` takes several inputs"),
        ({"lens": 5}, "`lens` is a function of an input and a model; got 5"),
        ({"methods": ["laso"]}, "`methods`: There is no method 'laso'"),
        ({"indices": ["FS"]}, "`indices`: .*'FS'"),
        ({"max_order": 0}, "`max_order`: "),
        ({"seeds": [-1]}, "`seeds` are whole numbers"),
        ({"batch": 0}, "`batch` is how many"),
        ({"inputs": []}, "`inputs` is empty"),
        ({"inputs": ["a b", 3]}, "Input 1 of `inputs` must be a text"),
        ({"inputs": [""]}, "`inputs`, number 0: The text is empty"),
        ({"asked": {"colour": 1}}, "`colour` is not an option of texts"),
        ({"models": []}, "`models` is empty"),
        ({"models": {"half \ud800": None}}, "`models` are names"),
        ({"budgets": [None]}, "`budgets`: each is a whole number of ablations; got None"),
        ({"budgets": [True]}, "`budgets`: each is a whole number of ablations; got True"),
        ({"asked": {"answers": {1, 2}}}, "`asked` must be of JSON values"),
        ({"inputs": [sx.ablations.host_function(len, 3)]}, "Input 0 of `inputs` has no fingerprint"),
    ],
)
def test_what_is_wrong_is_said_at_once(options, said, unchecked):
    with pytest.raises(ValueError, match=said):
        sx.sweep.Sweep(**{"inputs": ["a b c"], "budgets": [32], **options})


@pytest.mark.parametrize("share", ["0/2", (0.5, 2), (2, 2), (0,), (True, 2), 3])
def test_a_share_is_two_whole_numbers(share, tmp_path, unchecked):
    for ask in (sx.sweep.run, sx.sweep.estimate):
        with pytest.raises(ValueError, match="`share` is \\(k, hosts\\), whole numbers"):
            ask(small(), tmp_path, share=share)


def test_other_arguments_of_another_kind(tmp_path, unchecked):
    with pytest.raises(ValueError, match=r"`sweep` is an sx\.sweep\.Sweep; got list"):
        sx.sweep.run([1], tmp_path)
    for seconds in ("a", float("inf"), True):
        with pytest.raises(ValueError, match="`seconds_per_ablation` is a number, finite and not below 0"):
            sx.sweep.estimate(small(), tmp_path, seconds_per_ablation=seconds)
    for folder in (None, 5, "", "a\0b", "half \ud800"):
        for ask in (sx.sweep.run, sx.sweep.estimate):
            with pytest.raises(ValueError, match="`folder` is the name of a folder"):
                ask(small(), folder)
    assert not list(tmp_path.iterdir())


def test_inputs_of_numpy():
    given = sx.sweep.Sweep(np.arange(7), lens=Game(), budgets=32)
    assert given.ids() == sx.sweep.Sweep(range(7), lens=Game(), budgets=32).ids()

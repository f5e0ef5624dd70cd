"""What changes under a sweep: its lens, its model, a method of the same name, its folder; rows are never another's."""

import dataclasses
import json
import shutil
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from common import GOLDEN
from sweep_games import NUM_FEATURES, Game, small, values_of

import spexjax as sx

pytest.importorskip("pyarrow", reason="the table of a sweep needs pyarrow")


class Scaled(Game):
    """The same games, all values multiplied."""

    def __init__(self, scale, log=None):
        super().__init__(log)
        self.scale = scale

    def __call__(self, number, model):
        ablation = super().__call__(number, model)
        fingerprint = f"{ablation.fingerprint} times {self.scale}"
        value = ablation.apply
        return sx.ablations.host_function(
            lambda masks: self.scale * value(None, masks), NUM_FEATURES, fingerprint=fingerprint, batch_size=16
        )


def of(lens, **more):
    return sx.sweep.Sweep([0, 1], **{"budgets": 32, "methods": "least-squares", "lens": lens, **more})


def first_value(folder):
    return float(sx.sweep.load(folder).strongest_value[0])


def test_another_lens_is_asked_again(tmp_path):
    sx.sweep.run(of(Scaled(1.0)), tmp_path)
    before = first_value(tmp_path)
    sx.sweep.run(of(Scaled(3.0)), tmp_path)
    assert first_value(tmp_path) == pytest.approx(3 * before)
    assert sx.sweep.estimate(of(Scaled(3.0)), tmp_path).done == 2
    assert sx.sweep.estimate(of(Scaled(4.0)), tmp_path).done == 0
    lines = [json.loads(line) for file in (tmp_path / "indices").iterdir() for line in file.read_text().splitlines()]
    assert len(lines) == len({line["id"] for line in lines}) == 2, "what is out of date is not beside what is not"


def test_rows_that_cannot_be_held_against_their_lens_stay(tmp_path):
    sx.sweep.run(of(Scaled(1.0)), tmp_path)
    before = values_of(tmp_path)

    def broken(number, model):
        raise OSError("it is down")

    assert sx.sweep.run(of(broken), tmp_path).failures == 0
    assert values_of(tmp_path).equals(before)


def test_another_model_of_the_same_name_is_asked_again(tmp_path):
    def lens(number, model):
        weights = np.arange(5.0) + number
        return sx.ablations.function(lambda m: m @ jnp.asarray(weights) * model, 5, fingerprint=f"{number} {model}")

    for model in (1.0, 2.0):
        sx.sweep.run(of(lens, models={"m": model}), tmp_path)
    assert first_value(tmp_path) == pytest.approx(2 * 4.0, rel=1e-3)


def test_another_model_at_the_same_path_is_asked_again(tmp_path):
    model = tmp_path / "model"
    asked = {"question": "Which", "answer_prefix": "so", "answers": ["x", "y"]}

    def swept(name):
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(GOLDEN / name, model)
        sweep = sx.sweep.Sweep(
            ["a b c d e", "f g h"], budgets=20, models=[str(model)], methods="least-squares", asked=asked
        )
        before = sx.sweep.estimate(sweep, tmp_path / "out").done
        sx.sweep.run(sweep, tmp_path / "out")
        return before, values_of(tmp_path / "out")

    before, first = swept("tiny_llama3")
    assert before == 0
    before, same = swept("tiny_llama3")
    assert before == 2
    assert same.equals(first)
    before, other = swept("tiny_mistral")
    assert before == 0
    assert set(other.fingerprint).isdisjoint(first.fingerprint)


def test_methods_of_one_name_are_told_apart(tmp_path):
    def proxy(scale):
        def mean(masks, values, key):
            constant = sx.Spectrum.from_dict({(): scale * values.mean()}, num_features=masks.shape[1])
            return sx.Fit(constant, constant(masks), {})

        return mean

    with pytest.raises(ValueError, match="`methods`: there are two named 'mean'; "):
        of(Game(), methods=[proxy(1.0), proxy(2.0)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two = [sx.methods.from_proxy(proxy(s), name=f"mean {s}") for s in (1.0, 2.0)]
        sx.sweep.run(of(Game(), methods=two), tmp_path / "two")
    assert sx.sweep.load(tmp_path / "two").r2.nunique() == 4
    once, again = (of(Game(), methods=proxy(s)) for s in (1.0, 2.0))
    assert set(once.ids()).isdisjoint(again.ids())
    assert once.ids() == of(Game(), methods=proxy(1.0)).ids()


@dataclasses.dataclass
class Unknown:
    """A method whose code cannot be told."""

    name = "unknown"
    design = sx.methods.get("lasso").design
    fit = sx.methods.get("lasso").fit


def test_a_method_that_only_its_name_tells_is_warned_of():
    with pytest.warns(UserWarning, match="Nothing but its name tells the method 'unknown' from another one"):
        of(Game(), methods=Unknown())


def test_another_sweep_in_the_folder_is_refused(tmp_path):
    sx.sweep.run(small(), tmp_path)
    whole = values_of(tmp_path)
    for other in (of(Game(), budgets=40), of(Game(), methods="lasso")):
        for ask in (sx.sweep.run, sx.sweep.estimate):
            with pytest.raises(ValueError, match="holds another sweep, of 28 explanations, none"):
                ask(other, tmp_path)
    assert values_of(tmp_path).equals(whole)


def test_two_sweeps_at_once_each_write_their_own_table(tmp_path):
    inner = of(Game(), budgets=(24, 40))

    class Nested(Game):
        def __call__(self, number, model):
            if number == 1 and not (tmp_path / "done").exists():
                (tmp_path / "done").touch()
                sx.sweep.run(inner, tmp_path)
            return super().__call__(number, model)

    with pytest.warns(UserWarning, match="Another sweep was begun in .* meanwhile"):
        swept = sx.sweep.run(of(Nested(), budgets=24), tmp_path)
    assert swept.complete
    assert list(sx.sweep.load(tmp_path).budget) == [24, 24]


@pytest.mark.parametrize("damage", ["missing", "torn", "indices"])
def test_an_explanation_that_is_damaged_is_made_again(tmp_path, damage):
    sx.sweep.run(of(Game()), tmp_path)
    whole, row = values_of(tmp_path), sx.sweep.load(tmp_path).id[0]
    file = tmp_path / "explanations" / row / "explanation.json"
    if damage == "missing":
        file.unlink()
    elif damage == "torn":
        file.write_bytes(file.read_bytes()[:-9])
    else:
        (index,) = (tmp_path / "indices").iterdir()
        index.write_text("")
    log = tmp_path / "log"
    assert sx.sweep.estimate(of(Game(str(log))), tmp_path).done == (0 if damage == "indices" else 1)
    sx.sweep.run(of(Game(str(log))), tmp_path)
    assert values_of(tmp_path).equals(whole)
    assert not log.exists(), "all values are in the store"
    sx.load(file)
    lines = [json.loads(line) for part in (tmp_path / "indices").iterdir() for line in part.read_text().splitlines()]
    assert sorted(line["id"] for line in lines) == sorted(whole.id)


def test_a_damaged_manifest_is_no_sweep(tmp_path):
    sx.sweep.run(of(Game()), tmp_path)
    for content in ('{"format":1}', "[]", "{", '{"format": 1, "ids": 3, "grid": {}}'):
        (tmp_path / "sweep.json").write_text(content)
        with pytest.raises(ValueError, match="There is no sweep in"):
            sx.sweep.load(tmp_path)
    assert sx.sweep.run(of(Game()), tmp_path).complete
    (tmp_path / "sweep.json").write_text('{"format": 2}')
    with pytest.raises(ValueError, match="of a later spexjax"):
        sx.sweep.run(of(Game()), tmp_path)


def test_a_lens_without_fingerprints_fails_before_anything_is_spent(tmp_path):
    calls = []

    def lens(number, model):
        return sx.ablations.host_function(lambda masks: calls.append(len(masks)) or masks.sum(1), 6)

    sx.sweep.run(of(lens), tmp_path)
    assert set(sx.sweep.load(tmp_path).error) == {
        "The lens gives ablations without a fingerprint, so no restart would know their values."
    }
    assert calls == []


def test_another_chat_template_is_another_model(tmp_path):
    model, asked = tmp_path / "model", {"question": "Which", "answer_prefix": "so", "answers": ["x", "y"]}
    shutil.copytree(GOLDEN / "tiny_llama3", model)

    def swept():
        how = {"budgets": 20, "models": [str(model)], "methods": "least-squares", "asked": asked}
        sx.sweep.run(sx.sweep.Sweep(["a b c d e"], **how), tmp_path / "out")
        return values_of(tmp_path / "out").fingerprint[0]

    before = swept()
    (model / "chat_template.jinja").write_text("{% for m in messages %}Z {{ m['content'] }}{% endfor %}")
    assert swept() != before


def test_a_method_that_reads_its_own_attribute(tmp_path):
    def mean(masks, values, key):
        constant = sx.Spectrum.from_dict({(): mean.scale * float(values.mean())}, num_features=masks.shape[1])
        return sx.Fit(constant, constant(masks), {})

    ids = []
    for mean.scale in (1.0, 2.0):
        ids.append(of(Game(), methods=mean).ids())
    assert set(ids[0]).isdisjoint(ids[1])


def test_an_index_that_is_registered_anew_changes_the_rows_of_a_sweep(monkeypatch):
    monkeypatch.setattr("spexjax.indices._index._INDICES", {**sx.indices._index._INDICES})
    monkeypatch.setattr("spexjax.indices._index._SPELLINGS", {**sx.indices._index._SPELLINGS})

    def registered(scale):
        sx.indices.register(sx.Index("mine", lambda s, t, k: scale))

    registered(1)
    sweep = of(Game(), indices=["mine"])
    before = sweep.ids()
    assert sweep.ids() == before
    registered(2)
    assert set(sweep.ids()).isdisjoint(before)


def test_a_failure_is_tried_again_where_its_lens_has_changed(tmp_path):
    def lens(number, model):
        bad = sx.ablations.host_function(lambda masks: masks.sum(1) / 0.0 * 0, 6, fingerprint="bad")
        return bad if number == 1 else Game()(number, model)

    with np.errstate(all="ignore"):
        assert sx.sweep.run(of(lens), tmp_path).failures == 1
        assert sx.sweep.run(of(lens), tmp_path).failures == 1
    assert sx.sweep.run(of(Game()), tmp_path).failures == 0


def lines_of(folder):
    return sorted(
        json.loads(line)["id"] for file in (folder / "indices").iterdir() for line in file.read_text().splitlines()
    )


def test_another_batch_leaves_one_line_of_indices_for_each_row(tmp_path):
    def twelve(batch):
        return sx.sweep.Sweep(range(4, 16), budgets=32, methods="least-squares", lens=Game(), batch=batch)

    sx.sweep.run(twelve(3), tmp_path)
    whole = values_of(tmp_path)
    for damaged in (0, 2):
        part = sorted((tmp_path / "parts").iterdir())[damaged]
        part.unlink() if damaged else part.write_bytes(part.read_bytes()[:-5])
        sx.sweep.run(twelve(5), tmp_path)
        assert values_of(tmp_path).equals(whole)
        assert lines_of(tmp_path) == sorted(whole.id)


def test_two_runs_of_one_sweep_at_once_leave_one_row_each(tmp_path):
    def sweep(lens, batch):
        return sx.sweep.Sweep([0, 1, 2], budgets=32, methods="least-squares", lens=lens, batch=batch)

    class Twice(Game):
        def __call__(self, number, model):
            if number == 2 and not (tmp_path / "values" / "again").exists():
                (tmp_path / "values").mkdir(exist_ok=True)
                (tmp_path / "values" / "again").touch()
                sx.sweep.run(sweep(Game(), 2), tmp_path)
            return super().__call__(number, model)

    assert sx.sweep.run(sweep(Twice(), 3), tmp_path).complete is True
    sx.sweep.run(sweep(Twice(), 3), tmp_path)
    assert lines_of(tmp_path) == sorted(sx.sweep.load(tmp_path).id)


def test_the_share_that_ends_last_writes_the_whole_table(tmp_path, monkeypatch):
    import pandas as pd

    from spexjax.sweep import _run

    summarise = _run.summarise

    def slow(rows, by):
        monkeypatch.setattr(_run, "summarise", summarise)
        sx.sweep.run(small(), tmp_path, share=(1, 2))  # while the other one writes its table
        return summarise(rows, by)

    monkeypatch.setattr(_run, "summarise", slow)
    assert sx.sweep.run(small(), tmp_path, share=(0, 2)).complete
    assert len(pd.read_parquet(tmp_path / "table.parquet")) == 28

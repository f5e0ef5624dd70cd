"""The mechanistic lens against torch with hooks (golden), a plain pass a prompt, and its own parts."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import GOLDEN
from flax import nnx

from spexjax import ablations, explain, explain_each, load, load_model
from spexjax.ablations._components._fill import FILLS, Resample
from spexjax.ablations._components._prompt_set import plant, read
from spexjax.evaluation import evaluate, run
from spexjax.models import Gates, Prefix
from spexjax.report import html, interaction_table

PROMPTS = ["The quick brown fox", "The quick brown dog paid $67.89", "The quick fox", "I'd say we'll see"]
ANSWERS = ("e", "a")
CASES = [("tiny_llama3", fill, rescale) for fill, rescale in (("zero", 0), ("zero", 1), ("mean", 0), ("resample", 0))]


def joint(record):
    """Masks of the units "head+mlp"."""
    heads, mlps = np.array(record["heads"], bool), np.array(record["mlps"], bool)
    return np.concatenate([heads, mlps[..., None]], -1).reshape(len(heads), -1)


@pytest.mark.parametrize(("name", "fill", "rescale"), [*CASES, ("tiny_qwen2", "resample", 0)])
def test_torch_with_hooks_says_the_same(name, fill, rescale, golden):
    record, model, rescale = golden("gated"), load_model(GOLDEN / name), bool(rescale)
    (case,) = [c for c in record["cases"] if (c["model"], c["fill"], c["rescale"]) == (name, fill, rescale)]
    values = {"logit-difference": record["answers"], "accuracy": record["answers"], "log-probability": "e"}
    for value, answers in values.items() if (fill, rescale) == ("zero", True) else list(values.items())[:1]:
        options = {"units": "head+mlp", "fill": fill, "rescale": rescale, "value": value}
        ablation = ablations.components(model, record["prompts"], answers, **options)
        np.testing.assert_allclose(evaluate(ablation, joint(record)), case[value], atol=2e-4)


@pytest.fixture(scope="module")
def plain(tiny):
    """Logits of one sequence after each of its tokens, alone and unpacked, padded so that one program serves all."""

    @jax.jit
    def logits(tokens, gates):
        network, row = nnx.merge(tiny.graph, tiny.parameters), jnp.arange(40, dtype=jnp.int32)[None]
        hidden, _ = network(tokens, row, jnp.full_like(row, 40), Prefix.empty(tiny.config, jnp.float32), gates)
        return network.logits(hidden[0])

    return lambda ids, gates: np.asarray(logits(np.pad(ids, (0, 40 - len(ids)))[None], gates))[: len(ids)]


@pytest.mark.parametrize("value", ["log-probability", "accuracy"])
def test_answers_of_several_tokens_and_late_layers(tiny, plain, value):
    """Answers of different lengths, one a prompt, with the layers below the first feature run once."""
    answers = [(" jumps",), ("e",), ("xyz over",), ("! " * 14,)]  # the last is longer than its prompt
    ablation = ablations.components(tiny, PROMPTS, answers, layers=[1, 2], value=value)
    if value == "accuracy":  # one answer that the model gives, and three that it does not
        best = plain(ablation.prompts.prompts[0], Gates.open(tiny.config))[-1].argmax()
        given = ((int(best),),), *ablation.prompts.answers[1:]
        ablation = dataclasses.replace(ablation, prompts=ablation.prompts._replace(answers=given))
    assert ablation.feature_names[:5] == ("L1.H0", "L1.H1", "L1.H2", "L1.H3", "L2.H0")
    masks = np.array([[1] * 8, [1, 0, 0, 1, 1, 0, 1, 1]], bool)
    values = evaluate(ablation, masks)
    for mask, found in zip(masks, values, strict=True):
        gates = Gates(jnp.ones((3, 4)).at[1:].set(mask.reshape(2, 4)), jnp.ones(3))
        expected = []
        for ids, (answer,) in zip(ablation.prompts.prompts, ablation.prompts.answers, strict=True):
            logits = plain((*ids, *answer[:-1]), gates)[len(ids) - 1 :]
            log_p = jax.nn.log_softmax(logits)[np.arange(len(answer)), list(answer)].sum()
            expected.append(log_p if value == "log-probability" else np.all(logits.argmax(-1) == answer))
        np.testing.assert_allclose(found, np.mean(expected), atol=1e-4)
    assert value != "accuracy" or values[0] == 0.25


def test_units_are_the_same_components_seen_otherwise(tiny):
    options = {"model": tiny, "prompts": PROMPTS, "answers": ANSWERS}
    head, mlp, layer, both = (
        ablations.components(units=units, **options) for units in ("head", "mlp", "layer", "head+mlp")
    )
    assert [a.num_features for a in (head, mlp, layer, both)] == [12, 3, 3, 15]
    assert both.feature_names[3:6] == ("L0.H3", "L0.MLP", "L1.H0")
    assert layer.feature_names == ("L0", "L1", "L2")
    kept = np.array([True, False, True])
    parts = np.ones((4, 3, 5), bool)
    parts[0, 1, :4], parts[1, 1, 4], parts[2, 1] = False, False, False
    found = evaluate(both, parts.reshape(4, 15))
    alone = [evaluate(a, m[None])[0] for a, m in ((head, np.repeat(kept, 4)), (mlp, kept), (layer, kept))]
    np.testing.assert_allclose(found[:3], alone, atol=1e-5)
    assert len({round(float(v), 3) for v in found}) == 4
    assert len({a.fingerprint for a in (head, mlp, layer, both)}) == 4


def test_one_program_for_all_masks_and_few_nodes(tiny, monkeypatch):
    module = importlib.import_module("spexjax.ablations._components._components")
    monkeypatch.setattr(module, "nodes_that_fit", lambda *_: 200)
    prompts = [f"The quick brown fox jumps over the lazy dog. {w}" for w in ("It", "It's", "In", "I")]
    ablation = ablations.components(tiny, prompts, ANSWERS)
    masks = np.random.default_rng(0).random((11, 12)) < 0.5
    first = run(ablation, masks)
    assert first.num_programs == 1
    again = run(ablation, masks[::-1])
    assert again.compile_seconds < 0.2
    np.testing.assert_allclose(again.values[::-1], first.values, atol=1e-5)
    sizes = {(len(b.inputs), b.capacity) for b in ablation.plan(masks).batches}
    assert len(sizes) == 1
    assert not list(ablation.plan(masks[:0]).batches)
    assert sizes.pop()[0] > 1
    tokens = sum(map(len, ablation.prompts.prompts))
    assert plant(ablation.prompts).used < tokens / 2  # the beginning of all prompts is there once


def test_what_differs_in_its_source_is_not_shared(tiny):
    prompts, _ = read(tiny, PROMPTS, ANSWERS, "logit-difference")
    distinct = [[i * 100 + j for j in range(len(s))] for i, s in enumerate(prompts.sequences())]
    apart = plant(prompts, distinct)
    assert apart.used == sum(map(len, prompts.prompts))
    np.testing.assert_array_equal(apart.sources.ravel()[apart.reads[:, -1]], [s[-1] for s in distinct])
    np.testing.assert_array_equal(apart.tokens.ravel()[apart.reads[:, -1]], [s[-1] for s in prompts.prompts])


def test_alignment():
    """Common beginning with itself, the rest from the end, forced tokens with the last; equal nodes are one source."""
    references = [(1, 2, 5, 6), (1, 2, 7, 8, 9)]
    found = Resample().sources([(1, 2, 3, 4, 6, 0), (1, 2), (1, 2, 5)], [5, 2, 3], references)
    assert found[0] == [0, 1, 2, 2, 3, 3]  # width 5: nodes of the first reference are 0 to 3
    assert found[1] == [0, 1]
    assert found[2] == [0, 1, 2]


@pytest.mark.parametrize("name", list(FILLS._entries))
def test_every_fill_keeps_the_contract(tiny, name):
    """Nothing is replaced where all is kept, and what replaces has the shape of one token's output or of all."""
    masks = np.array([[1, 1, 1, 1], [0, 0, 0, 0]], bool)
    whole, bare = evaluate(ablations.components(tiny, PROMPTS, ANSWERS, layers=[2], fill=name), masks)
    plain, _ = evaluate(ablations.components(tiny, PROMPTS, ANSWERS, layers=[2]), masks)
    assert whole == pytest.approx(plain, abs=1e-5)
    assert abs(bare - whole) > 1e-3
    fill, outputs, real = FILLS.get(name), np.ones((2, 3, 4, 8), np.float32), np.ones((2, 3), bool)
    at = np.array([[0, 4]]) if fill.uses_references and fill.sources([(1, 2)], [2], [(1, 2), (3, 4)]) else None
    assert fill.substitute(outputs, real, at).shape == ((1, 1, 4, 8) if at is None else (1, 2, 4, 8))


class Scaled(ablations.Fill):
    """So many times the mean output."""

    def __init__(self, factor):
        self.factor = factor

    def substitute(self, outputs, real, at):
        return self.factor * jnp.einsum("ft,ft...->...", real / real.sum(), outputs)[None, None]


def test_a_fill_of_ones_own(tiny, monkeypatch):
    """Registered by name it is used, described and part of the fingerprint; zero times the mean is zero."""
    monkeypatch.setattr(FILLS, "_entries", dict(FILLS._entries))
    masks = np.random.default_rng(0).random((4, 12)) < 0.5
    values, identities = {}, set()
    for name, fill in {"mine": Scaled(1.0), "none": Scaled(0.0), "mean": None, "zero": None}.items():
        if fill is not None:
            assert ablations.register_fill(name, fill) is fill
        ablation = ablations.components(tiny, PROMPTS, ANSWERS, fill=name)
        values[name], identities = evaluate(ablation, masks), identities | {ablation.fingerprint}
        assert ablation.describe()["removal"] == name
    np.testing.assert_allclose(values["mine"], values["mean"], atol=1e-5)
    np.testing.assert_allclose(values["none"], values["zero"], atol=1e-5)
    assert abs(values["mine"] - values["none"]).max() > 0.01
    assert len(identities) == 4


def test_fills_are_held_to_the_contract(tiny, monkeypatch, unchecked):
    monkeypatch.setattr(FILLS, "_entries", dict(FILLS._entries))
    for name, fill, message in (("", Scaled(1.0), "name of a fill"), ("mine", Scaled, "not a fill; register an inst")):
        with pytest.raises(ValueError, match=message):
            ablations.register_fill(name, fill)

    class Flat(ablations.Fill):
        def substitute(self, outputs, real, at):
            return outputs.mean((0, 1))

    ablations.register_fill("flat", Flat())
    with pytest.raises(ValueError, match=r"substitute has shape \(4, 8\); it must have shape \(1, 1, 4, 8\)"):
        evaluate(ablations.components(tiny, PROMPTS, ANSWERS, fill="flat"), np.ones((1, 12), bool))


@pytest.mark.parametrize(
    ("part", "returns", "message"),
    [
        ("references", None, "references of the fill must return one or more prompts"),
        ("references", [], "references of the fill"),
        ("references", [()], "references of the fill"),
        ("references", ["The"], "references of the fill"),
        ("references", [(10**6,)], "token ids, from 0 to 299"),
        ("sources", [0, 1], "sources of the fill must return, for each token of each sequence"),
        ("sources", [[0]] * 4, "sources of the fill"),
        ("sources", "far", "sources of the fill"),
        ("substitute", None, r"substitute has shape None; it must have shape \(1, 1, 4, 8\)"),
        ("substitute", [0.0], r"substitute has shape None; it must have shape \(1, 1, 4, 8\)"),
    ],
)
def test_what_a_fill_returns_is_checked_before_anything_is_spent(tiny, monkeypatch, unchecked, part, returns, message):
    monkeypatch.setattr(FILLS, "_entries", dict(FILLS._entries))

    def answer(self, *arguments):
        return [[10**6] * len(s) for s in arguments[0]] if isinstance(returns, str) else returns

    ablations.register_fill("wrong", type("Wrong", (Scaled,), {part: answer})(1.0))
    with pytest.raises(ValueError, match=message):
        evaluate(ablations.components(tiny, PROMPTS, ANSWERS, fill="wrong"), np.ones((1, 12), bool))


def test_an_explanation_of_components_is_saved_and_shown(tiny, tmp_path, key):
    ablation = ablations.components(tiny, PROMPTS, ANSWERS, layers=[0, 2], units="mlp", fill="mean")
    explanation = explain(ablation, budget=4, key=key)
    page = html(explanation)
    assert "on average over 4 prompts" in page
    assert "The 2 components" in page
    assert PROMPTS[0] in page
    assert "L2.MLP" in page
    assert interaction_table(explanation).row_count > 0
    explanation.save(tmp_path)
    assert load(tmp_path).provenance["prompts"] == PROMPTS
    again = ablations.components(tiny, PROMPTS, ANSWERS, layers=[0, 2], units="mlp", fill="mean")
    assert again.fingerprint == explanation.provenance["fingerprint"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": "neuron"}, "Units must be"),
        ({"layers": [0, 3]}, "from 0 to 2"),
        ({"layers": []}, "at least one"),
        ({"fill": "noise"}, "Fill must be"),
        ({"fill": "mean", "rescale": True}, "Rescaling"),
        ({"units": "mlp", "rescale": True}, "Rescaling"),
        ({"references": ["a"]}, "uses no references"),
        ({"fill": "mean", "references": "a"}, "list of prompts"),
        ({"fill": "resample", "prompts": ["a"]}, "two prompts"),
        ({"value": "logits"}, "value must be"),
        ({"value": "log-probability"}, r"needs 1 answer"),
        ({"answers": "e", "value": "logit-difference"}, "2 or more"),
        ({"answers": [("e", "a")] * 3}, "4 prompts but answers for 3"),
        ({"answers": [("e", "a")] * 3 + [("e",)]}, "same number"),
        ({"answers": ("e", "e")}, "are the same"),
        ({"answers": ("e", "")}, "no tokens"),
        ({"answers": ()}, "Give the answers"),
        ({"prompts": "The"}, "list of prompts"),
        ({"prompts": ["The", ""]}, "no tokens"),
        ({"prompts": ["dog " * 600]}, "context"),
    ],
)
def test_mistakes_are_said_before_anything_is_spent(tiny, change, message):
    with pytest.raises(ValueError, match=message):
        ablations.components(**{"model": tiny, "prompts": PROMPTS, "answers": ANSWERS} | change)


@pytest.mark.parametrize("value", ["logit-difference", "log-probability"])
def test_a_value_for_each_prompt(tiny, value):
    answers = [("e", "a"), ("a", "e"), ("s", "a"), ("e", "x")] if value == "logit-difference" else [("e",), ("a",)] * 2
    options = {"value": value, "units": "mlp"}
    ablation = ablations.components(tiny, PROMPTS, answers, per_prompt=True, **options)
    masks = np.random.default_rng(0).random((12, ablation.num_features)) < 0.6
    values = evaluate(ablation, masks)
    mean = ablations.components(tiny, PROMPTS, answers, **options)
    np.testing.assert_allclose(values.mean(1), evaluate(mean, masks), atol=1e-5)
    for i, (prompt, group) in enumerate(zip(PROMPTS, answers, strict=True)):
        alone = ablations.components(tiny, [prompt], [group], **options)
        np.testing.assert_allclose(values[:, i], evaluate(alone, masks), atol=2e-5)
    assert ablation.fingerprint != mean.fingerprint
    assert ablation.gradient(0.9) is None
    with pytest.raises(ValueError, match=r"4 values per mask: sx\.explain_each"):
        explain(ablation, budget=20, key=jax.random.key(0))


def test_an_explanation_for_each_prompt(tiny):
    ablation = ablations.components(tiny, PROMPTS, ANSWERS, per_prompt=True)
    each = explain_each(ablation, budget=32, key=jax.random.key(0), method="lasso", progress=False)
    assert each.names == tuple(PROMPTS)
    one = each.of(PROMPTS[2])
    assert (one.provenance["prompts"], one.provenance["answers"]) == ([PROMPTS[2]], list(ANSWERS))
    np.testing.assert_allclose(one.values, evaluate(ablation, one.masks)[:, 2], atol=1e-6)

"""Any function of strings: a rule, a classifier, a service; its units, batches, values and store."""

import re
import warnings

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax import ablations
from spexjax.evaluation import evaluate, run

TEXT = "The plot is not exactly bad, I think."
KEY = jax.random.key(0)


def not_bad(strings):
    return [float(bool(re.search("not.*bad", s))) - bool(re.search("bad", s)) for s in strings]


def masks_of(ablation, m=40):
    masks = np.random.default_rng(0).random((m, ablation.num_features)) < 0.6
    masks[0] = True
    return masks


@pytest.mark.parametrize(
    "options", [{}, {"removal": "replace", "replacement": "[...]"}, {"features": [(4, 8), (12, 15)]}]
)
def test_the_function_is_given_what_the_masks_leave(tiny, options):
    seen = []

    def lengths(strings):
        seen.append(list(strings))
        return np.array([len(s) for s in strings])

    ablation = ablations.text_function(lengths, TEXT, batch_size=7, **options)
    like = ablations.text(tiny, TEXT, answers=(" yes", " no"), template=None, question="Q {text}", **options)
    assert ablation.feature_names == like.feature_names
    assert ablation.structure == like.structure
    assert ablation.describe()["pieces"] == like.describe()["pieces"]
    masks = masks_of(ablation)
    left = [prompt.removeprefix(like.frame.prompt("")) for prompt in like.inputs.prompts(masks)]
    found = run(ablation, masks)
    assert found.values.tolist() == [len(s) for s in left]
    asked = [s for some in seen for s in some]
    assert sorted(asked) == sorted(set(left)), "each string once"
    assert max(map(len, seen)) <= 7
    assert found.num_evaluations == len(set(left))


def test_an_interaction_of_a_regular_expression_and_its_page(tmp_path):
    explanation = sx.explain(ablations.text_function(not_bad, TEXT), budget=256, key=KEY, method="exact")
    (strongest, value), *_ = [t for t in explanation.interactions("FSII", max_order=2).top(5) if len(t[0]) == 2]
    assert {explanation.feature_names[i] for i in strongest} == {"not", "bad,"}
    assert value > 0.9
    page = sx.report.write_html(explanation, tmp_path / "page.html", progress=False).read_text()
    assert "not_bad" in page
    assert "exactly" in page


def test_several_values_for_each_string():
    def both(strings):
        return np.stack([not_bad(strings), [len(s) for s in strings]], 1)

    ablation = ablations.text_function(both, TEXT, value_names=("verdict", "length"))
    masks = masks_of(ablation)
    assert evaluate(ablation, masks).shape == (len(masks), 2)
    each = sx.explain_each(ablation, budget=64, key=KEY, method="lasso")
    assert each.of("verdict").provenance["value"] == "verdict"
    with pytest.raises(ValueError, match="2 values for each string: give value_names"):
        evaluate(ablations.text_function(both, TEXT), masks)


class Tensor:
    """As torch's: no NumPy array before it is detached, in single precision and in main memory."""

    def __init__(self, values):
        self.values = values

    def __len__(self):
        return len(self.values)

    def detach(self):
        return self

    float = cpu = detach

    def numpy(self):
        return np.array(self.values)


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda strings: [{"label": "a", "score": 0.5} for _ in strings], r"such as \[d\['score'\]"),
        (lambda strings: [[{"score": 0.5}, {"score": 0.1}] for _ in strings], r"such as \[d\['score'\]"),
        (lambda strings: [[0.5] * (1 + i % 2) for i, _ in enumerate(strings)], "lists of several lengths"),
        (lambda strings: np.zeros((len(strings), 1)), r"return b numbers, not \[b, 1\]"),
    ],
)
def test_what_is_no_number_for_each_string_is_told(returned, said):
    with pytest.raises(ValueError, match=said):
        evaluate(ablations.text_function(returned, TEXT), masks_of(ablations.text_function(not_bad, TEXT)))


def test_tensors_of_torch_are_taken_and_an_error_names_the_strings():
    masks = masks_of(ablations.text_function(not_bad, TEXT))
    found = evaluate(ablations.text_function(lambda strings: Tensor(not_bad(strings)), TEXT), masks)
    assert found.tolist() == evaluate(ablations.text_function(not_bad, TEXT), masks).tolist()
    with pytest.raises(ZeroDivisionError) as failed:
        evaluate(ablations.text_function(lambda strings: [1 / 0 for _ in strings], TEXT), masks)
    assert re.search("was given .* strings, the shortest of them '", failed.value.__notes__[0])
    with pytest.raises(ValueError, match="value_names must differ"):
        ablations.text_function(not_bad, TEXT, value_names=("a", "a"))


def test_a_named_function_is_asked_once_and_an_unnamed_one_is_said_to_be(tmp_path):
    calls = []

    def counted(strings):
        calls.extend(strings)
        return not_bad(strings)

    def named(text=TEXT, fingerprint="rule-1", **options):
        return ablations.text_function(counted, text, fingerprint=fingerprint, **options)

    masks = masks_of(named())
    for _ in range(2):
        values = evaluate(named(), masks, store=sx.Store(tmp_path))
    assert len(calls) == len(set(calls))
    assert values.tolist() == evaluate(ablations.text_function(not_bad, TEXT), masks).tolist()
    others = [named(), named(TEXT + "!"), named(fingerprint="rule-2"), named(removal="replace")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len({named("It is. It was not.", features=f).fingerprint for f in ("word", "sentence")}) == 2
    assert len({other.fingerprint for other in others}) == 4
    with pytest.warns(UserWarning, match="will not be found again: give fingerprint="):
        evaluate(named(fingerprint=None), masks, store=sx.Store(tmp_path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"removal": "hide"}, "hides tokens from attention, and text_function gives strings"),
        ({"features": "token"}, "Tokens are known to a model alone"),
        ({"features": "letter"}, "Features must be"),
        ({"removal": "nothing"}, "Removal must be one of"),
        ({"replacement": "_"}, "puts nothing in a unit's place"),
        ({"batch_size": 0}, "batch size"),
        ({"value_names": ()}, "value_names are"),
        ({"text": " "}, "The text is empty"),
        ({"text": "one"}, "at least two are needed"),
    ],
)
def test_what_cannot_be_done_is_said_before_a_call(options, said):
    def never(strings):
        raise AssertionError

    with pytest.raises(ValueError, match=said):
        ablations.text_function(**{"fn": never, "text": TEXT, **options})

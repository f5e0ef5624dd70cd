"""Log-odds of three and more answers within their set, against one ablation for each answer."""

import jax
import numpy as np
import pytest
import scipy.special

import spexjax as sx
from spexjax import ablations
from spexjax.evaluation import evaluate, run_many

QUESTION = "Which letter comes next?"
TEXT = "The quick brown fox jumps over the lazy dog today"
LETTERS = ("e", "a", "x")
PHRASES = ("a red fox", "e", "xyz over", "! " * 7)  # of one to many tokens
KEY = jax.random.key(0)


def asked(model, text, **options):
    return ablations.text(model, text, question=QUESTION, **options)


def masks_of(ablation, m=40):
    masks = np.random.default_rng(0).random((m, ablation.num_features)) < 0.5
    masks[0], masks[1] = True, False
    return masks


def expected(model, answers, masks, **options):
    """From the log-probability of each answer, measured on its own."""
    each = [asked(model, TEXT, answers=one, value="log-probability", **options) for one in answers]
    scores = np.stack([evaluate(ablation, masks) for ablation in each], 1).astype(np.float64)
    others = [scipy.special.logsumexp(np.delete(scores, j, 1), axis=1) for j in range(len(answers))]
    return scores - np.stack(others, 1)


@pytest.mark.parametrize("answers", [LETTERS, PHRASES, PHRASES[:2]])
@pytest.mark.parametrize("options", [{}, {"removal": "hide"}, {"features": "token", "removal": "replace"}])
def test_each_answer_against_the_others(tiny, answers, options):
    ablation = asked(tiny, TEXT, answers=answers, value="log-odds", **options)
    masks = masks_of(ablation)
    values = evaluate(ablation, masks)
    assert values.shape == (len(masks), len(answers))
    np.testing.assert_allclose(values, expected(tiny, answers, masks, **options), atol=3e-4)
    if len(answers) == 2:
        np.testing.assert_allclose(values[:, 0], -values[:, 1], atol=1e-5)


def test_answers_in_any_order_and_in_shared_batches(tiny):
    one = asked(tiny, TEXT, answers=PHRASES)
    other = asked(tiny, TEXT + " and again", answers=(*PHRASES[2:], *PHRASES[:2]))
    assert one.batch_group == other.batch_group
    masks = [masks_of(one), masks_of(other)]
    together = run_many([one, other], masks)
    for ablation, some, found in zip((one, other), masks, together, strict=True):
        np.testing.assert_allclose(found.values, evaluate(ablation, some), atol=2e-5)
        assert found.covalues.shape == (len(some), 128)
    assert together[0].num_evaluations == len(np.unique(masks[0], axis=0))


def test_three_answers_are_a_set_by_default(tiny):
    ablation = asked(tiny, TEXT, answers=PHRASES[:3])
    assert (ablation.value, ablation.num_values) == ("log-odds", 3)
    assert not ablation.describe().get("warnings")  # all tokens count, so none is said to stand for its answer
    with pytest.raises(ValueError, match=r"3 values per mask: sx\.explain_each explains them all"):
        sx.explain(ablation, budget=64, key=KEY)
    each = sx.explain_each(ablation, budget=64, key=KEY, method="lasso", progress=False)
    assert each.names == PHRASES[:3]
    assert each[2].provenance["answers"] == ["xyz over"]
    assert each[2].provenance["all_answers"] == list(PHRASES[:3])
    np.testing.assert_allclose(each[1].values, evaluate(ablation, each[1].masks)[:, 1])


def test_same_programs_for_another_text(tiny):
    first, second = (asked(tiny, text, answers=LETTERS) for text in (TEXT, TEXT.replace("lazy", "sleepy")))
    plans = [ablation.plan(masks_of(ablation)) for ablation in (first, second)]
    assert plans[0].apply is plans[1].apply


def test_other_values_take_fewer_answers(tiny):
    with pytest.raises(ValueError, match="needs 1 answer to a prompt; got 3"):
        asked(tiny, TEXT, answers=LETTERS, value="log-probability")


def test_one_label_may_be_much_longer_than_the_whole_prompt(tiny):
    """Here nothing of the text is left, and the prompt has fewer tokens than the label."""
    answers = ("e", "i", "a very long label, much longer than all that is asked, said twice or even three times")
    for options in ({}, {"template": None, "question": "?"}):
        ablation = ablations.text(tiny, "a b", answers=answers, **({"question": "?"} | options))
        masks = np.array([[True, True], [False, False], [True, False]])
        each = [ablations.text(tiny, "a b", answers=one, **({"question": "?"} | options)) for one in answers]
        scores = np.stack([evaluate(one, masks) for one in each], 1).astype(np.float64)
        others = [scipy.special.logsumexp(np.delete(scores, j, 1), axis=1) for j in range(3)]
        np.testing.assert_allclose(evaluate(ablation, masks), scores - np.stack(others, 1), atol=3e-4)


def test_a_sum_of_labels_is_called_a_sum(tiny):
    each = sx.explain_each(asked(tiny, TEXT, answers=LETTERS), budget=64, key=KEY, method="lasso", progress=False)
    assert each.of([0, 2]).provenance["value"] == "sum of the log-odds of 2 answers"
    assert each.of("a").provenance["answers"] == ["a"]
    with pytest.raises(ValueError, match="no value is called 'z'"):
        each.of("z")

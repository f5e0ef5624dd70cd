"""The text lens: known answers of the real model, and every option against one prompt at a time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks
from flax import nnx

from spexjax import ablations
from spexjax.ablations._prompts._reading import log_odds
from spexjax.ablations._text._removal import REMOVALS
from spexjax.evaluation import evaluate, run
from spexjax.models import Gates, Prefix
from spexjax.transforms import exact_spectrum

SENTIMENT = {
    "question": "Is the sentiment of this movie review Positive or Negative?\nReview: {text}",
    "answers": (" Positive", " Negative"),
    "answer_prefix": "Sentiment:",
}
TEXT = "The quick brown fox jumps over lazy dogs. It is so."


def strongest(model, text):
    """Fourier terms of all 2^n masks as Banzhaf interactions, strongest coefficient first."""
    ablation = ablations.text(model, text, **SENTIMENT)
    masks = all_masks(ablation.num_features)
    values = evaluate(ablation, masks)
    spectrum = exact_spectrum(masks, values)
    terms = [(s, c) for s, c in spectrum.to_dict().items() if s]
    banzhaf = [({ablation.feature_names[i] for i in s}, c * (-2.0) ** len(s)) for s, c in terms]
    return values, banzhaf


def test_not_bad(smollm2):
    values, banzhaf = strongest(smollm2, "This movie is not bad at all.")
    assert abs(values[-1] - 2.839) < 1e-2
    assert abs(values[0] - 2.212) < 1e-2
    assert banzhaf[0][0] == {"not", "bad"}
    assert abs(banzhaf[0][1] - 3.15) < 1e-2
    assert banzhaf[1][0] == {"bad"}
    assert abs(banzhaf[1][1] + 1.04) < 1e-2


@pytest.mark.slow
def test_two_negations(smollm2):
    _, banzhaf = strongest(smollm2, "The film was never boring and not a waste of time.")
    pairs = [(s, value) for s, value in banzhaf if len(s) == 2]
    assert [s for s, _ in pairs[:2]] == [{"not", "waste"}, {"never", "boring"}]
    np.testing.assert_allclose([value for _, value in pairs[:2]], [0.80, 0.77], atol=1e-2)


def test_values_of_a_real_game(smollm2, game):
    """Values measured with transformers + torch (see tests/games)."""
    masks, values = game("sent24")
    words = (
        '"The acrobatics mixed with haunting music, make one spectacular show. The costumes are vibrant and the '
        'performances will just boggle your mind! Simply amazing!"'
    )
    ablation = ablations.text(smollm2, words, **SENTIMENT)
    np.testing.assert_allclose(evaluate(ablation, masks[:24]), values[:24], atol=1e-3)


def plain_logits(model, tokens, places):
    """Logits of one token sequence, by a plain pass over it alone; padded to 64 so that one program serves all."""
    length = len(tokens)
    row = [jnp.zeros((1, 64), jnp.int32).at[0, :length].set(jnp.array(part)) for part in (tokens, places)]
    ends = jnp.where(jnp.arange(64) < length, length, jnp.arange(1, 65))[None]
    return np.asarray(_pass(model.graph)(model.parameters, *row, ends, model.config))[:length]


@functools.cache
def _pass(graph):
    def run(parameters, tokens, places, ends, config):
        network = nnx.merge(graph, parameters)
        hidden, _ = network(tokens, places, ends, Prefix.empty(config, jnp.float32), Gates.open(config))
        return network.logits(hidden[0])

    return jax.jit(run, static_argnames="config")


def one_by_one(model, ids, positions, targets, value, end=None):
    """The value of one token sequence; the answer's tokens are placed from `end` on."""
    forced = targets[:-1] if value != "logit-difference" else ()
    places = [*positions, *((end or len(ids)) + j for j in range(len(forced)))]
    logits = plain_logits(model, [*ids, *forced], places)[len(ids) - 1 :]
    if value == "logit-difference":
        return logits[0, targets[0]] - logits[0, targets[1]]
    log_p = sum(float(jax.nn.log_softmax(z)[t]) for z, t in zip(logits, targets, strict=True))
    return log_p if value == "log-probability" else log_p - np.log1p(-np.exp(log_p))


@pytest.mark.parametrize("answers", [(" yes", " no"), "fox is", "x"])
@pytest.mark.parametrize("removal", ["delete", "replace", "hide"])
@pytest.mark.parametrize("features", ["word", "token", "sentence", "spans"])
def test_every_option_equals_one_pass_per_mask(tiny, features, removal, answers):
    value = "log-odds" if answers == "x" else None
    features = [(2, 5), (9, 14), (15, 19)] if features == "spans" else features
    ablation = ablations.text(
        tiny, TEXT, question="Why?", answers=answers, features=features, removal=removal, value=value
    )
    rng = np.random.default_rng(0)
    masks = rng.random((12, ablation.num_features)) < 0.5
    masks[0], masks[1] = True, False
    values = evaluate(ablation, masks)
    sequences = ablation.inputs.sequences(masks, ())
    (whole,) = tiny.encode([ablation.frame.prompt(TEXT)])
    end = len(whole) if removal == "hide" else None
    expected = [one_by_one(tiny, *s, ablation.targets, ablation.value, end) for s in zip(*sequences, strict=True)]
    np.testing.assert_allclose(values, expected, atol=2e-4)
    assert list(sequences[0][0]) == whole


def test_log_odds_of_an_answer_that_is_nearly_certain():
    logits = np.random.default_rng(0).normal(size=(4, 3, 5)) * 6
    logits[0], targets = [20, 0, 0, -1, -1], np.array([0, 0, 0])
    log_p = logits[..., 0] - np.log(np.exp(logits).sum(-1))
    for k in (1, 3):
        p = log_p[:, :k].sum(1)
        found = jax.jit(log_odds)(jax.nn.log_softmax(np.float32(logits[:, :k])), np.tile(targets[:k], (4, 1)))
        np.testing.assert_allclose(found, p - np.log(-np.expm1(p)), rtol=1e-5, atol=1e-5)


def test_hiding_is_an_attention_mask(tiny):
    """Hidden tokens are left out of the pass; that equals running them with nothing attending to them."""
    ablation = ablations.text(tiny, TEXT, question="Q", answers=(" yes", " no"), removal="hide")
    mask = np.array([[True, False] * 5 + [True]])
    network = nnx.merge(tiny.graph, tiny.parameters)
    owners = np.array(ablation.inputs.owners)
    ids = jnp.array([ablation.inputs.ids])
    visible = (owners < 0) | mask[0][owners]
    length = ids.shape[1]
    # A token that ends at itself is seen by nothing after it.
    ends = jnp.where(jnp.asarray(visible), length, jnp.arange(1, length + 1))[None]
    empty, gates = Prefix.empty(tiny.config, jnp.float32), Gates.open(tiny.config)
    hidden, _ = network(ids, jnp.arange(length)[None], ends, empty, gates)
    last = np.flatnonzero(visible)[-1]
    first, second = np.asarray(network.logits_of(hidden[0, last], jnp.array(ablation.targets)))
    np.testing.assert_allclose(evaluate(ablation, mask), [first - second], atol=1e-4)


def test_replacement_and_names(tiny):
    ablation = ablations.text(tiny, "a bad film", answers=("x", "y"), removal="replace", replacement="___")
    assert ablation.inputs.prompts(np.array([[True, False, True]])) == ["a ___ film"]
    assert ablation.feature_names == ("a", "bad", "film")
    spans = ablations.text(tiny, "a bad film", answers=("x", "y"), features=[(2, 5), (6, 10)])
    assert spans.feature_names == ("bad", "film")
    described = "".join(piece for piece, _ in spans.describe()["pieces"])
    assert described == "a bad film"
    tokens = ablations.text(tiny, "naïve 日本 🎬", answers=("x", "y"), features="token", question="Q:")
    assert (
        "".join(piece for piece, _ in tokens.describe()["pieces"]) == "naïve 日本 🎬"
    )  # bytes of one character are one
    (whole, bare), _ = tokens.inputs.sequences(np.array([[True], [False]]) & np.ones(tokens.num_features, bool), ())
    assert "日本" in tiny.tokenizer.decode(whole)
    assert tiny.tokenizer.decode(bare) == tokens.frame.prompt("")


class Capitals(ablations.Removal):
    def stand_in(self, unit, replacement):
        return unit.upper() + replacement


class Gone(ablations.Removal):
    hides = True

    def stand_in(self, unit, replacement):
        return "never asked"


def test_a_removal_of_ones_own(tiny, monkeypatch):
    """Registered by name it is used, described and part of the fingerprint, in texts and in tokens."""
    monkeypatch.setattr(REMOVALS, "_entries", dict(REMOVALS._entries))
    assert ablations.register_removal("capitals", Capitals()).stand_in("a", "!") == "A!"
    ablations.register_removal("gone", Gone())
    given, mask = {"question": "Q", "answers": ("x", "y")}, np.array([[True, False, True]])
    mine = ablations.text(tiny, "a bad film", removal="capitals", replacement="!", **given)
    assert mine.inputs.prompts(mask) == [mine.frame.prompt("a BAD! film")]
    assert mine.describe()["removal"] == "capitals"
    by_hand = ablations.text(tiny, "a BAD! film", **given)
    np.testing.assert_allclose(evaluate(mine, mask), evaluate(by_hand, np.ones((1, 3), bool)), atol=1e-5)
    tokens = ablations.text(tiny, "a bad film", removal="capitals", replacement="!", features="token", **given)
    (ids,), _ = tokens.inputs.sequences(np.arange(tokens.num_features)[None] > 0, ())
    assert tiny.tokenizer.decode(ids) == tokens.frame.prompt("A! bad film")
    hide, gone = (ablations.text(tiny, "a bad film", removal=name, **given) for name in ("hide", "gone"))
    np.testing.assert_array_equal(evaluate(gone, all_masks(3)), evaluate(hide, all_masks(3)))
    assert len({a.fingerprint for a in (mine, tokens, gone, ablations.text(tiny, "a bad film", **given))}) == 4


def test_a_replacement_that_would_not_be_used_is_refused(tiny):
    for removal in ("delete", "hide"):
        for replacement in ("_", ""):
            with pytest.raises(ValueError, match=f"The removal {removal} puts nothing in a unit's place"):
                ablations.text(tiny, "a bad film", answers=("x", "y"), removal=removal, replacement=replacement)
    replaced = ablations.text(tiny, "a bad film", answers=("x", "y"), removal="replace")
    assert replaced.inputs.prompts(np.array([[True, False, True]])) == ["a _ film"]


def test_removals_are_held_to_the_contract(tiny, monkeypatch, unchecked):
    monkeypatch.setattr(REMOVALS, "_entries", dict(REMOVALS._entries))
    with pytest.raises(ValueError, match=r"not a removal; register an instance of .* sx\.ablations\.Removal"):
        ablations.register_removal("mine", str.upper)

    class Number(ablations.Removal):
        def stand_in(self, unit, replacement):
            return 3

    ablations.register_removal("number", Number())
    with pytest.raises(ValueError, match="text in place of a unit must be a string, not int"):
        ablations.text(tiny, "a bad film", answers=("x", "y"), question="Q", removal="number")


def test_what_is_between_spans_is_never_hidden(tiny):
    text, spans = "a bad film and more words here so", [(2, 5), (20, 25)]
    given = {"question": "Q", "answers": ("x", "y"), "features": spans}
    hide, delete = (ablations.text(tiny, text, removal=removal, **given) for removal in ("hide", "delete"))
    mask = np.array([[False, True]])
    (ids,), _ = hide.inputs.sequences(mask, ())
    assert tiny.tokenizer.decode(ids) == delete.inputs.prompts(mask)[0]


def test_a_mask_longer_than_the_context_is_refused(tiny):
    """Neither the whole text nor its replacement is too long, but half of each is."""
    text = "a " * 30 + "unbelievable " * 30
    ablation = ablations.text(tiny, text, question="Q", answers=("x", "y"), removal="replace", replacement="qzqzqz")
    mask = np.arange(60) >= 30
    with pytest.raises(ValueError, match="more than the 512 of"):
        evaluate(ablation, mask[None])


def test_double_precision_does_not_hinder_the_model(tiny):
    with jax.enable_x64(True):
        ablation = ablations.text(tiny, "a bad film", question="Q", answers=("x", "y"))
        values = evaluate(ablation, all_masks(3))
    np.testing.assert_allclose(values, evaluate(ablation, all_masks(3)), atol=1e-4)


def test_generated_tokens_are_explained_as_they_are(tiny):
    """The random model says bytes that make no character, which another tokenisation would not bring back."""
    ablation = ablations.text(tiny, "a bad film", question="Q")
    (ids,), _ = ablation.inputs.sequences(np.ones((1, 3), bool), ())
    logits = plain_logits(tiny, [*ids, *ablation.targets], range(len(ids) + len(ablation.targets)))
    assert logits[len(ids) - 1 : -1].argmax(1).tolist() == list(ablation.targets)
    assert tiny.tokenizer.decode(ablation.targets) == ablation.answers[0]


def test_equal_inputs_are_evaluated_once(tiny):
    ablation = ablations.text(tiny, "very very very good", question="Q", answers=("x", "y"))
    evaluation = run(ablation, all_masks(4))
    assert evaluation.num_evaluations == 8  # 0..3 times "very", with and without "good"
    assert evaluation.num_programs == 1
    assert evaluation.values[1] == evaluation.values[2] == evaluation.values[4]


def test_one_compilation_for_texts_of_one_size(tiny):
    from spexjax.ablations._prompts._reading import reading_program

    apply = {
        ablations.text(tiny, t, question="Q", answers=("x", "y")).plan(all_masks(3)).apply for t in ("a b c", "d e f")
    }
    assert apply == {reading_program(tiny.graph, "logit-difference")}


def test_own_answer_is_the_greedy_one(smollm2):
    ablation = ablations.text(smollm2, "The capital of France is a big city.", question="Which city is it?")
    assert ablation.value == "log-probability"
    assert ablation.answers == (smollm2.tokenizer.decode(ablation.targets),)
    (ids,), (positions,) = ablation.inputs.sequences(np.ones((1, ablation.num_features), bool), ())
    forced = ablation.targets[:-1]
    logits = plain_logits(smollm2, [*ids, *forced], range(len(ids) + len(forced)))
    assert logits[len(ids) - 1 :].argmax(1).tolist() == list(ablation.targets)
    expected = one_by_one(smollm2, ids, positions, ablation.targets, ablation.value)
    values = evaluate(ablation, np.ones((1, ablation.num_features), bool))
    np.testing.assert_allclose(values, [expected], atol=1e-3)


def test_fingerprints(tiny):
    def fingerprint(text="a b", **changes):
        return ablations.text(tiny, text, **{"question": "Why", "answers": ("x", "y"), **changes}).fingerprint

    assert fingerprint() == fingerprint()
    variants = [
        fingerprint(text="a c"),
        fingerprint(answers=("x", "z")),
        fingerprint(answers="x"),
        fingerprint(answers="x", value="log-odds"),
        fingerprint(removal="replace"),
        fingerprint(removal="hide"),
        fingerprint(removal="replace", replacement="?"),
        fingerprint(question="Q"),
        fingerprint(features="token"),
    ]
    assert len({fingerprint(), *variants}) == len(variants) + 1


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "text is empty"),
        ("  \n", {}, "text is empty"),
        ("word", {}, r"1 unit;"),
        ("One sentence only.", {"features": "sentence"}, r"1 unit;"),
        ("a b", {"answers": ("yes", "yes!")}, "begin with the same token"),
        ("a b", {"answers": ("x", "y", "z"), "value": "logit-difference"}, r"needs 2 answers to a prompt; got 3"),
        ("a b", {"answers": ("x", "y", "x")}, "answers 'x' and 'x' are the same"),
        ("a b", {"answers": ("x",), "value": "logit-difference"}, r"needs 2 answers to a prompt; got 1"),
        ("a b", {"answers": ("x", "")}, "has no tokens"),
        ("a b", {"value": "logit"}, "value must be one of"),
        ("a b", {"removal": "drop"}, "Removal must be one of"),
        ("a b", {"features": "letter"}, "'letter'"),
        ("a b " * 300, {}, "more than the 512 of"),
        ("a b", {"question": None}, "Nothing is left"),
        ("a b", {"removal": "replace", "replacement": "long " * 300}, "more than the 512 of"),
    ],
)
def test_bad_input_is_one_sentence(tiny, text, options, message):
    with pytest.raises(ValueError, match=message):
        ablations.text(tiny, text, **{"answers": ("x", "y"), "question": "Q", **options})


def test_answers_of_several_tokens_are_said_to_be_compared_by_their_first(smollm2):
    asked = {"question": "Is it praise?"}
    long = ablations.text(smollm2, "a dull bad film", answers=("Yes, I loved every minute", "No"), **asked)
    assert "'Yes' stands for 'Yes, I loved every minute'" in long.describe()["warnings"][-1]
    short = ablations.text(smollm2, "a dull bad film", answers=("Yes", "No"), **asked)
    assert not short.describe().get("warnings")

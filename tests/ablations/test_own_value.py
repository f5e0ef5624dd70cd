"""Values of one's own: functions of an answer's log-probabilities, against plain passes; and what identifies them."""

import functools
import math
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import spexjax as sx
from spexjax import ablations
from spexjax._identity import identity_of
from spexjax.ablation import UNNAMED
from spexjax.evaluation import evaluate, run_many
from spexjax.models import Gates, Prefix
from spexjax.report._words import directions, value_in_words

TEXT = "The quick brown fox jumps over it"
ASKED = {"question": "What does it do?", "answers": " jumps over"}
PROMPTS, ANSWERS = ["The quick brown", "A lazy dog and a fox"], [(" fox jumps",), (" sleep all day long",)]
SCALE = 2.0


def perplexity(log_probs, targets):
    return jnp.exp(-jnp.take_along_axis(log_probs, targets[:, None], 1).mean())


def entropy(log_probs, targets):
    return -(jnp.exp(log_probs) * log_probs).sum(-1).mean()


def divergence(log_probs, targets, unablated):
    """KL of the ablated model's next tokens to the unablated one's."""
    return (jnp.exp(unablated) * (unablated - log_probs)).sum(-1).mean()


def scaled(log_probs, targets):
    return SCALE * log_probs[0, targets[0]]


def masks_of(ablation, m=12):
    masks = np.random.default_rng(0).random((m, ablation.num_features)) < 0.6
    masks[0] = True
    return masks


@functools.cache
def _pass(graph, config):
    def run(parameters, tokens, length):
        network, places = nnx.merge(graph, parameters), jnp.arange(64)[None]
        ends = jnp.where(jnp.arange(64) < length, length, jnp.arange(1, 65))[None]
        hidden, _ = network(tokens, places, ends, Prefix.empty(config, jnp.float32), Gates.open(config))
        return jax.nn.log_softmax(network.logits(hidden[0]))

    return jax.jit(run)


def log_probabilities(model, ids, k):
    tokens = jnp.zeros((1, 64), jnp.int32).at[0, : len(ids)].set(jnp.array(ids))
    return _pass(model.graph, model.config)(model.parameters, tokens, len(ids))[len(ids) - k : len(ids)]


def test_of_a_text_it_is_what_a_plain_pass_gives(tiny):
    ablation = ablations.text(tiny, TEXT, value=divergence, **ASKED)
    masks, targets = masks_of(ablation), jnp.array(ablation.targets)
    rows = [log_probabilities(tiny, ids, len(targets)) for ((ids, _),) in ablation.sequences(masks)]
    values = evaluate(ablation, masks)
    expected = [divergence(row, targets, rows[0]) for row in rows]
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    assert ablation.describe()["value"] == "divergence"
    assert abs(values[0]) < 1e-6
    assert values[1:].max() > 1e-4


def test_texts_of_one_function_share_batches_unless_it_looks_at_the_unablated_model(tiny):
    def pair(value):
        return [ablations.text(tiny, text, value=value, **ASKED) for text in (TEXT, TEXT + " again")]

    for value, shared in ((entropy, True), (divergence, False)):
        one, other = pair(value)
        assert (one.batch_group == other.batch_group) is shared
        if not shared:
            continue
        masks = [masks_of(one), masks_of(other)]
        for ablation, some, found in zip((one, other), masks, run_many([one, other], masks), strict=True):
            np.testing.assert_allclose(found.values, evaluate(ablation, some), atol=2e-5)


def test_of_components_answers_may_have_any_length(tiny):
    def whole(log_probs, targets):
        return jnp.take_along_axis(log_probs, targets[:, None], 1).sum()

    given = {"units": "head", "per_prompt": True}
    own, like = (
        ablations.components(tiny, PROMPTS, ANSWERS, value=value, **given) for value in (whole, "log-probability")
    )
    masks = masks_of(own)
    np.testing.assert_allclose(evaluate(own, masks), evaluate(like, masks), atol=1e-5)
    far = ablations.components(tiny, PROMPTS, ANSWERS, value=divergence, **given)
    values = evaluate(far, masks)
    assert np.abs(values[0]).max() < 1e-6
    assert values[1:].min() >= -1e-6
    assert far.gradient(0.9) is None
    assert len({ablation.fingerprint for ablation in (own, like, far)}) == 3
    record = {"own_value": "divergence", "value": "divergence"}
    assert record.items() <= far.describe().items()


def test_reports_say_the_name(tiny):
    own = ablations.Value(entropy, name="entropy of the answer")
    notes = ablations.components(tiny, PROMPTS, ANSWERS, value=own).describe()
    assert value_in_words(notes) == "entropy of the answer"
    assert directions(notes) == ("raises the value", "lowers the value")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda log_probs, targets: log_probs, "must give one number; it gives an array of shape"),
        (lambda log_probs, targets: log_probs @ log_probs, "fails on log-probabilities"),
        (ablations.Value(entropy, name="log-odds"), "There is a value log-odds already"),
        (functools.partial(perplexity, nothing=1), "fails on log-probabilities"),
    ],
)
def test_what_is_no_value_is_said_at_once(tiny, value, said):
    with pytest.raises(ValueError, match=said):
        ablations.text(tiny, TEXT, value=value, **ASKED)
    if not isinstance(value, ablations.Value):
        with pytest.raises(ValueError, match=said):
            ablations.components(tiny, PROMPTS, ANSWERS, value=value)


def test_several_answers_are_refused(tiny):
    with pytest.raises(ValueError, match="The value entropy reads one answer's tokens; give one answer, not 2"):
        ablations.precheck_text(TEXT, answers=("a", "b"), value=entropy)


def test_functions_that_differ_never_share_a_fingerprint(tiny, monkeypatch):
    def made(number):
        return lambda log_probs, targets: number * log_probs.max()

    def fingerprint(value):
        return ablations.text(tiny, TEXT, value=value, **ASKED).fingerprint

    values = [perplexity, entropy, divergence, scaled, made(1.0), made(2.0), made(np.arange(3.0)), made(np.arange(3))]
    first = [fingerprint(value) for value in values[:6]]
    assert len({identity_of(value) for value in values}) == len(values)
    assert len(set(first)) == 6
    assert first == [fingerprint(value) for value in (perplexity, entropy, divergence, scaled, made(1.0), made(2.0))]
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert fingerprint(scaled) != first[3], "what it reads has changed"

    class Counting:
        def __call__(self, log_probs, targets):
            return log_probs.max()

    reads = Counting()
    assert fingerprint(reads).startswith(UNNAMED)
    assert fingerprint(reads) != fingerprint(Counting())
    shared = ablations.Value(reads)
    of_two_texts = {ablations.text(tiny, text, value=shared, **ASKED).fingerprint for text in (TEXT, TEXT + "!")}
    assert len(of_two_texts) == 2
    vouched = [fingerprint(ablations.Value(fn, fingerprint="v1")) for fn in (reads, lambda p, t: reads(p, t))]
    assert not any(each.startswith(UNNAMED) for each in vouched)
    assert len(set(vouched)) == 2, "one name, but another code"


CODE = """
import jax, jax.numpy as jnp, functools, math
from spexjax._identity import identity_of
LIMITS = {"low": 0.5, "high": [1, 2]}
def helper(x):
    return jnp.clip(x, LIMITS["low"], math.pi)
@jax.jit
def value(log_probs, targets, scale=2):
    return scale * sum(helper(p).sum() for p in log_probs if "a" in {"a", "b", "c"})
print(identity_of(value), identity_of(functools.partial(value, scale=3)))
"""


def test_which_function_is_called_again_counts():
    def one(x):
        return x + 1

    def other(x):
        return x + 2

    def pair(f, g, h):
        return lambda x: (f(x), g(x), h(x))

    assert identity_of(pair(one, other, one)) != identity_of(pair(one, other, other))


def test_another_process_finds_the_same_identity():
    said = {
        subprocess.run(
            [sys.executable, "-c", CODE],
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
    one, other = said.pop().split()
    assert "None" not in (one, other)
    assert one != other


def test_what_cannot_be_told_has_no_identity():
    import random as chance

    state = {"count": 0}
    state[0] = 1

    def imports(x):
        import some_module_of_mine

        return some_module_of_mine.f(x)

    unknown = [
        lambda x: chance.random() * x,
        lambda x: state["count"] + x,
        lambda x: sx.spectrum + x,
        lambda x: not_yet_there + x,
        lambda x: eval("x"),
        imports,
        "a".join,
    ]
    assert [identity_of(fn) for fn in unknown] == [None] * len(unknown)
    assert all(identity_of(fn) for fn in (math.sin, jnp.sum, len, jax.nn.softmax, lambda x: math.sin(x)))

"""What a lens tells beside its values: hidden states of language models, the other test points of a training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks

from spexjax import ablations
from spexjax.ablations._prompts._sketch import COVALUES, sketch
from spexjax.evaluation import run


def test_a_sketch_keeps_inner_products():
    hidden = np.random.default_rng(0).normal(size=(30, 4, 500)).astype(np.float32)
    found, flat = np.asarray(jax.jit(sketch)(hidden)), hidden.reshape(30, -1)
    assert found.shape == (30, COVALUES)
    inner, expected = found @ found.T / COVALUES, flat @ flat.T / flat.shape[1]
    assert np.abs(inner - expected).max() < 5 * np.sqrt(2 / COVALUES) * expected.diagonal().max()
    assert np.linalg.matrix_rank(np.asarray(sketch(jnp.eye(3000).reshape(3000, 1, 3000)[:200]))) == COVALUES


@pytest.mark.parametrize("asked", [{"answers": ("x", "y")}, {"answers": "fox is"}], ids=["two", "one"])
def test_a_text_tells_its_hidden_states(tiny, asked):
    text = ablations.text(tiny, "one two three four", question="Which?", **asked)
    found = run(text, all_masks(4))
    assert found.covalues.shape == (16, COVALUES)
    assert np.linalg.matrix_rank(found.covalues - found.covalues.mean(0)) == 15
    (ids,) = tiny.encode([text.frame.prompt("one two three four")])
    if not text.forced:
        states = _final_states(tiny, ids)
        np.testing.assert_allclose(found.covalues[-1], np.asarray(sketch(states[None, -1:]))[0], atol=5e-3)


def _final_states(model, ids):
    from flax import nnx

    from spexjax.models import Gates, Prefix

    net, place = nnx.merge(model.graph, model.parameters), jnp.arange(len(ids))[None]
    empty = Prefix.empty(model.config, model.dtype)
    hidden, _ = net(jnp.array([ids]), place, jnp.full_like(place, len(ids)), empty, Gates.open(model.config))
    return hidden[0]


def test_components_tell_their_hidden_states(tiny):
    heads = ablations.components(tiny, ["a b c", "d e"], ("x", "y"), layers=[1])
    masks = all_masks(heads.num_features)
    found = run(heads, masks)
    assert found.covalues.shape == (len(masks), COVALUES)
    assert found.covalues.std(0).min() > 0
    alone = run(ablations.components(tiny, ["a b c", "d e"], ("y", "x"), layers=[1]), masks)
    np.testing.assert_allclose(alone.covalues, found.covalues, atol=1e-2)  # whatever the value is


def test_other_test_points_are_the_co_values_of_one(key):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3))
    labels = (x @ rng.normal(size=3) > 0).astype(int)
    train, test = (x[:20], labels[:20]), (x[20:], labels[20:])
    whole = ablations.ridge(train, test, l2=1.0)
    masks = rng.random((12, 20)) < 0.7
    every, one = run(whole, masks), run(whole.only(4), masks)
    np.testing.assert_allclose(one.values, every.values[:, 4], rtol=1e-5)
    np.testing.assert_allclose(one.covalues, np.delete(every.values, 4, axis=1), rtol=2e-3, atol=1e-3)
    assert every.covalues is None
    assert run(ablations.ridge(train, (x[20:21], labels[20:21]), l2=1.0).only(0), masks).covalues is None

"""Run by test_sharding.py, on 8 fake devices: sharded equals unsharded."""

import dataclasses
import itertools
import json
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding

import spexjax as sx
from spexjax.evaluation import mesh, run

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "models")]
from tiny_families import write_family  # noqa: E402

MESHES = [(1, 8), (8, 1), (2, 4)]
FAMILIES = json.loads((TESTS / "golden" / "families.json").read_text())


def functions():
    """For every mesh, more masks than fit a batch, a ragged last batch, and fewer masks than devices."""
    weights = jnp.arange(1.0, 13)
    ablation = sx.ablations.function(lambda w, x: jnp.tanh(0.1 * w @ x), 12, parameters=weights, batch_size=32)
    for m, shape in itertools.product((0, 1, 3, 8, 200, 1001), MESHES):
        masks = np.random.default_rng(m).random((m, 12)) < 0.5
        evaluation = run(ablation, masks, mesh=mesh(*shape))
        np.testing.assert_allclose(evaluation.values, np.tanh(0.1 * masks @ np.arange(1.0, 13)), atol=1e-5)
        assert evaluation.num_programs <= 1
    assert jax.device_count() == 8
    np.testing.assert_array_equal(sx.evaluate(ablation, masks), run(ablation, masks, mesh=mesh(8)).values)


def several_values():
    """What one retraining says of all test points, over the devices."""
    data = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    ablation = sx.ablations.ridge(data, (data[0][:5], data[1][:5]), l2=1.0)
    masks = np.random.default_rng(1).random((1001, 20)) < 0.5
    alone = sx.evaluate(ablation, masks, mesh=mesh(1, 1))
    assert alone.shape == (1001, 5)
    np.testing.assert_allclose(sx.evaluate(ablation, masks, mesh=mesh(8)), alone, atol=1e-4)


def decoder():
    """Signals over the devices, of which some have one less."""
    design = sx.designs.subsampled(jax.random.key(0), 10, 3, 2)
    values = np.random.default_rng(0).normal(size=(13, len(design.masks()))).astype(np.float32)
    alone = jax.vmap(lambda v: sx.decoder.decode(design, v, "hard"))(jnp.asarray(values))
    together = sx.decoder.decode_many(design, values, "hard")
    assert len(together.rounds.sharding.device_set) == 8
    chex.assert_trees_all_close(together, alone, rtol=1e-5, atol=1e-6)


def games():
    """Several fits at a time, each on one device: in order, and what one after another gives."""
    rng = np.random.default_rng(3)
    masks = [np.unique(rng.random((m, 8)) < 0.5, axis=0) for m in (50, 60, 55)]
    values = [x @ rng.normal(size=8) + 2 * x[:, 0] * x[:, 1] for x in masks]
    options = {"method": "proxyspex-gp", "key": jax.random.key(0)}
    for one, other in zip(
        sx.fit_many(masks, values, **options), sx.fit_many(masks, values, mesh=mesh(2), **options), strict=True
    ):
        assert len(one.masks) == len(other.masks)
        np.testing.assert_allclose(one.predict(one.masks), other.predict(one.masks), atol=1e-5)
    with pytest.raises(ValueError, match=r"^Game 1: No\.$"):
        sx.fit_many(masks, values, mesh=mesh(2), **options | {"method": Refusing()})


class Refusing:
    """A proxy that fits some games only."""

    def __call__(self, masks, values, key):
        if len(masks) > 53:
            raise ValueError("No.")
        return sx.proxies.lasso()(masks, values, key)


def language_model(folder, scratch):
    """Prompts over the devices, and weights cut over them."""
    model = sx.load_model(folder)
    ablation = sx.ablations.text(model, "a b c d e f g h i j", question="Which", answer_prefix="so", answers=("x", "y"))
    masks = np.random.default_rng(0).random((77, ablation.num_features)) < 0.5
    alone = sx.evaluate(ablation, masks, mesh=mesh(1, 1))
    for shape in MESHES:
        np.testing.assert_allclose(sx.evaluate(ablation, masks, mesh=mesh(*shape)), alone, atol=1e-5)
    specs = sx.models.tensor_parallel(model.parameters, mesh(2, 4))
    cut = {str(spec) for spec in jax.tree.leaves(specs, is_leaf=is_spec)}
    assert len(cut) > 2, "no weight is cut"
    saved = sx.models.save_model(model, f"{scratch}/model")
    parts = sx.load_model(saved, mesh=mesh(2, 4))
    assert not parts.parameters.embedding.embedding[...].sharding.is_fully_replicated
    np.testing.assert_allclose(
        sx.evaluate(dataclasses.replace(ablation, model=parts), masks, mesh=mesh(2, 4)), alone, atol=1e-5
    )


def family(name, scratch):
    """A tiny model of a family."""
    return sx.load_model(write_family(Path(scratch) / name, FAMILIES["families"][name]))


def families(scratch):
    """Weights of every kind cut over two devices, against transformers: joined, plain, stacked, beside each other."""
    for name in ("gemma3_text", "phi3", "gpt_neox", "mixtral"):  # GPT-2 has its own below
        model = family(name, scratch)
        specs = sx.models.tensor_parallel(model.parameters, mesh(1, 2))
        assert sum(any(spec) for spec in jax.tree.leaves(specs, is_leaf=is_spec)) >= 8
        put = jax.tree.map(
            lambda leaf, spec: jax.device_put(leaf, NamedSharding(mesh(1, 2), spec)), model.parameters, specs
        )
        cut = dataclasses.replace(model, parameters=put)
        logits = sx.models.logits(cut, FAMILIES["ids"])[FAMILIES["places"], :8]
        np.testing.assert_allclose(logits, FAMILIES["families"][name]["logits"], atol=1e-5, err_msg=name)


def is_spec(leaf):
    return isinstance(leaf, jax.sharding.PartitionSpec)


def own_values(scratch):
    """Functions of one's own, of a text and of components, over four devices of which two share the weights."""

    def divergence(log_probs, targets, unablated):
        return (jnp.exp(unablated) * (unablated - log_probs)).sum(-1).mean()

    def entropy(log_probs, targets):
        return -(jnp.exp(log_probs) * log_probs).sum(-1).mean()

    model = family("gpt2", scratch)
    text = sx.ablations.text(model, "a b c d", answer_prefix="so", answers=" y", value=entropy)
    heads = sx.ablations.components(model, ["a b c"], " y", units="head", value=divergence)
    for ablation in (text, heads):
        masks = np.random.default_rng(0).random((8, ablation.num_features)) < 0.6
        alone = sx.evaluate(ablation, masks, mesh=mesh(1, 1))
        assert np.ptp(alone) > 1e-4
        np.testing.assert_allclose(sx.evaluate(ablation, masks, mesh=mesh(2, 2)), alone, atol=1e-5)


if __name__ == "__main__":
    functions()
    several_values()
    decoder()
    games()
    language_model(*sys.argv[1:])
    families(sys.argv[2])
    own_values(sys.argv[2])

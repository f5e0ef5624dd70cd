"""Training data as features: against training on the kept examples alone, one mask at a time."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen, nnx

import spexjax as sx
from spexjax.ablations import margin, nnx_functions, training_data

RNG = np.random.default_rng(0)
TRAIN = RNG.normal(size=(12, 4)).astype(np.float32), RNG.integers(0, 3, 12)
TEST = RNG.normal(size=(5, 4)).astype(np.float32), RNG.integers(0, 3, 5)
KEYS = jax.random.split(jax.random.key(3), 2)
LINEAR = nnx_functions(lambda rngs: nnx.Linear(4, 3, rngs=rngs))
SETTINGS = {"optimizer": optax.sgd(0.1, momentum=0.9), "steps": 5, "keys": KEYS[0]}


def masks_of(n, m=5):
    masks = RNG.random((m, n)) < 0.5
    masks[0], masks[1] = True, False
    return masks


class Mlp(nnx.Module):
    """Two layers."""

    def __init__(self, rngs):
        self.hidden, self.out = nnx.Linear(4, 6, rngs=rngs), nnx.Linear(6, 3, rngs=rngs)

    def __call__(self, x):
        return self.out(jax.nn.relu(self.hidden(x)))


def alone(weights, kept, batches):
    """Gradient descent with momentum on the kept examples only, by numpy; a batch holds those of its own it keeps."""
    w, b, v, c = (
        np.asarray(weights[layer][part], np.float64) for layer in ("hidden", "out") for part in ("kernel", "bias")
    )
    momenta = [0, 0, 0, 0]
    for rows in batches:
        x, y = (a[rows][kept[rows]] for a in TRAIN)
        hidden = np.maximum(x @ w + b, 0)
        odds = np.exp(hidden @ v + c)
        error = (odds / odds.sum(1, keepdims=True) - np.eye(3)[y]) / max(len(y), 1)
        back = error @ v.T * (hidden > 0)
        slopes = x.T @ back, back.sum(0), hidden.T @ error, error.sum(0)
        momenta = [0.9 * m + slope for m, slope in zip(momenta, slopes, strict=True)]
        w, b, v, c = (part - 0.1 * m for part, m in zip((w, b, v, c), momenta, strict=True))
    z = np.maximum(TEST[0] @ w + b, 0) @ v + c
    return [row[y] - np.delete(row, y).max() for row, y in zip(z, TEST[1], strict=True)]


@pytest.mark.parametrize("batch_size", [None, 5])
def test_is_training_on_the_kept_examples(batch_size):
    init, logits = nnx_functions(Mlp)
    ablation = training_data(TRAIN, TEST, init, logits, batch_size=batch_size, **SETTINGS | {"keys": KEYS})
    masks = masks_of(12)
    values = sx.evaluate(ablation, masks)
    batches = ablation.parameters.batches
    if batch_size is None:
        batches = np.tile(np.arange(12), (2, 5, 1))
    else:  # every epoch has each example once
        assert [np.bincount(b.ravel()[:24], minlength=12).tolist() for b in np.asarray(batches)] == [[2] * 12] * 2
    starts = [init(key) for key in KEYS]
    expected = [np.mean([alone(w, kept, b) for w, b in zip(starts, batches, strict=True)], 0) for kept in masks]
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert np.std(values[2:], axis=0).min() > 1e-3


def test_groups_are_removed_together_and_some_never():
    groups = np.array([0, 1, 1, -1, 2, 0, 2, 2, -1, 0, 1, 2])
    grouped = training_data(TRAIN, TEST, *LINEAR, groups=groups, **SETTINGS)
    single = training_data(TRAIN, TEST, *LINEAR, **SETTINGS)
    masks = masks_of(3)
    examples = np.where(groups < 0, True, masks[:, groups])
    np.testing.assert_allclose(sx.evaluate(grouped, masks), sx.evaluate(single, examples), atol=1e-6)
    assert grouped.feature_names == ("group 0", "group 1", "group 2")
    assert single.feature_names[11] == "example 11"


def test_one_test_point_can_be_explained():
    ablation = training_data(TRAIN, TEST, *LINEAR, groups=np.arange(12) // 3, **SETTINGS)
    explanation = sx.explain(ablation.only(2), budget=16, key=jax.random.key(0))
    np.testing.assert_allclose(explanation.values, sx.evaluate(ablation, explanation.masks)[:, 2], atol=1e-6)
    with pytest.raises(ValueError, match="no test point 5"):
        ablation.only(5)


def test_flax_linen_regression_and_a_value_of_ones_own():
    module, targets = linen.Dense(1), TRAIN[0] @ np.float32([1, -2, 0, 3])
    ablation = training_data(
        (TRAIN[0], targets),
        (TEST[0], np.zeros(5)),
        lambda key: module.init(key, TRAIN[0][:1]),
        module.apply,
        optimizer=optax.sgd(0.1),
        steps=500,
        keys=KEYS[0],
        loss=lambda z, y: (z[:, 0] - y) ** 2,
        value=lambda z, y: z[:, 0],
    )
    masks = np.ones((2, 12), bool)
    masks[1, :3] = False
    expected = np.tile(TEST[0] @ [1, -2, 0, 3], (2, 1))  # either way there is one least-squares fit
    np.testing.assert_allclose(sx.evaluate(ablation, masks), expected, atol=1e-3)


def test_a_callable_without_a_hash():
    """A Flax Linen module with a list among its attributes, say."""

    class Scaled:
        __hash__ = None

        def __call__(self, weights, x):
            return 2.0 * LINEAR[1](weights, x)

    masks = masks_of(12)
    ablation = training_data(TRAIN, TEST, LINEAR[0], Scaled(), **SETTINGS)
    alike = training_data(TRAIN, TEST, LINEAR[0], lambda w, x: 2.0 * LINEAR[1](w, x), **SETTINGS)
    np.testing.assert_array_equal(sx.evaluate(ablation, masks), sx.evaluate(alike, masks))


def test_a_store_knows_named_ablations_by_their_data(tmp_path):
    def made(name="linear", steps=5, train=TRAIN, keys=KEYS):
        settings = SETTINGS | {"steps": steps, "keys": keys}
        return training_data(train, TEST, *LINEAR, name=name, **settings)

    others = made("other"), made(steps=8), made(train=(TRAIN[0] + 1, TRAIN[1])), made(keys=KEYS[::-1]), made(None)
    same = made()
    assert made().fingerprint == same.fingerprint
    assert len({ablation.fingerprint for ablation in (same, *others, same.only(0), same.only(1))}) == 8
    assert made(None).fingerprint != made(None).fingerprint
    masks, store = masks_of(12), sx.Store(tmp_path)
    first = sx.evaluation.run(same, masks, store=store)
    again = sx.evaluation.run(made(), masks, store=store)
    assert again.num_reused == len(masks)
    np.testing.assert_array_equal(first.values, again.values)


def test_margin():
    logits = np.float32([[2, 5, 1], [-1, -3, -2]])
    np.testing.assert_allclose(margin(jnp.asarray(logits), jnp.array([0, 0])), [-3, 1])


def test_batch_statistics_are_refused():
    with pytest.raises(ValueError, match="also has BatchStat"):
        nnx_functions(lambda rngs: nnx.BatchNorm(4, rngs=rngs))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": (TRAIN[0], TRAIN[1][:5])}, "training data must be a pair"),
        ({"test": (TEST[0][:0], TEST[1][:0])}, "test data must be a pair"),
        ({"groups": np.zeros(5, int)}, "one integer for each of 12"),
        ({"groups": np.arange(12) * 2}, "Group 1 has no examples"),
        ({"groups": np.full(12, -1)}, "Group 0 has no examples"),
        ({"steps": 0}, "At least one step"),
        ({"batch_size": 13}, "At least one step of 1 to 12 examples"),
        ({"batch_size": 0}, "At least one step of 1 to 12 examples"),
        ({"batch_size": -3}, "At least one step of 1 to 12 examples"),
        ({"steps": 2.5}, "examples, whole numbers; got 2.5 of 12"),
        ({"optimizer": None}, "Give an optimizer from Optax"),
        ({"keys": 0}, "keys from jax.random.key"),
        ({"parallel": -3}, "whole number, at least 1, not -3"),
        ({"parallel": 0}, "whole number, at least 1, not 0"),
        ({"train": (TRAIN[0], TRAIN[1] + 3), "value": lambda z, y: z[:, 0]}, "below the number of logits"),
        (
            {"train": (np.where(np.arange(12)[:, None] == 7, np.nan, TRAIN[0]), TRAIN[1])},
            "not finite, first in example 7",
        ),
        ({"train": (TRAIN[0], TRAIN[1] + 3)}, "below the number of logits"),
        ({"train": (TRAIN[0], TRAIN[1] + 0.5)}, "Labels must be integers"),
        ({"keys": jax.random.PRNGKey(0)}, "keys from jax.random.key"),
        ({"loss": lambda z, y: z.sum()}, "loss must give one number for each example"),
        ({"value": lambda z, y: z}, "value must give one number for each example"),
        ({"feature_names": ("a",)}, "12 features but 1 feature names"),
    ],
)
def test_bad_input(change, message):
    given = {"train": TRAIN, "test": TEST, "init": LINEAR[0], "logits": LINEAR[1]} | SETTINGS | change
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(training_data)(**given)  # as it is without the type checks that tests add

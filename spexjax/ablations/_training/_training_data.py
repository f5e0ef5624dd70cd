"""The data-attribution lens: training examples are left out, and a model is trained from scratch on the rest."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax.typing import ArrayLike

from spexjax.ablations._training._data import DataAblation, checked_names, fingerprint, groups_of, pairs
from spexjax.ablations._training._retraining import Task, margin, training_program
from spexjax.typing import Array

cross_entropy = optax.softmax_cross_entropy_with_integer_labels


def training_data(
    train: tuple[ArrayLike, ArrayLike],
    test: tuple[ArrayLike, ArrayLike],
    init: Callable[[jax.Array], Any],
    logits: Callable[[Any, jax.Array], jax.Array],
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    keys: jax.Array,
    batch_size: int | None = None,
    loss: Callable[[jax.Array, jax.Array], Array] = cross_entropy,
    value: Callable[[jax.Array, jax.Array], Array] = margin,
    groups: ArrayLike | None = None,
    feature_names: tuple[str, ...] | None = None,
    name: str | None = None,
    parallel: int | None = None,
) -> DataAblation:
    """f(mask)[j] = the margin at test point j of a model trained from scratch on the examples that the mask keeps.

    Every mask begins with the same initial weights and sees the same batches, of which an example that is removed has
    weight 0: a step descends the mean loss of the kept examples of its batch. So only the data differ between masks.
    The masks of a batch are trained side by side under `jax.vmap`, all steps in one `lax.scan`, and batches are spread
    over the devices by the engine; one training answers for all test points. To explain many of them,
    `sx.evaluate(ablation, masks)[:, j]` are the values for `sx.fit`; `ablation.only(j)` is for `sx.explain`.

    Args:
      train: inputs `[N, ...]` and labels `[N, ...]`.
      test: inputs `[t, ...]` and labels `[t, ...]` of the test points.
      init: makes the initial weights from a PRNG key.
      logits: what weights say of inputs, `(weights, inputs [k, ...]) -> [k, c]`; pure. Both from a Flax NNX module by
        `nnx_functions`; a Flax linen module has them, `lambda key: module.init(key, inputs[:1])` and `module.apply`.
      optimizer: from Optax.
      steps: of the optimizer.
      keys: one PRNG key, or `[s]`: values are the means over s trainings with weights and batches of their own.
      batch_size: examples per step, shuffled again every epoch; all of them by default.
      loss: `(logits, labels) -> [k]`, one number an example; the softmax cross-entropy of integer labels by default.
      value: `(logits, labels) -> [t]`; `margin` by default, the right class's logit less the largest of the others.
      groups: `[N]` integers 0..n-1, which group an example is removed with; -1 if it never is. By default each of the
        N examples is a feature.
      feature_names: n names.
      name: what init, logits, loss, value and optimizer are called together, as they have no identity of their own:
        with it, values in a store belong to name, data, steps and initial weights, and another process finds them.
        Change it with the code. Without, the fingerprint is unique.
      parallel: trainings side by side on each device; None for 32 on CPUs, whose caches hold no more, else 256.

    Raises:
      ValueError: if the data, groups, steps or batch size are inconsistent, keys or optimizer are something else, a
        label has no logit, or loss or value do not give one number for each example.

    Source: datamodels (Ilyas et al., arXiv 2202.00622); ProxySPEX (Butler et al., arXiv 2505.17495).
    """
    (inputs, labels), (test_inputs, test_labels) = train, test = pairs("training", train), pairs("test", test)
    owner, size = groups_of(groups, len(inputs)), len(inputs) if batch_size is None else batch_size
    whole = all(isinstance(number, int | np.integer) for number in (steps, size))
    if not whole or steps < 1 or not 1 <= size <= len(inputs):
        raise ValueError(f"At least one step of 1 to {len(inputs)} examples, whole numbers; got {steps} of {size}.")
    if not isinstance(keys, jax.Array) or not jnp.issubdtype(keys.dtype, jax.dtypes.prng_key):
        raise ValueError("Give keys from jax.random.key, one or an array of them.")
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise ValueError(f"Give an optimizer from Optax, such as optax.sgd(0.1), not {optimizer!r}.")
    starts = [init(key) for key in jnp.atleast_1d(keys)]
    if classified := [labels] * (loss is cross_entropy) + [test_labels] * (value is margin):
        classes = jax.eval_shape(logits, starts[0], test_inputs).shape[-1]
        fit = all(y.dtype.kind in "iu" and y.min() >= 0 and y.max() < classes for y in classified)
        if classes < 2 or not fit:
            raise ValueError(f"Labels must be integers from 0, below the number of logits, which is {classes}.")
    _check("value", value, logits, starts[0], test)
    _check("loss", loss, logits, starts[0], train)
    batches = None if batch_size is None else _schedule(jnp.atleast_1d(keys), len(inputs), size, steps)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *starts)
    (x, y), (x_test, y_test) = jax.tree.map(jnp.asarray, (train, test))
    task = Task(stacked, batches, x, y, jnp.asarray(owner), (x_test, y_test))
    apply, identity = training_program(logits, loss, value, optimizer, steps), fingerprint(name, task, steps)
    if parallel is None:
        parallel = 32 if jax.default_backend() == "cpu" else 256
    return DataAblation(apply, task, checked_names(feature_names, groups, owner), identity, parallel, True)


def nnx_functions(make: Callable[[nnx.Rngs], nnx.Module]) -> tuple[Callable, Callable]:
    """`init` and `logits` of a Flax NNX module, for `training_data`.

    Args:
      make: builds the module, whose call maps inputs to logits: `lambda rngs: nnx.Linear(64, 10, rngs=rngs)`, say.

    Raises:
      ValueError: if the module has state besides its parameters, say batch statistics or dropout keys.
    """
    graph, *states = nnx.split(nnx.eval_shape(lambda: make(nnx.Rngs(0))), nnx.Param, ...)
    rest = states[1]
    if jax.tree.leaves(rest):
        kinds = sorted({type(v).__name__ for _, v in nnx.to_flat_state(rest)})
        raise ValueError(f"Only parameters can be trained here, but the module also has {', '.join(kinds)}.")

    def init(key: jax.Array) -> nnx.State:
        return nnx.split(make(nnx.Rngs(key)), nnx.Param)[1]

    def logits(weights: nnx.State, inputs: Array) -> jax.Array:
        return nnx.merge(graph, weights)(inputs)

    return init, logits


def _schedule(keys: jax.Array, num_examples: int, size: int, steps: int) -> jax.Array:
    """The examples of each step, `[s, steps, size]`: every epoch a permutation."""
    epochs = -(-steps * size // num_examples)

    def one(key):
        shuffled = jax.vmap(lambda k: jax.random.permutation(k, num_examples))(jax.random.split(key, epochs))
        return shuffled.ravel()[: steps * size].reshape(steps, size)

    return jax.vmap(lambda key: one(jax.random.fold_in(key, 1)))(keys)  # init has consumed the key itself


def _check(what: str, of: Callable, logits: Callable, weights: Any, data: tuple[np.ndarray, np.ndarray]) -> None:
    shape = jax.eval_shape(lambda w, x, y: of(logits(w, x), y), weights, *data).shape
    if shape != (len(data[0]),):
        raise ValueError(
            f"The {what} must give one number for each example, shape {(len(data[0]),)}; it gives {shape}."
        )

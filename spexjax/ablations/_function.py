"""Any function of a mask as an ablation: a pure JAX function, or ordinary Python."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spexjax.ablation import Ablation, Plan, plan_rows, unnamed
from spexjax.ablations._gradient import Gradient, check_differentiable
from spexjax.ablations._programs import made_once
from spexjax.typing import Masks, Values


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FunctionAblation(Ablation):
    """A value function given as code; made by `function` or `host_function`."""

    apply: Callable[[Any, Any], Any]
    parameters: Any
    feature_names: tuple[str, ...]
    fingerprint: str
    batch_size: int
    compiled: bool
    has_covalues: bool = False
    of_gates: Callable[[Any, Any], Any] | None = None  # `apply` for gates between 0 and 1, if it is differentiable

    def __post_init__(self):
        if not isinstance(self.batch_size, int | np.integer) or self.batch_size < 1:
            raise ValueError(f"The batch size must be a whole number, at least 1, not {self.batch_size!r}.")

    def gradient(self, keep: float) -> Gradient | None:
        """With respect to the gates, each being `keep`, if the function takes gates."""
        if self.of_gates is None:
            return None
        return Gradient(self.of_gates, self.parameters, self.feature_names, self.fingerprint, keep)

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """Cuts the masks into batches of one size; to a compiled function they travel as bits."""
        rows = np.packbits(masks, axis=1) if self.compiled else np.asarray(masks)
        return plan_rows(
            self.apply,
            rows,
            parameters=self.parameters,
            batch_size=self.batch_size,
            devices=devices,
            shrink=shrink,
            compiled=self.compiled,
        )


def function(
    fn: Callable[..., jax.Array],
    num_features: int,
    *,
    parameters: Any = None,
    feature_names: tuple[str, ...] | None = None,
    fingerprint: str | None = None,
    batch_size: int = 256,
    has_aux: bool = False,
    takes_gates: bool = False,
) -> FunctionAblation:
    """A pure JAX function of one mask, `fn(mask)` or `fn(parameters, mask)`, as an ablation; the engine batches it.

    Args:
      fn: maps a bool `[n]` mask to a scalar; traced, and compiled once for all ablations of one `fn`: what changes
        belongs in the parameters.
      num_features: n.
      parameters: a pytree that `fn` reads, such as weights; an argument of the compiled program, not a constant in it.
      feature_names: n names; x0, x1, ... by default.
      fingerprint: identifies the function, so that another process finds its values in a `Store`; unique by default.
      batch_size: masks per step, at least 1.
      has_aux: whether `fn` gives a pair, the value and an array `[c]` of co-values: whatever else it has computed on
        the way, such as a hidden state. They say which features matter; see `fit`.
      takes_gates: whether `fn` also takes n gates between 0 and 1 in place of a mask, and is differentiable in them.
        Then `explain(gradient=...)` can use its gradient.

    Raises:
      ValueError: if n or the batch size is not a whole number from 1, there are not n names, or `fn` is said to take
        gates and has no derivative.

    >>> from spexjax.evaluation import evaluate
    >>> both = function(lambda x: 2.0 * x[0] * x[1], num_features=2)
    >>> evaluate(both, np.array([[True, True], [True, False]])).tolist()
    [2.0, 0.0]
    """
    apply = _program(fn, num_features, parameters is None)
    made = _make(apply, parameters, num_features, feature_names, fingerprint, batch_size, True, has_aux)
    if not takes_gates:
        return made
    of_gates = _of_gates(fn, parameters is None)
    check_differentiable(of_gates, parameters, num_features)
    return dataclasses.replace(made, of_gates=of_gates)


@made_once
def _program(fn: Callable[..., jax.Array], num_features: int, bare: bool) -> Callable[[Any, Any], Any]:
    batched = _of_gates(fn, bare)

    def apply(parameters, packed):  # masks travel to the device as bits
        return batched(parameters, jnp.unpackbits(packed, axis=1, count=num_features).astype(bool))

    return apply


@made_once
def _of_gates(fn: Callable[..., jax.Array], bare: bool) -> Callable[[Any, Any], Any]:
    return jax.vmap((lambda _, mask: fn(mask)) if bare else fn, (None, 0))


def host_function(
    fn: Callable[[np.ndarray], Values],
    num_features: int,
    *,
    feature_names: tuple[str, ...] | None = None,
    fingerprint: str | None = None,
    batch_size: int = 256,
    has_aux: bool = False,
) -> FunctionAblation:
    """Any Python function of a batch of masks as an ablation: a call to a service, for example, or a training run.

    Args:
      fn: maps bool masks `[b, n]` to b numbers; neither traced nor compiled.
      num_features: n.
      feature_names: as in `function`.
      fingerprint: as in `function`.
      batch_size: as in `function`.
      has_aux: whether `fn` gives a pair, b values and co-values `[b, c]`; as in `function`.

    Raises:
      ValueError: as `function`.

    >>> from spexjax.evaluation import evaluate
    >>> count = host_function(lambda masks: masks.sum(1), num_features=3)
    >>> evaluate(count, np.array([[True, True, False]])).tolist()
    [2.0]
    """
    return _make(lambda _, masks: fn(masks), None, num_features, feature_names, fingerprint, batch_size, False, has_aux)


def _make(apply, parameters, n, names, fingerprint, batch_size, compiled, has_aux) -> FunctionAblation:
    if not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"The number of features is a whole number, 1 or more; got {n!r}.")
    names = tuple(names) if names is not None else tuple(f"x{i}" for i in range(n))
    if len(names) != n:
        raise ValueError(f"There are {n} features but {len(names)} feature names.")
    fingerprint = unnamed() if fingerprint is None else fingerprint
    return FunctionAblation(apply, parameters, names, fingerprint, batch_size, compiled, has_aux)

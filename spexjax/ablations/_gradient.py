"""The gradient of a value function with respect to its gates, as an ablation of its own: sharded and kept alike."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from spexjax.ablation import Ablation, Plan, plan_rows
from spexjax.ablations._programs import made_once
from spexjax.typing import Masks


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Gradient(Ablation):
    """Gives n values at a mask x: the derivatives of `f` with respect to every gate, at the gates `keep * x`.

    `apply` and `partition` are those of a `Plan`, but that `apply` takes gates between 0 and 1 in place of masks.
    """

    apply: Callable[[Any, Any], Any]
    parameters: Any
    feature_names: tuple[str, ...]
    of: str  # the fingerprint of f
    keep: float
    partition: Callable[[Any, Any], Any] | None = None

    @property
    def fingerprint(self) -> str:
        """Identifies the gradient across processes where that of f does."""
        return f"{self.of}-gradient-at-{self.keep:g}"

    @property
    def num_values(self) -> int:
        """n."""
        return self.num_features

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """One mask at a time: a backward pass keeps what all layers computed."""
        gates = np.asarray(masks, np.float32) * np.float32(self.keep)
        settings: dict[str, Any] = {"batch_size": 1, "devices": devices, "shrink": shrink}
        plan = plan_rows(_derivatives(self.apply), gates, parameters=self.parameters, **settings)
        return plan._replace(partition=self.partition)


def check_differentiable(apply: Callable[[Any, Any], Any], parameters: Any, num_features: int) -> None:
    """Raises ValueError if the derivatives with respect to gates cannot be traced.

    Args:
      apply: as in `Gradient`.
      parameters: its first argument.
      num_features: n.
    """
    try:
        jax.eval_shape(_derivatives(apply), parameters, jax.ShapeDtypeStruct((1, num_features), jnp.float32))
    except Exception as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ValueError(
            "The function is said to take gates, real numbers between 0 and 1 in place of a mask, but JAX cannot "
            f"differentiate it; leave takes_gates out, or write it with products instead of conditions. {reason}"
        ) from error


@made_once
def _derivatives(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def run(parameters, gates):
        def total(gates):
            found = apply(parameters, gates)
            values = found[0] if isinstance(found, tuple) else found
            return values.sum()

        return jnp.nan_to_num(jax.grad(total)(gates), posinf=0.0, neginf=0.0)  # what has no derivative hints at nothing

    return run

"""The feed-forward blocks of a layer: one MLP, or experts among which each token chooses."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float

from spexjax.models._attention import linear_options
from spexjax.models._config import TransformerConfig
from spexjax.typing import Array


def _gelu(x: Float[Array, "*s"]) -> Float[Array, "*s"]:
    return jax.nn.gelu(x, approximate=False)


ACTIVATIONS: Mapping[str, Callable] = MappingProxyType(
    {"silu": jax.nn.silu, "gelu": _gelu, "gelu_tanh": jax.nn.gelu, "relu": jax.nn.relu}
)


class MLP(nnx.Module):
    """The feed-forward block `down(act(gate(x)) * up(x))`, or `down(act(up(x)))`."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        kind = {"use_bias": config.mlp_bias, **linear_options(dtype, rngs)}
        self.act = ACTIVATIONS[config.activation]
        if config.gated:
            self.gate = nnx.Linear(config.hidden_size, config.intermediate_size, **kind)
        self.up = nnx.Linear(config.hidden_size, config.intermediate_size, **kind)
        self.down = nnx.Linear(config.intermediate_size, config.hidden_size, **kind)
        self.gated = config.gated

    def __call__(self, x):
        return self.down(self.act(self.gate(x)) * self.up(x) if self.gated else self.act(self.up(x)))


class Stack(nnx.Module):
    """One matrix for each expert."""

    def __init__(self, experts: int, inner: int, outer: int, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.kernel = nnx.Param(nnx.initializers.lecun_normal()(rngs.params(), (experts, inner, outer), dtype))

    def __call__(self, rows, sizes):
        return jax.lax.ragged_dot(rows, self.kernel[...], sizes, preferred_element_type=jnp.float32)


class Experts(nnx.Module):
    """A mixture of MLPs: each token goes through the k that its router rates highest (Shazeer et al. 2017,
    arXiv 1701.06538).

    Tokens are sorted by expert, so that each expert computes only those that chose it, in static shapes.
    """

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.config, self.dtype, self.act = config, dtype, ACTIVATIONS[config.activation]
        sizes = config.num_experts, config.hidden_size, config.intermediate_size
        kind: dict[str, Any] = {"dtype": dtype, "rngs": rngs}
        self.router = nnx.Linear(config.hidden_size, config.num_experts, use_bias=False, **linear_options(dtype, rngs))
        self.gate, self.up = Stack(*sizes, **kind), Stack(*sizes, **kind)
        self.down = Stack(sizes[0], sizes[2], sizes[1], **kind)

    def __call__(self, x, gates=None):
        """The weighted sum of the chosen experts' outputs, `[..., d]`.

        Args:
          x: the input, `[..., d]`.
          gates: multipliers of each expert's output, `[..., e]`; a removed expert's weight goes to no other.
        """
        c, flat = self.config, x.reshape(-1, x.shape[-1])
        weights, chosen = jax.lax.top_k(jax.nn.softmax(self.router(flat)), c.num_chosen)
        if c.normalise_chosen:
            weights /= weights.sum(-1, keepdims=True)
        if gates is not None:
            open_ = jnp.broadcast_to(gates, (*x.shape[:-1], c.num_experts)).reshape(-1, c.num_experts)
            weights *= jnp.take_along_axis(open_, chosen, -1)
        order = jnp.argsort(chosen.ravel())
        token, sizes = order // c.num_chosen, jnp.bincount(chosen.ravel(), length=c.num_experts)
        rows = flat[token].astype(self.dtype)
        inner = (self.act(self.gate(rows, sizes)) * self.up(rows, sizes)).astype(self.dtype)
        outputs = self.down(inner, sizes) * weights.ravel()[order][:, None]
        return jnp.zeros(flat.shape, outputs.dtype).at[token].add(outputs).reshape(x.shape)

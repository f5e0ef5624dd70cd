"""Grouped-query self-attention over rows that are forests, cut into blocks."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Bool, Float, Int

from spexjax.models._config import TransformerConfig
from spexjax.typing import Array

_CPU_SCORES = 1 << 23  # queries times keys that a CPU handles at a time, which bounds the memory of long prompts


class Context(NamedTuple):
    """What a layer needs besides its input: RoPE's angles, and what the tokens of each block may attend to.

    A token attends to the prefix, its block's ancestors and its own block (see `visible`); the bias is 0 where it may,
    else a huge negative.
    """

    cos: Float[Array, "r t 1 pairs"]
    sin: Float[Array, "r t 1 pairs"]
    ancestors: Int[Array, "r b a"]
    bias: Float[Array, "r b t//b p+a+t//b"]


def visible(
    ends: Int[Array, "r t"], ancestors: Int[Array, "r b a"], prefix: int, prefix_length: Int[Array, ""]
) -> Bool[Array, "r b i s"]:
    """Whether each of a block's i = t / b tokens sees each of s = prefix + a + i: the prefix, ancestors, the block.

    Args:
      ends: where each token's subtree ends.
      ancestors: the tokens before each block that its first token sees; -1 for none.
      prefix: how many places the prefix has.
      prefix_length: how many of them are not padding.
    """
    (r, t), b = ends.shape, ancestors.shape[1]
    nodes = jnp.arange(t).reshape(b, t // b)
    i = nodes[:, :, None]
    shared = jnp.broadcast_to(jnp.arange(prefix) < prefix_length, (r, b, t // b, prefix))
    reach = jnp.where(ancestors >= 0, jax.vmap(lambda row, at: row[at])(ends, ancestors), 0)
    own = (nodes[:, None, :] <= i) & (i < ends.reshape(r, b, 1, t // b))
    return jnp.concatenate([shared, i < reach[:, :, None, :], own], -1)


def distances(positions: Int[Array, "r t"], ancestors: Int[Array, "r b a"], prefix: int) -> Int[Array, "r b i s"]:
    """How far before each of a block's i tokens each of the s that `visible` knows is, along the token's own branch.

    Args:
      positions: of the tokens; those of the prefix are 0, 1, ...
      ancestors: as in `visible`.
      prefix: how many places the prefix has.
    """
    (r, t), b = positions.shape, ancestors.shape[1]
    own = positions.reshape(r, b, t // b)
    above = jax.vmap(lambda row, at: row[at])(positions, ancestors)
    keys = jnp.concatenate([jnp.broadcast_to(jnp.arange(prefix), (r, b, prefix)), above, own], -1)
    return own[..., None] - keys[:, :, None, :]


class Attention(nnx.Module):
    """Grouped-query self-attention with rotary positions."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.config, self.dtype = config, dtype
        queries, pairs = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        kind = linear_options(dtype, rngs)
        self.query = nnx.Linear(config.hidden_size, queries, use_bias=config.qkv_bias, **kind)
        self.key = nnx.Linear(config.hidden_size, pairs, use_bias=config.qkv_bias, **kind)
        self.value = nnx.Linear(config.hidden_size, pairs, use_bias=config.qkv_bias, **kind)
        self.output = nnx.Linear(queries, config.hidden_size, use_bias=config.output_bias, **kind)
        if config.query_norm is not None:
            norm: dict[str, Any] = {"epsilon": config.norm_epsilon, "dtype": dtype, "param_dtype": dtype, "rngs": rngs}
            sizes = (config.head_dim,) * 2 if config.query_norm == "head" else (queries, pairs)
            self.query_norm, self.key_norm = (nnx.RMSNorm(size, **norm) for size in sizes)

    def heads(self, x, context: Context, prefix_keys, prefix_values):
        """Every head's output and scaled query `[r, t, h, hd]`, and this row's own keys and values `[r, t, kv, hd]`.

        Args:
          x: the layer's input `[r, t, d]`.
          context: what all layers share.
          prefix_keys: `[p, kv, hd]`.
          prefix_values: `[p, kv, hd]`.
        """
        c, (r, t, _) = self.config, x.shape
        scale = c.head_dim**-0.5 if c.query_scale is None else c.query_scale
        queries, keys = self._normed(self.query(x), self.key(x))
        queries, keys = _rotate(queries, context) * scale, _rotate(keys, context)
        values = self.value(x).reshape(r, t, c.num_kv_heads, c.head_dim)
        q, k, v = (a.astype(self.dtype) for a in (queries, keys, values))
        seen = _seen(k, prefix_keys, context), _seen(v, prefix_values, context)
        if c.attention is None:
            heads = _attend(q, *seen, context.bias, c.score_cap)
        else:
            heads = _attend_by_jax(q, *seen, context.bias, c.attention)
        return heads.reshape(q.shape), q, k, v

    def _normed(self, queries, keys):
        """Queries and keys by head, normed if the family does."""
        (r, t, _), size, kind = queries.shape, self.config.head_dim, self.config.query_norm
        if kind == "all":
            queries, keys = self.query_norm(queries), self.key_norm(keys)
        queries, keys = queries.reshape(r, t, -1, size), keys.reshape(r, t, -1, size)
        return (self.query_norm(queries), self.key_norm(keys)) if kind == "head" else (queries, keys)

    def __call__(self, heads):
        """The output projection of the heads, `[r, t, d]`."""
        return self.output(heads.reshape(*heads.shape[:2], -1))


def linear_options(dtype: DTypeLike, rngs: nnx.Rngs) -> dict[str, Any]:
    """Options of a linear map: `dtype` products are summed in float32, which is precise, and fast on CPUs and TPUs.

    Args:
      dtype: of the factors.
      rngs: for the initial weights.
    """
    return {"dtype": dtype, "param_dtype": dtype, "preferred_element_type": jnp.float32, "rngs": rngs}


def _seen(
    own: Float[Array, "r t kv hd"], prefix: Float[Array, "p kv hd"], context: Context
) -> Float[Array, "r kv b s hd"]:
    """What each block attends to: the prefix, its ancestors and itself, one head after the other."""
    (r, t, kv, hd), b = own.shape, context.ancestors.shape[1]
    own, prefix = own.transpose(0, 2, 1, 3), prefix.transpose(1, 0, 2)
    shared = jnp.broadcast_to(prefix[:, None], (r, kv, b, *prefix.shape[1:]))
    above = jax.vmap(lambda row, at: row[:, at])(own, context.ancestors)
    return jnp.concatenate([shared, above, own.reshape(r, kv, b, t // b, hd)], 3)


def _attend(
    q: Float[Array, "r t h hd"],
    k: Float[Array, "r kv b s hd"],
    v: Float[Array, "r kv b s hd"],
    bias: Float[Array, "r b i s"],
    cap: float | None = None,
) -> Float[Array, "r t h hd"]:
    """Softmax attention, block by block; scores and weights are float32. Plain products, normalised at the end."""
    (r, t, h, hd), (_, kv, b, s, _) = q.shape, k.shape
    i, g = t // b, h // kv

    def block(one):
        """One block of one group of heads: `[g * i, hd]` queries, `[s, hd]` keys."""
        q, k, v, bias = one
        scores = jnp.matmul(q, k.T, preferred_element_type=jnp.float32).reshape(g, i, s)
        scores = (scores if cap is None else cap * jnp.tanh(scores / cap)) + bias
        weights = jnp.exp(scores - scores.max(-1, keepdims=True)).reshape(g * i, s)
        summed = jnp.matmul(weights.astype(v.dtype), v, preferred_element_type=jnp.float32)
        return summed / weights.sum(-1, keepdims=True)

    queries = q.reshape(r, b, i, kv, g, hd).transpose(0, 3, 1, 4, 2, 5).reshape(r * kv * b, g * i, hd)
    each = jnp.broadcast_to(bias[:, None], (r, kv, b, i, s)).reshape(-1, i, s)
    every = (queries, k.reshape(-1, s, hd), v.reshape(-1, s, hd), each)
    some = min(r * kv * b, max(1, _CPU_SCORES // (g * i * s)))
    in_turn = functools.partial(jax.lax.map, block, batch_size=some)
    heads = jax.lax.platform_dependent(every, cpu=in_turn, default=jax.vmap(block))
    return heads.reshape(r, kv, b, g, i, hd).transpose(0, 2, 4, 1, 3, 5).reshape(q.shape)


def _attend_by_jax(q, k, v, bias, implementation: Any):
    """The same by `jax.nn.dot_product_attention`, for example with a fused GPU kernel."""
    (r, t, h, hd), b = q.shape, k.shape[2]
    k, v = (a.transpose(0, 2, 3, 1, 4).reshape(r * b, -1, k.shape[1], hd) for a in (k, v))
    bias = bias.reshape(r * b, 1, *bias.shape[2:]).astype(q.dtype)
    queries = q.reshape(r * b, t // b, h, hd)
    heads = jax.nn.dot_product_attention(queries, k, v, bias, scale=1.0, implementation=implementation)
    return heads.astype(jnp.float32)


def _rotate(x: Float[Array, "r t h hd"], context: Context) -> Float[Array, "r t h hd"]:
    """Rotates the pairs (i, i + p) by their position's angle (Su et al. 2021, arXiv 2104.09864); 2p on stay."""
    pairs = context.cos.shape[-1]
    a, b, rest = x[..., :pairs], x[..., pairs : 2 * pairs], x[..., 2 * pairs :]
    turned = [a * context.cos - b * context.sin, b * context.cos + a * context.sin]
    return jnp.concatenate([*turned, rest] if rest.shape[-1] else turned, -1)

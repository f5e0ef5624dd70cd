"""A decoder-only transformer of the Llama family in Flax NNX, built for ablation.

Three things set it apart from a model made for training. Every head and every MLP has a gate, a traced input.
Rows of tokens are trees, not only sequences: many ablated prompts share one row, and share the tokens they have in
common. A prefix that all rows share is run once; its keys and values are an input.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from spexjax.models.config import TransformerConfig
from spexjax.typing import Array


class Gates(NamedTuple):
    """Multipliers of each head's output (before the output projection) and of each MLP's output; 1 keeps, 0 removes."""

    heads: Float[Array, "l h"]
    mlps: Float[Array, " l"]

    @classmethod
    def open(cls, config: TransformerConfig) -> "Gates":
        """All ones: the model as it is."""
        return cls(jnp.ones((config.num_layers, config.num_heads)), jnp.ones(config.num_layers))


class Prefix(NamedTuple):
    """Keys and values, after RoPE, of tokens that precede every row; positions from `length` on are padding."""

    keys: Float[Array, "l p kv hd"]
    values: Float[Array, "l p kv hd"]
    length: Int[Array, ""]

    @classmethod
    def empty(cls, config: TransformerConfig, dtype: DTypeLike) -> "Prefix":
        """No tokens at all."""
        none = jnp.zeros((config.num_layers, 0, config.num_kv_heads, config.head_dim), dtype)
        return cls(none, none, jnp.zeros((), jnp.int32))


class _Context(NamedTuple):
    """What every layer needs besides its input: RoPE's angles, and 0 where a token may attend, else a huge negative."""

    cos: Float[Array, "r t 1 hd/2"]
    sin: Float[Array, "r t 1 hd/2"]
    bias: Float[Array, "r t p+t"]


class Attention(nnx.Module):
    """Grouped-query self-attention with rotary positions and one gate per head."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.config, self.dtype = config, dtype
        queries, pairs = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
        kind = _linear(dtype, rngs)
        self.query = nnx.Linear(config.hidden_size, queries, use_bias=config.qkv_bias, **kind)
        self.key = nnx.Linear(config.hidden_size, pairs, use_bias=config.qkv_bias, **kind)
        self.value = nnx.Linear(config.hidden_size, pairs, use_bias=config.qkv_bias, **kind)
        self.output = nnx.Linear(queries, config.hidden_size, use_bias=config.output_bias, **kind)

    def __call__(self, x, context: _Context, prefix_keys, prefix_values, gates):
        """Returns the attended `[r, t, d]` and this row's own keys and values `[r, t, kv, hd]`."""
        c, (r, t, _) = self.config, x.shape
        groups = c.num_heads // c.num_kv_heads
        q = _rotate(self.query(x).reshape(r, t, c.num_heads, c.head_dim), context) * c.head_dim**-0.5
        k = _rotate(self.key(x).reshape(r, t, c.num_kv_heads, c.head_dim), context)
        v = self.value(x).reshape(r, t, c.num_kv_heads, c.head_dim)
        q, k, v = (a.astype(self.dtype) for a in (q.reshape(r, t, c.num_kv_heads, groups, c.head_dim), k, v))

        def row(q, k, v, bias):
            return _attend(q, jnp.concatenate([prefix_keys, k]), jnp.concatenate([prefix_values, v]), bias)

        # A CPU is three times as fast on one row at a time, whose scores stay in its cache.
        if jax.default_backend() == "cpu":
            heads = jax.lax.map(lambda one: row(*one), (q, k, v, context.bias))
        else:
            heads = jax.vmap(row)(q, k, v, context.bias)
        heads = heads.reshape(r, t, c.num_heads, c.head_dim) * gates[:, None]
        return self.output(heads.reshape(r, t, -1)), (k, v)


class MLP(nnx.Module):
    """The gated feed-forward block `down(silu(gate(x)) * up(x))`."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        kind = {"use_bias": config.mlp_bias, **_linear(dtype, rngs)}
        self.gate = nnx.Linear(config.hidden_size, config.intermediate_size, **kind)
        self.up = nnx.Linear(config.hidden_size, config.intermediate_size, **kind)
        self.down = nnx.Linear(config.intermediate_size, config.hidden_size, **kind)

    def __call__(self, x):
        return self.down(jax.nn.silu(self.gate(x)) * self.up(x))


class Layer(nnx.Module):
    """Pre-norm attention and MLP, each added to the residual stream, which is float32, through its gates."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        norm = {"epsilon": config.norm_epsilon, "dtype": dtype, "param_dtype": dtype, "rngs": rngs}
        self.attention_norm = nnx.RMSNorm(config.hidden_size, **norm)
        self.attention = Attention(config, dtype=dtype, rngs=rngs)
        self.mlp_norm = nnx.RMSNorm(config.hidden_size, **norm)
        self.mlp = MLP(config, dtype=dtype, rngs=rngs)

    def __call__(self, x, context: _Context, prefix_keys, prefix_values, head_gates, mlp_gate):
        attended, own = self.attention(self.attention_norm(x), context, prefix_keys, prefix_values, head_gates)
        x = x + attended
        return x + self.mlp(self.mlp_norm(x)) * mlp_gate, own


class Transformer(nnx.Module):
    """The whole model, its layers stacked on a leading axis and run by `lax.scan`: one layer is compiled, not all."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        kind = {"dtype": dtype, "param_dtype": dtype, "rngs": rngs}
        self.config, self.dtype = config, dtype
        self.embedding = nnx.Embed(config.vocab_size, config.hidden_size, **kind)

        @nnx.split_rngs(splits=config.num_layers)
        @nnx.vmap
        def stack(rngs: nnx.Rngs) -> Layer:
            return Layer(config, dtype=dtype, rngs=rngs)

        self.layers = stack(rngs)
        self.norm = nnx.RMSNorm(config.hidden_size, epsilon=config.norm_epsilon, **kind)
        if not config.tie_embeddings:
            self.head = nnx.Linear(config.hidden_size, config.vocab_size, use_bias=False, **kind)

    def __call__(
        self,
        tokens: Int[Array, "r t"],
        positions: Int[Array, "r t"],
        ends: Int[Array, "r t"],
        prefix: Prefix,
        gates: Gates,
    ) -> tuple[Float[Array, "r t d"], tuple[Float[Array, "l r t kv hd"], Float[Array, "l r t kv hd"]]]:
        """Runs r rows of t tokens that all follow `prefix`.

        A row is a forest in depth-first order: token j is seen by tokens i with `j <= i < ends[j]`, its own subtree.
        One plain sequence has `ends = t` throughout; ended sequences side by side never see each other.

        Returns:
          The final hidden states, after the last norm, and every layer's own keys and values.
        """
        angles = positions[..., None, None] * jnp.asarray(self.config.rope_frequencies, jnp.float32)
        t, p = tokens.shape[1], prefix.keys.shape[1]
        i, j = jnp.arange(t)[:, None], jnp.arange(t)
        own = (j <= i) & (i < ends[:, None, :])
        shared = jnp.broadcast_to(jnp.arange(p) < prefix.length, (*own.shape[:2], p))
        bias = jnp.where(jnp.concatenate([shared, own], -1), 0.0, -1e30)
        context = _Context(jnp.cos(angles), jnp.sin(angles), bias)
        graph, stacked = nnx.split(self.layers)

        def step(x, layer):
            weights, *rest = layer
            return nnx.merge(graph, weights)(x, context, *rest)

        x, keys_values = jax.lax.scan(
            step,
            self.embedding(tokens).astype(jnp.float32),
            (stacked, prefix.keys, prefix.values, gates.heads, gates.mlps),
        )
        return self.norm(x), keys_values

    def logits(self, hidden: Float[Array, "*b d"]) -> Float[Array, "*b v"]:
        """Next-token logits over the whole vocabulary, in float32."""
        table = self.embedding.embedding if self.config.tie_embeddings else self.head.kernel.T
        return jnp.einsum("...d,vd->...v", hidden, table[...], preferred_element_type=jnp.float32)

    def logits_of(self, hidden: Float[Array, "*b d"], tokens: Int[Array, " k"]) -> Float[Array, "*b k"]:
        """The logits of k tokens only, in float32: no product with the rest of the vocabulary."""
        tied = self.config.tie_embeddings
        rows = self.embedding.embedding[tokens] if tied else self.head.kernel[:, tokens].T
        return jnp.einsum("...d,kd->...k", hidden, rows, preferred_element_type=jnp.float32)


def run_prefix(model: Transformer, tokens: Int[Array, " p"], length: Int[Array, ""]) -> Prefix:
    """Runs the tokens that every row shares, once; `tokens[length:]` is padding."""
    p = tokens.shape[0]
    empty = Prefix.empty(model.config, model.dtype)
    row = jnp.arange(p, dtype=jnp.int32)[None]
    _, (keys, values) = model(tokens[None], row, jnp.full_like(row, p), empty, Gates.open(model.config))
    return Prefix(keys[:, 0], values[:, 0], jnp.asarray(length, jnp.int32))


def _linear(dtype: DTypeLike, rngs: nnx.Rngs) -> dict:
    """Products of `dtype` numbers summed in float32, which keeps precision and is what CPUs and TPUs do fast."""
    return {"dtype": dtype, "param_dtype": dtype, "preferred_element_type": jnp.float32, "rngs": rngs}


def _attend(
    q: Float[Array, "t kv g hd"],
    k: Float[Array, "s kv hd"],
    v: Float[Array, "s kv hd"],
    bias: Float[Array, "t s"],
) -> Float[Array, "t kv g hd"]:
    """Softmax attention of one row; scores and weights are float32. Plain batched products, normalised at the end."""
    t, kv, g, hd = q.shape
    f32 = {"preferred_element_type": jnp.float32}
    grouped = q.transpose(1, 2, 0, 3).reshape(kv, g * t, hd)
    scores = jnp.matmul(grouped, k.transpose(1, 2, 0), **f32).reshape(kv, g, t, -1) + bias
    weights = jnp.exp(scores - scores.max(-1, keepdims=True))
    summed = jnp.matmul(weights.astype(v.dtype).reshape(kv, g * t, -1), v.transpose(1, 0, 2), **f32)
    return (summed.reshape(kv, g, t, hd) / weights.sum(-1)[..., None]).transpose(2, 0, 1, 3)


def _rotate(x: Float[Array, "r t h hd"], context: _Context) -> Float[Array, "r t h hd"]:
    """Rotates the pairs (i, i + hd/2) by their position's angle (Su et al. 2021, arXiv 2104.09864)."""
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * context.cos - b * context.sin, b * context.cos + a * context.sin], -1)

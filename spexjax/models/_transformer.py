"""A decoder-only transformer in Flax NNX, built for ablation.

Three things set it apart from a model made for training. Every head and every MLP has a gate, which is a traced input.
A row of tokens is a forest, not only a sequence: many ablated prompts share one row, and their common tokens in it. A
prefix that all rows share is run once; its keys and values are an input.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike
from jaxtyping import Float, Int

from spexjax.models._attention import Attention, Context, distances, visible
from spexjax.models._config import TransformerConfig
from spexjax.models._mlp import MLP, Experts
from spexjax.typing import Array


class Gates(NamedTuple):
    """Multipliers of each head's output (before the output projection) and of each MLP's output; 1 keeps, 0 removes.

    The same for all rows, or with an axis of rows after that of the layers. An MLP's output is what it adds to the
    residual stream, after its own norm if there is one. Experts have gates of their own; None opens them all.
    """

    heads: Float[Array, "l *r h"]
    mlps: Float[Array, "l *r"]
    experts: Float[Array, "l *r e"] | None = None

    @classmethod
    def open(cls, config: TransformerConfig) -> "Gates":
        """All ones: the model as it is."""
        heads = jnp.ones((config.num_layers, config.num_heads), jnp.float32)
        experts = jnp.ones((config.num_layers, config.num_experts), jnp.float32) if config.num_experts else None
        return cls(heads, jnp.ones(config.num_layers, jnp.float32), experts)


class Substitute(NamedTuple):
    """What replaces the outputs of closed heads and MLPs: `gate * output + (1 - gate) * substitute`.

    The axis of tokens may have size 1, for all tokens alike; rows are repeated until there are as many as the model's.
    """

    heads: Float[Array, "l f u h hd"]
    mlps: Float[Array, "l f u d"]


class Prefix(NamedTuple):
    """Keys and values, after RoPE, of tokens that precede every row; positions from `length` on are padding."""

    keys: Float[Array, "l p kv hd"]
    values: Float[Array, "l p kv hd"]
    length: Int[Array, ""]

    @classmethod
    def empty(cls, config: TransformerConfig, dtype: DTypeLike) -> "Prefix":
        """No tokens at all.

        Args:
          config: of the model.
          dtype: of its computation.
        """
        none = jnp.zeros((config.num_layers, 0, config.num_kv_heads, config.head_dim), dtype)
        return cls(none, none, jnp.zeros((), jnp.int32))


class Trace(NamedTuple):
    """What one layer computed: its queries, keys and values, and what heads and MLP put out before their gates."""

    queries: Float[Array, "r t h hd"]  # scaled
    keys: Float[Array, "r t kv hd"]
    values: Float[Array, "r t kv hd"]
    heads: Float[Array, "r t h hd"]
    mlp: Float[Array, "r t d"]


def _norm(size: int, config: TransformerConfig, dtype: DTypeLike, rngs: nnx.Rngs) -> nnx.Module:
    kind: dict[str, Any] = {"epsilon": config.norm_epsilon, "dtype": dtype, "param_dtype": dtype, "rngs": rngs}
    if config.norm == "layer":
        return nnx.LayerNorm(size, use_fast_variance=False, **kind)
    return nnx.RMSNorm(size, **kind)


class Layer(nnx.Module):
    """Attention and MLP with their norms, each added to the residual stream, which is float32, through its gates."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike, rngs: nnx.Rngs):
        self.config = config
        norm = config.hidden_size, config, dtype, rngs
        if config.pre_norms:
            self.attention_norm = _norm(*norm)
        self.attention = Attention(config, dtype=dtype, rngs=rngs)
        if config.pre_norms:
            self.mlp_norm = _norm(*norm)
        if config.post_norms:
            self.attention_post_norm, self.mlp_post_norm = _norm(*norm), _norm(*norm)
        self.mlp = (Experts if config.num_experts else MLP)(config, dtype=dtype, rngs=rngs)

    def __call__(
        self, x, context: Context, prefix_keys, prefix_values, gates: Gates, substitute: Substitute | None, reads=None
    ):
        def at_reads(a):
            """From here on no token needs another."""
            if reads is None:
                return a
            return jnp.broadcast_to(a, (*heads.shape[:2], *a.shape[2:])).reshape(-1, *a.shape[2:])[reads]

        c = self.config
        normed = self.attention_norm(x) if c.pre_norms else x
        heads, queries, keys, values = self.attention.heads(normed, context, prefix_keys, prefix_values)
        per_row = None if substitute is None else jax.tree.map(lambda s: _repeated(s, len(heads)), substitute)
        gated = _gated(heads, gates.heads[..., None, :, None], per_row and per_row.heads)
        attended = self.attention(at_reads(gated))
        attended = self.attention_post_norm(attended) if c.post_norms else attended
        before = at_reads(x)
        x = before + _scaled(attended, c.residual_scale)
        mlp = self._mlp(
            before if c.parallel else x, None if gates.experts is None else at_reads(_per_token(gates.experts))
        )
        gate = at_reads(gates.mlps.reshape(-1, 1, 1))
        added = _scaled(_gated(mlp, gate, per_row and at_reads(per_row.mlps)), c.residual_scale)
        return x + added, Trace(queries, keys, values, heads, mlp)

    def _mlp(self, x, experts):
        """What the MLP adds to the residual stream."""
        normed = self.mlp_norm(x) if self.config.pre_norms else x
        out = self.mlp(normed, experts) if self.config.num_experts else self.mlp(normed)
        return self.mlp_post_norm(out) if self.config.post_norms else out


class Transformer(nnx.Module):
    """The whole model, its layers stacked on a leading axis and run by `lax.scan`: one layer is compiled, not all."""

    def __init__(self, config: TransformerConfig, *, dtype: DTypeLike = jnp.float32, rngs: nnx.Rngs):
        kind: dict[str, Any] = {"dtype": dtype, "param_dtype": dtype, "rngs": rngs}
        self.config, self.dtype = config, dtype
        self.embedding = nnx.Embed(config.vocab_size, config.hidden_size, **kind)
        if config.learned_positions:
            self.positions = nnx.Embed(config.max_length, config.hidden_size, **kind)

        @nnx.split_rngs(splits=config.num_layers)
        @nnx.vmap
        def stack(rngs: nnx.Rngs) -> Layer:
            return Layer(config, dtype=dtype, rngs=rngs)

        self.layers = stack(rngs)
        self.norm = _norm(config.hidden_size, config, dtype, rngs)
        if not config.tie_embeddings:
            self.head = nnx.Linear(config.hidden_size, config.vocab_size, use_bias=False, **kind)

    def __call__(
        self,
        tokens: Int[Array, "r t"],
        positions: Int[Array, "r t"],
        ends: Int[Array, "r t"],
        prefix: Prefix,
        gates: Gates,
        ancestors: Int[Array, "r b a"] | None = None,
    ) -> tuple[Float[Array, "r t d"], tuple[Float[Array, "l r t kv hd"], Float[Array, "l r t kv hd"]]]:
        """Runs r rows of t tokens that all follow `prefix`.

        A row is a forest in depth-first order: token j is seen by tokens i with `j <= i < ends[j]`, its own subtree.
        One plain sequence has `ends = t` throughout; ended sequences side by side never see each other.

        Long rows are cut into b blocks of t / b tokens, and `ancestors` lists the tokens before each block that its
        first token sees (-1 is none): its tokens see no others. The cost of attention then grows with the lengths of
        the sequences, not of the row. Without `ancestors` each row is one block.

        Returns:
          The final hidden states, after the last norm, and every layer's own keys and values.
        """
        x = self.embed(tokens, positions)
        x, own = self.run(
            x, positions, ends, prefix, gates, ancestors=ancestors, keep=lambda trace: (trace.keys, trace.values)
        )
        return self.norm(x), own

    def embed(self, tokens: Int[Array, "r t"], positions: Int[Array, "r t"]) -> Float[Array, "r t d"]:
        """The residual stream before the first layer.

        Args:
          tokens: their ids.
          positions: of each token.
        """
        x = _scaled(self.embedding(jnp.asarray(tokens)), self.config.embedding_scale).astype(jnp.float32)
        return x + self.positions(jnp.asarray(positions)) if self.config.learned_positions else x

    def run(
        self,
        x: Float[Array, "r t d"],
        positions: Int[Array, "r t"],
        ends: Int[Array, "r t"],
        prefix: Prefix,
        gates: Gates,
        substitute: Substitute | None = None,
        *,
        ancestors: Int[Array, "r b a"] | None = None,
        first: int = 0,
        reads: Int[Array, "s k"] | None = None,
        keep: Callable[[Trace], Any] = lambda trace: (),
    ) -> tuple[Float[Array, "_ _ d"], Any]:
        """Runs as many layers as there are gates, from layer `first` on, on the residual stream before it.

        Args:
          x: the residual stream; rows, positions and ends are those of `__call__`.
          positions: of each token.
          ends: of each token's subtree.
          prefix: of all layers of the model.
          gates: of the layers to run.
          substitute: of the layers to run; zero if not given.
          ancestors: of each block, as in `__call__`.
          first: the layer to start with.
          reads: which of the r * t tokens are wanted after the last of these layers, whose MLP then runs for them only;
            nothing is kept of that layer.
          keep: what to return of each layer's `Trace`.

        Returns:
          The residual stream after the last of them, `[r, t, d]` or `[s, k, d]`, without the last norm, and what was
          kept, stacked over layers.
        """
        if ancestors is None:
            ancestors = jnp.zeros((len(positions), 1, 0), jnp.int32)
        everywhere, sliding = self._contexts(positions, ends, ancestors, prefix)
        slides, rotated = jnp.array(self.config.slides), jnp.array(self.config.rotated or ())
        graph, stacked = nnx.split(self.layers)

        def step(x, layer, reads=None):
            i, gates, substitute = layer
            # Indexed here rather than scanned over: cutting out the layers to run would copy their weights.
            weights, keys, values = jax.tree.map(
                lambda leaf: jax.lax.dynamic_index_in_dim(leaf, i, keepdims=False),
                (stacked, prefix.keys, prefix.values),
            )
            context = everywhere
            if sliding is not None:
                context = jax.tree.map(lambda a, b: jnp.where(slides[i], b, a), everywhere, sliding)
            if self.config.rotated is not None:
                cos, sin = jnp.where(rotated[i], context.cos, 1), jnp.where(rotated[i], context.sin, 0)
                context = context._replace(cos=cos, sin=sin)
            x, trace = nnx.merge(graph, weights)(x, context, keys, values, gates, substitute, reads)
            return x, keep(trace)

        layers = (first + jnp.arange(len(gates.mlps)), gates, substitute)
        if reads is None:
            return jax.lax.scan(step, x, layers)
        x, kept = jax.lax.scan(step, x, jax.tree.map(lambda leaf: leaf[:-1], layers))
        return step(x, jax.tree.map(lambda leaf: leaf[-1], layers), reads)[0], kept

    def _contexts(self, positions, ends, ancestors, prefix: Prefix) -> tuple[Context, Context | None]:
        """What layers that see everything need, and what those with a sliding window do, if there are any."""
        c = self.config
        cos, sin = _angles(positions, c.rope_frequencies, c.rope_scale)
        seen = visible(ends, ancestors, prefix.keys.shape[1], prefix.length)
        whole = Context(cos, sin, ancestors, jnp.where(seen, 0.0, -1e30))
        if c.window is None and c.rope_local is None:
            return whole, None
        if c.rope_local is not None:
            cos, sin = _angles(positions, c.rope_local, c.rope_local_scale)
        if c.window is not None:
            seen &= distances(positions, ancestors, prefix.keys.shape[1]) < c.window
        return whole, Context(cos, sin, ancestors, jnp.where(seen, 0.0, -1e30))

    def logits(self, hidden: Float[Array, "*b d"]) -> Float[Array, "*b v"]:
        """Next-token logits over the whole vocabulary, in float32."""
        table = self.embedding.embedding if self.config.tie_embeddings else self.head.kernel.T
        return self._final(jnp.einsum("...d,vd->...v", hidden, table[...], preferred_element_type=jnp.float32))

    def logits_of(self, hidden: Float[Array, "*b d"], tokens: Int[Array, "*c k"]) -> Float[Array, "*b k"]:
        """The logits of k tokens only, in float32: no product with the rest of the vocabulary.

        Args:
          hidden: after the last norm.
          tokens: the k tokens, the same for all hidden states or some for each.
        """
        tied = self.config.tie_embeddings
        rows = self.embedding.embedding[tokens] if tied else jnp.moveaxis(self.head.kernel[:, tokens], 0, -1)
        return self._final(jnp.einsum("...d,...kd->...k", hidden, rows, preferred_element_type=jnp.float32))

    def _final(self, logits: Float[Array, "*s"]) -> Float[Array, "*s"]:
        cap, logits = self.config.logit_cap, _scaled(logits, self.config.logit_scale)
        return logits if cap is None else cap * jnp.tanh(logits / cap)


def run_prefix(model: Transformer, tokens: Int[Array, " p"], length: Int[Array, ""]) -> Prefix:
    """Runs the tokens that every row shares, once; `tokens[length:]` is padding.

    Args:
      model: runs.
      tokens: p token ids, the last of them padding.
      length: how many are not padding.
    """
    p = tokens.shape[0]
    empty = Prefix.empty(model.config, model.dtype)
    row = jnp.arange(p, dtype=jnp.int32)[None]
    _, (keys, values) = model(tokens[None], row, jnp.full_like(row, p), empty, Gates.open(model.config))
    return Prefix(keys[:, 0], values[:, 0], jnp.asarray(length, jnp.int32))


def _angles(positions: Int[Array, "r t"], frequencies: tuple[float, ...], scale: float):
    """Cosine and sine of RoPE's angles, times the scale."""
    angles = positions[..., None, None] * jnp.asarray(frequencies, jnp.float32)
    return _scaled(jnp.cos(angles), scale), _scaled(jnp.sin(angles), scale)


def _scaled(a: Float[Array, "*s"], scale: float) -> Float[Array, "*s"]:
    return a if scale == 1 else a * scale


def _per_token(gates: Float[Array, "*r e"]) -> Float[Array, "_ 1 e"]:
    return gates.reshape(-1, 1, gates.shape[-1])


def _repeated(part: Float[Array, "f u *o"], rows: int) -> Float[Array, "r u *o"]:
    return jnp.tile(part, (rows // len(part), *[1] * (part.ndim - 1)))


def _gated(output: Float[Array, "r t *o"], gate: Float[Array, "*g"], substitute: Float[Array, "r u *o"] | None):
    """The output where its gate is open, the substitute where it is closed."""
    return output * gate if substitute is None else output * gate + (1 - gate) * substitute

"""A pruned model: the rows and columns of removed heads are cut out of the weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def prune(model, kept):
    """The weights of every layer with only the heads in `kept`, bool `[layers, heads]`."""
    c, layers = model.config, jax.tree.map(np.asarray, model.parameters["layers"].to_pure_dict())
    group = c.num_heads // c.num_kv_heads
    pruned = []
    for i, heads in enumerate(map(np.flatnonzero, kept)):
        pairs = np.unique(heads // group)  # keys and values that a kept head reads
        columns, shared = (
            (members[:, None] * c.head_dim + np.arange(c.head_dim)).ravel().astype(int) for members in (heads, pairs)
        )
        attention, mlp = layers["attention"], layers["mlp"]
        pruned.append(
            {
                "query": attention["query"]["kernel"][i][:, columns],
                "key": attention["key"]["kernel"][i][:, shared],
                "value": attention["value"]["kernel"][i][:, shared],
                "output": attention["output"]["kernel"][i][columns],
                "norms": (layers["attention_norm"]["scale"][i], layers["mlp_norm"]["scale"][i]),
                **{name: mlp[name]["kernel"][i] for name in ("gate", "up", "down")},
            }
        )
    readers = tuple(tuple(np.unique(h // group, return_inverse=True)[1].tolist()) for h in map(np.flatnonzero, kept))
    return jax.tree.map(jnp.asarray, pruned), readers


def parameters_in(pruned):
    """The number of parameters in the layers."""
    return sum(leaf.size for leaf in jax.tree.leaves(pruned))


@functools.cache
def forward(config, readers):
    """Compiled: token ids `[t]` to the last hidden states `[t, d]`; `readers` gives the key head of each kept head."""

    def norm(x, scale):
        return x * jax.lax.rsqrt((x**2).mean(-1, keepdims=True) + config.norm_epsilon) * scale

    def rotate(x, angles):
        a, b = jnp.split(x, 2, -1)
        cos, sin = jnp.cos(angles)[:, None], jnp.sin(angles)[:, None]
        return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def run(layers, table, last, tokens):
        x, t = table[tokens], len(tokens)
        angles = jnp.arange(t)[:, None] * jnp.asarray(config.rope_frequencies)
        for weights, reads in zip(layers, readers, strict=True):
            if reads:
                h = norm(x, weights["norms"][0])
                q, k, v = ((h @ weights[name]).reshape(t, -1, config.head_dim) for name in ("query", "key", "value"))
                q, k = rotate(q, angles), rotate(k, angles)
                at = jnp.asarray(reads)
                heads = jax.nn.dot_product_attention(q[None], k[None][:, :, at], v[None][:, :, at], is_causal=True)
                x = x + heads.reshape(t, -1) @ weights["output"]
            h = norm(x, weights["norms"][1])
            x = x + (jax.nn.silu(h @ weights["gate"]) * (h @ weights["up"])) @ weights["down"]
        return norm(x, last)

    return jax.jit(run)

"""How many tokens fit the device's memory."""

import jax
import jax.numpy as jnp

from spexjax.models._config import TransformerConfig

_CPU = 2048  # enough to keep a CPU busy; more does not fit its caches
_MOST = 65536  # enough to keep any device busy
_SHARE = 0.5  # of the memory that is free: estimates are rough, and other work may come


def nodes_that_fit(config: TransformerConfig, dtype: jnp.dtype, keys: int) -> int:
    """How many tokens of a forward pass keep the device busy and fit its memory.

    Counts the largest temporaries of a layer: the gated MLP, and attention scores with their exponentials.

    Args:
      config: of the model, whose weights are on the device already.
      dtype: of the computation.
      keys: how many keys each token is compared with.
    """
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return _CPU
    memory = device.memory_stats() or {}
    free = memory.get("bytes_limit", 0) - memory.get("bytes_in_use", 0)
    width = jnp.dtype(dtype).itemsize
    wide = config.intermediate_size * (8 + width) + config.num_heads * keys * (8 + width)
    each = wide + 4 * 4 * config.hidden_size + 3 * width * config.num_heads * config.head_dim
    return max(1, min(_MOST, int(_SHARE * free / each))) if free > 0 else _MOST

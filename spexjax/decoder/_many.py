"""Decoding many signals of one design on all devices."""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float

from spexjax.decoder._decode import Decoded, decode
from spexjax.designs import Subsampled
from spexjax.typing import Array


def decode_many(
    design: Subsampled,
    values: Float[Array, "signals m"],
    mode: Literal["hard", "soft"] = "soft",
    max_terms: int | None = None,
    max_rounds: int = 100,
    *,
    mesh: Mesh | None = None,
) -> Decoded:
    """`jax.vmap(decode)` over signals, with an equal share on each device; no device waits for another.

    On a CPU, operations this small hardly use a second core. Give every core a device of its own before JAX starts:
    `XLA_FLAGS=--xla_force_host_platform_device_count=2`.

    Args:
      design: from `designs.subsampled`.
      values: one row of values for each signal.
      mode: as in `decode`.
      max_terms: as in `decode`.
      max_rounds: as in `decode`.
      mesh: its devices share the signals; None for all devices of this process.

    Returns:
      As `decode`, every array with a leading axis of signals.

    Raises:
      ValueError: as `decode`, or if there is no signal.

    >>> from spexjax import Spectrum, designs
    >>> design = designs.subsampled(jax.random.key(0), num_features=30, bins_log2=4)
    >>> f, g = (Spectrum.from_dict(terms, 30) for terms in ({(3, 7): -1.0}, {(1, 12, 25): 0.5}))
    >>> masks = design.masks()
    >>> decoded = decode_many(design, jnp.stack([f(masks), g(masks)]), max_terms=1)
    >>> decoded.spectrum.support[:, 0].tolist()
    [[3, 7, 30, 30, 30], [1, 12, 25, 30, 30]]
    """
    mesh = Mesh(np.array(jax.local_devices()), ("data",)) if mesh is None else mesh
    like = jnp if isinstance(values, jax.Array) else np
    values, signals = like.asarray(values), len(values)
    if signals == 0:
        raise ValueError("There is no signal to decode: values [signals, m] have no row.")
    if spare := -signals % mesh.size:
        values = like.pad(values, ((0, spare), (0, 0)))
    # Each part goes straight to its device: a program given all of them would copy them to one device first.
    parts = jax.device_put(values, NamedSharding(mesh, PartitionSpec(mesh.axis_names)))
    return _program(mesh, mode, max_terms, max_rounds)(design, parts, signals)


@functools.lru_cache(maxsize=32)  # the same function object each time, so that JAX compiles it once
def _program(mesh: Mesh, mode: str, max_terms: int | None, max_rounds: int):
    def one(design, values):
        return decode(design, values, mode, max_terms, max_rounds)

    shared, cut = PartitionSpec(), PartitionSpec(mesh.axis_names)
    share = jax.shard_map(jax.vmap(one, (None, 0)), mesh=mesh, in_specs=(shared, cut), out_specs=cut, check_vma=False)

    @functools.partial(jax.jit, static_argnames="signals")
    def all_of_them(design, values, signals):
        return jax.tree.map(lambda leaf: leaf[:signals], share(design, values))

    return all_of_them

"""Array aliases that the stations of the road share."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float
from jaxtyping import Key as _Key

Array = jax.Array | np.ndarray  # device or host: both travel the road
Leaf = Any  # an array in a pytree, or what JAX puts in its place while it handles the tree
Key = _Key[jax.Array, ""]  # a typed PRNG key, consumed by whoever receives it
Masks = Bool[Array, "m n"]  # one row per ablation, True = the component is kept
Values = Float[Array, " m"]  # the value function at each mask

"""Array aliases that the whole package shares."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float
from jaxtyping import Key as _Key

Array = jax.Array | np.ndarray  # on the device or on the host
Leaf = Any  # an array in a pytree, or the placeholder that JAX puts there in tree operations
Key = _Key[jax.Array, ""]  # a typed PRNG key, consumed by whoever receives it
Masks = Bool[Array, "m n"]  # one row per ablation, True = the component is kept
Values = Float[Array, " m"]  # the value function at each mask
Relevances = Float[np.ndarray, " n"]  # how much each feature is expected to matter, before any ablation; ratios count
CoValues = Float[Array, "m c"]  # what else the same evaluations tell: hidden states, other answers, other test points

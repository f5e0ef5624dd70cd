"""Posteriors under several kernels, which a surrogate averages."""

import dataclasses
from operator import itemgetter

import jax

from spexjax._equality import by_content
from spexjax.gp._kernel import ProductKernel
from spexjax.typing import Leaf


@by_content
@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, eq=False)
class Process:
    """Posteriors under e kernels of the same shape, conditioned on the same masks.

    Where one kernel is enough, the first is used.
    """

    kernels: ProductKernel  # every leaf with a leading axis e
    alphas: Leaf  # Float[e, m]: the weights of the means, in units of the surrogate's `spread`
    shares: Leaf  # Float[e]: the weight of each mean in the surrogate

    @property
    def first(self) -> ProductKernel:
        """The first kernel."""
        return jax.tree.map(itemgetter(0), self.kernels)

    @property
    def members(self) -> list[ProductKernel]:
        """The kernels one by one."""
        return [jax.tree.map(itemgetter(i), self.kernels) for i in range(len(self.shares))]

"""The default method: exact where possible, else whatever predicts best, and SPEX where nothing else learns."""

import dataclasses
from collections.abc import Sequence
from importlib.util import find_spec

import jax

from spexjax import proxies
from spexjax._budget import hopeless
from spexjax.evaluation import Evaluation
from spexjax.gp import Surrogate
from spexjax.indices import Index
from spexjax.methods._exact import exact_fit
from spexjax.methods._from_proxy import differentiable, fit_proxy
from spexjax.methods._method import Design, Look, draw
from spexjax.methods._registry import competitors
from spexjax.methods._spex import spex
from spexjax.proxies import Fit, Proxy
from spexjax.typing import Key

_LOOK = 512  # masks


@dataclasses.dataclass(frozen=True, eq=False)
class Auto:
    """Compares lasso, the differentiable ProxySPEX, boosted trees and what users registered, by held-out error.

    All 2^n masks are transformed exactly. If next to nothing is learned from 512 uniform masks and the budget allows
    it, the rest is spent on SPEX's masks, and SPEX competes too. Where an index asks for masks drawn by size, trees are
    left out: held-out error says how well masks are predicted, not derivatives, and gives them too large a share. They
    are not tried either where kernels that learned from co-values predict 90 % of the variance: there is little left
    that they could add, and they take as long.

    `like` holds surrogates of other inputs; see `proxies.kernels`.
    """

    name: str = "auto"
    like: tuple[Surrogate, ...] = ()
    memory: dict | None = None
    uses_priors = uses_relevances = True  # not fields

    def resembling(self, surrogates: Sequence[Surrogate]) -> "Auto":
        """The same method, with relevances that may resemble those of other inputs."""
        return dataclasses.replace(self, like=tuple(surrogates))

    def remembering(self) -> "Auto":
        """The same method, which learns from co-values once for all values at the same masks."""
        return dataclasses.replace(self, memory={})

    def design(
        self, key: Key, num_features: int, budget: int, index: Index | None, keep: float | None = None
    ) -> Design:
        """Uniform masks with a look after 512 of them, or masks that an index or `keep` asks for."""
        design = draw(key, num_features, budget, index, keep)
        if (
            keep is not None
            or design.by_size
            or design.complete
            or not spex().affords(budget, num_features, known=_LOOK)
        ):
            return design

        def revise(r2: float, error: float) -> Design | None:
            return self._turned_to_spex(design, jax.random.fold_in(key, 1), budget) if hopeless(r2, error) else None

        return dataclasses.replace(design, look=Look(_LOOK, revise))

    def _turned_to_spex(self, design: Design, key: Key, budget: int) -> Design:
        """The masks that have been evaluated, then those of SPEX, and more of the former's kind if some are left."""
        n = design.masks.shape[1]
        spare = budget - len(spex().plan(key, budget, n, design.masks[:_LOOK]).masks)
        return spex().plan(key, budget, n, design.masks[: _LOOK + spare]).as_design()

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """The exact spectrum of all masks; of fewer, the best proxy or mixture of two."""
        if design.complete:
            return exact_fit(design.masks, evaluation.values)
        proxy = proxies.select(self._competing(design), spared=("trees",))
        return fit_proxy(proxy, self.name, design.masks, evaluation, key)

    def _competing(self, design: Design) -> dict[str, Proxy]:
        num_masks, num_features = design.masks.shape
        found = differentiable(num_masks, num_features, self.like, self.memory)
        if not design.by_size and find_spec("lightgbm"):
            found["trees"] = proxies.boosted_trees("fast")
        found |= competitors(design)
        return found if design.plan is None else found | {"spex": design.plan}

"""The method of least squares: the regression that defines faithful indices, weighed as the masks were drawn."""

import dataclasses

from spexjax import proxies
from spexjax.evaluation import Evaluation
from spexjax.indices import Index
from spexjax.methods._from_proxy import fit_proxy
from spexjax.methods._method import Design, draw
from spexjax.proxies import Fit
from spexjax.typing import Key


@dataclasses.dataclass(frozen=True, eq=False)
class LeastSquares:
    """All interactions up to an order by least squares; see `proxies.least_squares`.

    Masks drawn by size are weighed by the Shapley kernel: that is Faith-Shapley regression. Uniform ones, and those of
    `keep`, count alike: Faith-Banzhaf regression, and its weighted kind.
    """

    name: str = "least-squares"
    order: int = 2
    uses_priors = True  # not a field

    def design(
        self, key: Key, num_features: int, budget: int, index: Index | None, keep: float | None = None
    ) -> Design:
        """Uniform masks, masks drawn by size for an index that asks for them, or masks near the full model."""
        proxies.least_squares(self.order).num_terms(num_features)
        return draw(key, num_features, budget, index, keep)

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """The fit of all masks but the two ends."""
        proxy = proxies.least_squares(self.order, by_size=design.by_size)
        return fit_proxy(proxy, self.name, design.masks, evaluation, key)

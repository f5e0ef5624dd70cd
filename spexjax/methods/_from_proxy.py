"""A method of a proxy: any masks, and whatever the proxy makes of their values."""

import dataclasses
import inspect
from collections.abc import Callable, Sequence

import numpy as np

from spexjax import proxies
from spexjax._ends import inner_rows
from spexjax._values import standardise
from spexjax.evaluation import Evaluation
from spexjax.gp import Surrogate
from spexjax.indices import Index
from spexjax.methods._method import Design, draw
from spexjax.proxies import Fit, Proxy
from spexjax.spectrum import Spectrum
from spexjax.typing import Key, Masks, Values

_PRODUCTS = 500  # features up to which sums of products compete, where masks are too many for a kernel matrix


@dataclasses.dataclass(frozen=True, eq=False)
class FromProxy:
    """The method made by `from_proxy`.

    `make(num_masks, num_features)` gives the proxy, and raises ImportError if it needs a package that is missing.
    `uses_relevances` is that of the proxy.
    """

    name: str
    make: Callable[[int, int], Proxy]
    uses_relevances: bool = False
    uses_priors = True  # not a field

    def design(
        self, key: Key, num_features: int, budget: int, index: Index | None, keep: float | None = None
    ) -> Design:
        """Uniform masks, masks drawn by size for an index that asks for them, or masks near the full model."""
        self.make(budget, num_features)
        return draw(key, num_features, budget, index, keep)

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """What the proxy makes of the values."""
        return fit_proxy(self.make(*design.masks.shape), self.name, design.masks, evaluation, key)


@dataclasses.dataclass(frozen=True, eq=False)
class Differentiable:
    """The differentiable ProxySPEX: Gaussian processes on the hypercube, or the linear fit where that is better.

    `like` holds surrogates of other inputs; see `proxies.kernels`.
    """

    name: str = "proxyspex-gp"
    like: tuple[Surrogate, ...] = ()
    memory: dict | None = None
    uses_priors = uses_relevances = True  # not fields

    def resembling(self, surrogates: Sequence[Surrogate]) -> "Differentiable":
        """The same method, with relevances that may resemble those of other inputs."""
        return dataclasses.replace(self, like=tuple(surrogates))

    def remembering(self) -> "Differentiable":
        """The same method, which learns from co-values once for all values at the same masks."""
        return dataclasses.replace(self, memory={})

    def design(
        self, key: Key, num_features: int, budget: int, index: Index | None, keep: float | None = None
    ) -> Design:
        """Uniform masks, masks drawn by size for an index that asks for them, or masks near the full model."""
        return draw(key, num_features, budget, index, keep)

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """The best of the differentiable proxies and lasso, by held-out error."""
        num_masks, num_features = design.masks.shape
        proxy = proxies.select(differentiable(num_masks, num_features, self.like, self.memory))
        return fit_proxy(proxy, self.name, design.masks, evaluation, key)


def from_proxy(proxy: Proxy, name: str | None = None) -> FromProxy:
    """Makes a method of a proxy.

    Args:
      proxy: called with masks, values and a key.
      name: of the method; by default that of the function, or of the class.

    Raises:
      ValueError: if it cannot be called so.
    """
    try:
        bound = inspect.signature(proxy).bind("masks", "values", "key").arguments
        fits = set(bound) != {"max_order", "num_groups", "mode"}  # `spex` itself has three arguments, too
    except (TypeError, ValueError):
        fits = False
    if not fits:
        what = getattr(proxy, "__name__", repr(proxy))
        made = f"; if {what} makes one, call it: {what}()" if callable(proxy) else ""
        raise ValueError(
            f"A method is a name, a Method, or a proxy that is called with masks, values and a key; {what} is "
            f"not{made}."
        )
    called = name or str(getattr(proxy, "__name__", type(proxy).__name__))
    return FromProxy(called, lambda m, n: proxy, bool(getattr(proxy, "uses_relevances", False)))


def fit_proxy(proxy: Proxy, name: str, masks: Masks, evaluation: Evaluation, key: Key) -> Fit:
    """What a proxy returns, checked; the constant if all values between the ends are equal.

    Args:
      proxy: called with copies of masks and values, which it may change, and with the co-values if it uses them.
      name: of the method, for errors.
      masks: bool `[m, n]`.
      evaluation: the value of each mask, and what else is known.
      key: PRNG key, consumed.

    Raises:
      ValueError: as `proxies.checked`.
    """
    known = evaluation.covalues, evaluation.structure, evaluation.relevances

    def fit(values: Values) -> Fit:
        _, centre, spread = standardise(values[inner_rows(masks)])
        if not spread:
            return Fit(Spectrum.constant(centre, masks.shape[1]), np.full(len(masks), centre), {})
        return proxies.checked(proxies.call_proxy(proxy, masks, values, key, *known), name, masks, values)

    return proxies.fit_around(evaluation.priors, fit, masks, np.asarray(evaluation.values))


def differentiable(
    num_masks: int, num_features: int, like: Sequence[Surrogate] = (), memory: dict | None = None
) -> dict[str, Proxy]:
    """The proxies without trees, the simplest first.

    Args:
      num_masks: m; beyond what a kernel matrix can hold, sums of products compete too.
      num_features: n.
      like: surrogates of other inputs.
      memory: as in `proxies.kernels`.
    """
    kernels = proxies.kernels(like, memory)
    found: dict[str, Proxy] = {"lasso": proxies.lasso(), "kernels": kernels}
    if num_masks > kernels.max_masks and num_features <= _PRODUCTS:
        found["products"] = proxies.sum_of_products()
    return found

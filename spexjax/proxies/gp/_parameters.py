"""The trainable parameters of a product kernel, and the two forms that they start from."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from spexjax._buckets import pad
from spexjax.gp import GROUPS, ProductKernel, Strings, padded_strings
from spexjax.typing import Array, Leaf, Relevances

_SPREAD = 2.0  # prior standard deviation of the log rates around their mean
_SPREAD_LIKE = 1.0  # and around the log rates of other kernels,
_FARTHEST = 3.0  # which are clipped to this distance from their mean
_LEAST = 1 / 400  # share of the largest relevance that smaller ones count as, about e^-6
_STRING_START = np.append(-5 - 0.5 * np.arange(1, GROUPS - 1), [-5.0, -5.0])  # by distance, and of the two ends
_STRING_RANGE, _TINY = (-12.0, 0.0), 1e-30  # of the log scales of strings
_EXTREME = 50.0  # log rates are clipped here; beyond it the kernel no longer changes


class Fixed(NamedTuple):
    """What is known of the features and the form, and not trained."""

    used: Leaf  # Float[n]: 1 for a feature, 0 for padding
    expected: Leaf  # Float[4, n]: the log rates of other kernels, or 0
    spread: Leaf  # Float[]: of the prior around them
    ordered: Leaf  # Float[]: 1 if there is a part for neighbours, else 0
    tied: Leaf  # Float[]: 1 for the tied form, 0 for the untied one
    members: Leaf  # Float[l, n]: of `gp.Strings`, the shares of the features that each of them keeps; l may be 0
    groups: Leaf  # Float[g, l]: 1 where one is of a group


class Parameters(NamedTuple):
    """The parameters of a kernel of either form, a pytree: one program trains members of both.

    Untied: three product kernels and a linear kernel, each with its own rate for every feature, in `log_rates`.
    Tied: one product kernel and a linear kernel that share one relevance u_i per feature,

        w_i = e^{centre + e^{powers_0} u_i},    v = e^{log_scales_1} softmax(e^{powers_1} u).

    What only the other form has gets no gradient.
    """

    log_rates: Leaf  # Float[4, n]; the linear kernel's last
    relevance: Leaf  # u: Float[n]
    centre: Leaf  # Float[]
    powers: Leaf  # Float[2]
    log_scales: Leaf  # Float[3]
    log_near: Leaf  # Float[1], or Float[0] where features have no order
    log_noise: Leaf  # Float[]
    log_strings: Leaf  # Float[g], or Float[0] where there are no `gp.Strings`
    fixed: Fixed

    def kernel(self) -> ProductKernel:
        """The kernel with these parameters, of three components; those that the tied form lacks have scale 0."""
        used, is_tied = self.fixed.used, jnp.asarray(self.fixed.tied) > 0
        smooth, linear = jnp.exp(self.powers)[:, None] * self.relevance
        weights = used * jnp.exp(linear - linear.max())
        rates = used * jnp.exp(jnp.where(is_tied, self.centre + smooth, self.log_rates[:3]))
        linear = jnp.where(
            is_tied, jnp.exp(self.log_scales[1]) * weights / weights.sum(), used * jnp.exp(self.log_rates[3])
        )
        near = jnp.zeros(0, rates.dtype)
        if len(self.log_near):
            log_rates = jnp.where(is_tied, smooth, self.log_rates[:3].mean(0))
            near = self.fixed.ordered * jnp.exp(self.log_near) * _shares_of_neighbours(log_rates, used)
        scales = jnp.exp(self.log_scales) * jnp.where(is_tied, np.array([1.0, 0.0, 0.0]), 1)
        return ProductKernel(scales, rates, linear, near, jnp.exp(self.log_noise))

    def strings(self) -> Float[Array, " l"]:
        """The variances of `gp.Strings`: of each group a scale, times shares with a mean of 1.

        The shares are proportional to the geometric mean of the rates of the features that are kept.
        """
        if not len(self.log_strings):
            return jnp.zeros(0, self.log_noise.dtype)
        is_tied, groups = jnp.asarray(self.fixed.tied) > 0, self.fixed.groups
        smooth = jnp.exp(self.powers[0]) * self.relevance
        logits = self.fixed.members @ jnp.where(is_tied, smooth, self.log_rates[:3].mean(0))
        real = groups.sum(0)
        weights = real * jnp.exp(logits - jnp.max(logits, initial=-jnp.inf, where=real > 0))
        means = (groups @ weights) / jnp.maximum(groups.sum(1), 1)
        scales = jnp.exp(jnp.clip(self.log_strings, *_STRING_RANGE)) / jnp.maximum(means, _TINY)
        return weights * (scales @ groups)

    def with_strings(self, strings: Strings) -> "Parameters":
        """Where training starts if the kernel has a part for these."""
        n, size = strings.num_features, len(self.fixed.used)
        kept, count = np.eye(n + 1, n)[strings.kept].sum(1), padded_strings(size)
        members = pad(kept / kept.sum(1, keepdims=True), count, size)
        groups = pad(strings.group == np.arange(GROUPS)[:, None], GROUPS, count)
        fixed = self.fixed._replace(members=_single(members), groups=_single(groups))
        return self._replace(log_strings=_single(_STRING_START), fixed=fixed)

    def penalty(self) -> Float[Array, ""]:
        """The negative log prior density, up to a constant.

        Log rates are normal around the expected ones, or around 0; their mean is free.
        """
        used, is_tied = self.fixed.used, jnp.asarray(self.fixed.tied) > 0
        smooth = jnp.exp(self.powers[0]) * self.relevance
        tied = jnp.where(np.arange(4)[:, None] == 0, smooth, 0)
        log_rates = jnp.where(is_tied, tied, self.log_rates) - self.fixed.expected
        centred = log_rates - ((log_rates @ used) / used.sum())[:, None]
        return (used * centred**2).sum() / (2 * self.fixed.spread**2)


def _shares_of_neighbours(log_rates: Float[Array, " n"], used: Float[Array, " n"]) -> Float[Array, " l"]:
    """Shares of the sets of neighbours, proportional to the product of their features' rates; see `gp.neighbours`."""

    def of_sets(x: Float[Array, " n"], join: Any) -> Float[Array, " l"]:
        close = join(x[:-1], x[1:])
        return jnp.concatenate([close, join(x[:-2], x[2:]), join(close[:-1], x[2:])])

    logits, real = of_sets(log_rates, jnp.add), of_sets(used, jnp.multiply)
    weights = real * jnp.exp(logits - logits.max(initial=-jnp.inf, where=real > 0))
    return weights / jnp.maximum(weights.sum(), jnp.finfo(weights.dtype).tiny)


@runtime_checkable
class KernelForm(Protocol):
    """A form of kernel: the parameters that training starts from."""

    @staticmethod
    def init(
        n: int,
        ordered: Any = False,
        like: Sequence[ProductKernel] = (),
        size: int | None = None,
        relevances: Relevances | None = None,
    ) -> Parameters:
        """The parameters that training starts from.

        Args:
          n: number of features.
          ordered: whether the kernel has a part for neighbouring features. An array can switch that part without a
            new program.
          like: kernels of other inputs; their log rates are the start and the centre of the prior.
          size: number of features with padding, which has rates of 0; n by default.
          relevances: how much each feature is expected to matter, of which ratios count: their logarithms, less the
            mean, are the start and the centre of the prior, if there are no other kernels. Less than 1/400 of the
            largest counts as that.
        """
        ...


class Tied:
    """One product kernel and a linear kernel that share one relevance per feature; see `Parameters`."""

    @staticmethod
    def init(
        n: int,
        ordered: Any = False,
        like: Sequence[ProductKernel] = (),
        size: int | None = None,
        relevances: Relevances | None = None,
    ) -> Parameters:
        """Rates of 1 / n for every feature, or those of `like`, or by `relevances`."""
        others = [_log(k.rates)[_real(k)].mean(0, keepdims=True) for k in _of_size(1, like)]
        expected = _mean_rates(others, 1, n) if others else _hinted(relevances, 1, n)
        return _start(n, ordered, size, expected, bool(like), [0.0, -1.0, 0.0])


class Untied:
    """Three product kernels, from smooth to fine, and a linear kernel, each with its own rates; see `Parameters`."""

    @staticmethod
    def init(
        n: int,
        ordered: Any = False,
        like: Sequence[ProductKernel] = (),
        size: int | None = None,
        relevances: Relevances | None = None,
    ) -> Parameters:
        """Rates around 1 / n, equal for all features, or those of `like`, or by `relevances`."""
        others = [
            _log(np.concatenate([np.broadcast_to(np.asarray(k.rates)[_real(k)], (3, n)), k.linear[None]]))
            for k in _of_size(3, like)
        ]
        expected = _mean_rates(others, 4, n) if others else _hinted(relevances, 4, n)
        return _start(n, ordered, size, expected, bool(like), [0.0, -1.0, -1.5])


def _start(
    n: int, ordered: Any, size: int | None, expected: Float[np.ndarray, "r n"], like: bool, log_scales: list[float]
) -> Parameters:
    """The initial parameters of the tied form, which expects one row of log rates, or the untied one, which expects 4.

    On the host, in single precision.
    """
    tied, size = len(expected) == 1, size or n
    level = np.array([-1.0, 0.5, 2.0, -1.0])[:, None] - np.log(n)
    fixed = Fixed(
        used=pad(np.ones(n), size),
        expected=pad(expected, 4, size),
        spread=_SPREAD_LIKE if like else _SPREAD,
        ordered=ordered if isinstance(ordered, Array) else float(ordered),
        tied=float(tied),
        members=np.zeros((0, size)),
        groups=np.zeros((0, 0)),
    )
    start = Parameters(
        log_rates=pad(np.zeros((4, n)) if tied else level + expected, 4, size),
        relevance=pad(expected[0] if tied else np.zeros(n), size),
        centre=-np.log(n),
        powers=np.zeros(2),
        log_scales=np.array(log_scales),
        log_near=np.full(0 if ordered is False else 1, -3.0),
        log_noise=-3.0,
        log_strings=np.zeros(0),
        fixed=fixed,
    )
    return start._replace(
        **{k: _single(v) for k, v in start._asdict().items() if k != "fixed"}, fixed=Fixed(*map(_single, fixed))
    )


def _single(leaf: Any) -> Array:
    return leaf.astype(np.float32) if isinstance(leaf, Array) else np.asarray(leaf, np.float32)


def _real(kernel: ProductKernel) -> Bool[np.ndarray, " r"]:
    """Which components are there: those of scale 0 are padding."""
    return np.asarray(kernel.scales) > 0


def _log(rates: Float[Array, "*r n"]) -> Float[np.ndarray, "*r n"]:
    with np.errstate(divide="ignore"):
        return np.log(np.asarray(rates))


def _of_size(size: int, kernels: Sequence[ProductKernel]) -> Sequence[ProductKernel]:
    """The kernels with this many components; all of them if there are none."""
    return [k for k in kernels if _real(k).sum() == size] or kernels


def _mean_rates(log_rates: Sequence[Float[np.ndarray, "r n"]], rows: int, n: int) -> Float[np.ndarray, "r n"]:
    """The mean log rates of other kernels, clipped: a feature that never mattered there may matter here."""
    mean = np.mean([np.clip(r, -_EXTREME, _EXTREME) for r in log_rates], axis=0)  # a rate may be 0 or infinite
    return np.clip(mean - mean.mean(-1, keepdims=True), -_FARTHEST, _FARTHEST)


def _hinted(relevances: Relevances | None, rows: int, n: int) -> Float[np.ndarray, "r n"]:
    """The logarithms of how much features are expected to matter, less their mean, clipped; 0 if nothing is known."""
    if relevances is None or not np.any(relevances):
        return np.zeros((rows, n))
    logs = np.log(np.maximum(relevances / np.max(relevances), _LEAST))
    return np.tile(np.clip(logs - logs.mean(), -_FARTHEST, _FARTHEST), (rows, 1))

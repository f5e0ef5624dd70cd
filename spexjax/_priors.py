"""What is known before any ablation: explanations of other inputs, a prior mean, the gradient, relevances."""

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from spexjax import methods
from spexjax._values import real_numbers
from spexjax.ablation import Ablation
from spexjax.explanation import Explanation
from spexjax.methods import Method
from spexjax.proxies import Proxy
from spexjax.spectrum import Spectrum
from spexjax.typing import Masks, Relevances, Values

_KEEP = 0.5  # where a gradient is taken if masks are not drawn with a probability of their own
_EQUAL = 1e-6  # of the range of values: what rounding may change
_FEW = 0.1  # share of masks that a prior may have seen
_FOR_EACH = 4  # masks for each feature from which on relevances="auto" expects nothing of attention
_NEAR = 0.75  # probability of keeping a feature from which on gradient="auto" takes one


class Known(NamedTuple):
    """A method, and what it may learn from besides ablations."""

    method: Method
    others: list[Explanation]  # those it may be like
    priors: tuple[Spectrum, ...]  # functions that the values may resemble, each up to a factor


def known_of(
    method: str | Method | Proxy,
    like: Explanation | Iterable[Explanation],
    prior: Explanation | Spectrum | None,
    num_features: int,
) -> Known:
    """The method with what it may learn from; a prior that has a surrogate teaches relevances, too.

    Args:
      method: as in `explain`, like the next two.
      like: explanations of other inputs.
      prior: what the values are expected to resemble.
      num_features: n.

    Raises:
      ValueError: if one of them is something else, has other features, or the method cannot use it.
    """
    others = list(like) if isinstance(like, Iterable) else [like]
    if not all(isinstance(e, Explanation) for e in others):
        raise ValueError("`like` takes explanations, from explain or fit.")
    if not isinstance(prior, Explanation | Spectrum | None):
        raise ValueError(f"`prior` takes an explanation or a Spectrum; got {type(prior).__name__}.")
    surrogates = [e.surrogate for e in others if e.surrogate is not None]
    chosen = methods.get(method, surrogates if others else None)
    spectrum = prior.spectrum if isinstance(prior, Explanation) else prior
    sizes = {"like": {len(e.feature_names) for e in others}}
    sizes["prior"] = set() if spectrum is None else {spectrum.num_features}
    for name, found in sizes.items():
        if strange := found - {num_features}:
            raise ValueError(
                f"`{name}` takes explanations of the same features: there are {num_features} here, and {min(strange)} "
                "there."
            )
    if spectrum is None:
        return Known(chosen, others, ())
    if not np.isfinite(np.asarray(spectrum.coefficients, np.float64)).all():
        raise ValueError("A coefficient of the prior is not finite.")
    if not getattr(chosen, "uses_priors", False):
        raise ValueError(f"The method {chosen.name} cannot use a prior; leave it out, or use method='auto'.")
    if isinstance(prior, Explanation) and prior.surrogate is not None and isinstance(chosen, methods.Resembling):
        chosen = chosen.resembling([*surrogates, prior.surrogate])
    return Known(chosen, others, (spectrum,))


def check_unseen(
    prior: Explanation | Spectrum | None, masks: Masks, values: Values | None = None, fingerprint: str | None = None
) -> None:
    """Raises ValueError for a prior that was fitted to the very values that are to be explained.

    Nothing would be held out of such a prior, so that faithfulness would be too high.

    Args:
      prior: an explanation knows its masks and values; a `Spectrum` does not.
      masks: bool `[m, n]`.
      values: `[m]`, their values, where they are known already.
      fingerprint: of the ablation that is explained, where they are not.
    """
    if not isinstance(prior, Explanation):
        return
    seen = dict(zip(map(bytes, np.packbits(prior.masks, axis=1)), np.asarray(prior.values).tolist(), strict=True))
    rows = [i for i, row in enumerate(np.packbits(masks, axis=1)) if bytes(row) in seen]
    if len(rows) <= max(2, _FEW * len(masks)):  # the ends, and what chance brings
        return
    same = prior.provenance.get("fingerprint") == fingerprint
    if values is not None:
        known = np.array([seen[bytes(row)] for row in np.packbits(masks[rows], axis=1)])
        same = bool(np.mean(np.abs(known - values[rows]) <= _EQUAL * np.ptp(values)) > 0.5)
    if same:
        raise ValueError(
            f"The prior was fitted to the same function at {len(rows)} of these {len(masks)} masks, so what it "
            "predicts there is not held out; leave it out, or explain with another key."
        )


def gradient_of(ablation: Ablation, method: Method, gradient: bool | str, keep: float | None) -> Ablation | None:
    """The ablation that gives the gradient, if it is to be used.

    Args:
      ablation: what is explained.
      method: how.
      gradient: as in `explain`.
      keep: the probability of keeping a feature; None if masks are drawn otherwise.

    Raises:
      ValueError: if `gradient` is something else, or True where there is none or the method cannot use it.
    """
    if not isinstance(gradient, bool) and gradient != "auto":
        raise ValueError(f"gradient is True, False or 'auto'; got {gradient!r}.")
    usable = getattr(method, "uses_priors", False)
    if gradient is True and not usable:
        raise ValueError(f"The method {method.name} cannot use a gradient; leave it out, or use method='auto'.")
    if gradient is False or not usable or (gradient == "auto" and (keep is None or keep < _NEAR)):
        return None
    found, n = ablation.gradient(_KEEP if keep is None else keep), ablation.num_features
    if found is not None and not (isinstance(found, Ablation) and found.num_features == found.num_values == n):
        raise ValueError(
            f"gradient() of {type(ablation).__name__} must give an ablation of the same {n} features, with as many "
            "values."
        )
    if gradient is True and found is None:
        raise ValueError(
            "This ablation has no gradient; leave gradient out. sx.ablations.components has one unless it reads an "
            "accuracy, and sx.ablations.function has one if it takes gates."
        )
    return found


def relevances_given(relevances: ArrayLike | None, method: Method, num_features: int) -> Relevances | None:
    """How much each feature is expected to matter, as numbers that a user gave.

    Args:
      relevances: n numbers, or None.
      method: how.
      num_features: n.

    Raises:
      ValueError: if they are something else, or the method cannot use them.
    """
    if relevances is None:
        return None
    _check_usable(method)
    return _checked(relevances, num_features, "relevances")


class Expected(NamedTuple):
    """How much each feature is expected to matter."""

    relevances: Relevances | None
    always: bool  # however many ablations there are

    def at(self, num_masks: int) -> Relevances | None:
        """What is used with m masks: nothing where they are all 2^n, and attention only where they are few."""
        if self.relevances is None or methods.covers_all(num_masks, len(self.relevances)):
            return None
        return self.relevances if self.always or num_masks < _FOR_EACH * len(self.relevances) else None


def relevances_of(ablation: Ablation, method: Method, relevances: bool | str | ArrayLike, num_masks: int) -> Expected:
    """How much each feature is expected to matter; known before any ablation.

    Args:
      ablation: what is explained.
      method: how.
      relevances: as in `explain`.
      num_masks: m, of the first fit.

    Warns:
      UserWarning: if the device cannot hold the pass that would tell.

    Raises:
      ValueError: if `relevances` are something else, the method cannot use them, or the ablation should know them and
        does not, or gives something else than n such numbers.
    """
    n = ablation.num_features
    relevances = bool(relevances) if isinstance(relevances, np.bool_) else relevances
    if not isinstance(relevances, bool | str):
        return Expected(relevances_given(relevances, method, n), True)
    if relevances not in (True, False, "auto"):
        raise ValueError(f"relevances are True, False, 'auto', or a number for each feature; got {relevances!r}.")
    if relevances is True:
        _check_usable(method)
    wanted = relevances and getattr(method, "uses_relevances", False)
    if not wanted or Expected(np.ones(n), relevances is True).at(num_masks) is None:
        return Expected(None, False)
    told: Any = ablation.relevances
    try:
        found = told() if callable(told) else told
    except jax.errors.JaxRuntimeError as error:
        if relevances is True or "RESOURCE_EXHAUSTED" not in str(error):
            raise
        warnings.warn("The device cannot hold a pass of the whole prompt, so no attention is used.", stacklevel=2)
        return Expected(None, False)
    if found is None and relevances is True:
        raise ValueError(
            "This ablation does not know how much its features matter; leave relevances out, or give n numbers. "
            "sx.ablations.text knows the attention that they get."
        )
    numbers = None if found is None else _checked(found, n, f"relevances() of {type(ablation).__name__}")
    return Expected(numbers, relevances is True)


def _check_usable(method: Method) -> None:
    if not getattr(method, "uses_relevances", False):
        raise ValueError(f"The method {method.name} cannot use relevances; leave them out, or use method='auto'.")


def _checked(relevances: ArrayLike, num_features: int, name: str) -> Relevances:
    wanted = f"{name} must be {num_features} finite numbers, one for each feature, none below 0"
    if isinstance(relevances, bool | np.bool_ | str):
        raise ValueError(f"{wanted}; got {relevances!r}.")
    found = real_numbers(relevances, name)
    if found.shape != (num_features,):
        raise ValueError(f"{wanted}; got shape {found.shape}.")
    bad = np.flatnonzero(~np.isfinite(found) | (found < 0))
    if len(bad):
        raise ValueError(f"{wanted}; got {found[bad[0]]:g} for feature {bad[0]}.")
    return found


def linear_prior(slopes: Float[np.ndarray, " n"]) -> Spectrum:
    """The function of masks with this gradient: `f(x) = sum_i slopes_i x_i`, as `x_i = (1 - (-1)^{x_i}) / 2`.

    Args:
      slopes: the gradient.

    >>> linear_prior(np.array([2.0, -1.0]))(np.array([[True, True], [False, True]])).tolist()
    [1.0, -1.0]
    """
    n = len(slopes)
    support = np.concatenate([[n], np.arange(n)])[:, None].astype(np.int32)
    return Spectrum(support, np.concatenate([[np.sum(slopes)], -np.asarray(slopes)]) / 2, n)

"""What every proxy is: a function from masks and values to a spectrum and honest predictions."""

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Int

from spexjax._ends import inner_rows
from spexjax._records import check_notes
from spexjax._values import real_numbers
from spexjax.gp import Surrogate
from spexjax.spectrum import Spectrum
from spexjax.typing import CoValues, Key, Masks, Relevances, Values


class Fit(NamedTuple):
    """What a proxy or a method learned from masks and values.

    Attributes:
      spectrum: the Fourier terms.
      held_out: `[m]`; entry i predicts mask i by the same procedure run without it, so that the R2 of these predictions
        estimates the R2 on new masks.
      diagnostics: what the fit says of itself, as plain JSON values.
      surrogate: the function that the spectrum truncates, if there is one.
      held_out_rows: the rows whose predictions are held out, if the procedure cannot do without the others; all by
        default.
      exact: True if the masks are all 2^n and the spectrum is their transform.
    """

    spectrum: Spectrum
    held_out: Values
    diagnostics: dict
    surrogate: Surrogate | None = None
    held_out_rows: Int[np.ndarray, " h"] | None = None
    exact: bool = False

    def spread_over(self, rows: Int[np.ndarray, " r"], masks: Masks) -> "Fit":
        """Extends a fit to some rows to all masks: it predicts the other rows, which it has not seen.

        Args:
          rows: the rows it was fitted to.
          masks: bool `[m, n]`, all masks.
        """
        held_out = np.array((self.surrogate or self.spectrum)(masks), np.float64)
        held_out[rows] = self.held_out
        return self._replace(
            held_out=held_out, held_out_rows=rows if self.held_out_rows is None else rows[self.held_out_rows]
        )

    def plus(self, spectrum: Spectrum, held_out: Values) -> "Fit":
        """The fit to values plus a known function.

        Args:
          spectrum: the function.
          held_out: `[m]`, what is predicted of it without each mask; its values, if it depends on none.
        """
        surrogate = None if self.surrogate is None else self.surrogate.scale(1.0, spectrum)
        summed = np.asarray(self.held_out, np.float64) + held_out
        return self._replace(spectrum=self.spectrum.merge(spectrum), held_out=summed, surrogate=surrogate)

    def rescaled(self, centre: float, spread: float) -> "Fit":
        """The fit to `centre + spread * values`, for a fit without a surrogate.

        Args:
          centre: added to values.
          spread: multiplies them.
        """
        support, coefficients = self.spectrum.support, np.asarray(self.spectrum.coefficients, np.float64) * spread
        spectrum = Spectrum(support, coefficients, self.spectrum.num_features)
        shifted = spectrum.merge(Spectrum.constant(centre, spectrum.num_features))
        return self._replace(spectrum=shifted, held_out=centre + spread * np.asarray(self.held_out, np.float64))


@runtime_checkable
class Proxy(Protocol):
    """Anything that fits a spectrum to masks and values; pass it to `explain(method=...)`.

    Values are float64 on the host. Centre and scale them before a cast to single precision. The first two masks of an
    explanation keep everything and nothing.

    >>> class Mean:
    ...     def __call__(self, masks, values, key):
    ...         held_out = (values.sum() - values) / (len(values) - 1)
    ...         return Fit(Spectrum.constant(values.mean(), masks.shape[1]), held_out, {})
    >>> isinstance(Mean(), Proxy)
    True

    A proxy with an attribute `uses_covalues` that is True is called with a fourth argument, `covalues`: what else the
    same ablations told, `[m, c]`, or None. One with a `uses_structure` that is True is called with the keyword
    `structure`: `Ablation.structure`. One with a `uses_relevances` that is True is called with the keyword
    `relevances`: how much each feature is expected to matter, `[n]`, or None.
    """

    def __call__(self, masks: Masks, values: Values, key: Key, /) -> Fit: ...


def call_proxy(
    proxy: Proxy,
    masks: Masks,
    values: Values,
    key: Key,
    covalues: CoValues | None = None,
    structure: str | None = "auto",
    relevances: Relevances | None = None,
) -> Any:
    """What a proxy returns for copies of masks and values, which it may change, and for what else it uses.

    Args:
      proxy: the proxy.
      masks: bool `[m, n]`.
      values: `[m]`.
      key: PRNG key, consumed.
      covalues: `[m, c]`, or None.
      structure: `Ablation.structure`.
      relevances: `[n]`, or None.
    """
    lent: list[Any] = [masks.copy(), np.array(values), key]
    if getattr(proxy, "uses_covalues", False):
        lent.append(None if covalues is None else np.array(covalues))
    known = {"structure": structure, "relevances": None if relevances is None else np.array(relevances)}
    more = {name: told for name, told in known.items() if getattr(proxy, f"uses_{name}", False)}
    return cast(Any, proxy)(*lent, **more)


def without_ends(call: Callable[[Any, Masks, Values, Key], Fit]) -> Callable[[Any, Masks, Values, Key], Fit]:
    """Makes a proxy's `__call__` fit the inner masks only: a value at an end may be an outlier that spoils the rest.

    An `Explanation` knows both values and is exact there.
    """

    @wraps(call)
    def fitted(self: Any, masks: Masks, values: Values, key: Key) -> Fit:
        masks, values, rows = np.asarray(masks), np.asarray(values, np.float64), inner_rows(masks)
        return call(self, masks[rows], values[rows], key).spread_over(rows, masks)

    return fitted


def checked_kind(fit: Any, name: str, num_masks: int) -> Fit:
    """Returns what a proxy or a method returned, if it is a fit to so many masks.

    Args:
      fit: what the proxy returned.
      name: of the proxy, for the error.
      num_masks: m.

    Raises:
      ValueError: if it is not.
    """
    if not isinstance(fit, Fit) or np.shape(fit.held_out) != (num_masks,) or not isinstance(fit.spectrum, Spectrum):
        raise ValueError(
            f"The proxy {name} must return a proxies.Fit, with a Spectrum, whose held_out has {num_masks} predictions."
        )
    return fit


def checked(fit: Any, name: str, masks: Masks, values: Values) -> Fit:
    """Checks what a proxy or a method returned; sorts each S and merges equal ones.

    Args:
      fit: what the proxy returned.
      name: of the proxy, for the error.
      masks: bool `[m, n]`, those it was given.
      values: `[m]`, their values.

    Raises:
      ValueError: if it is not a Fit, or a part has the wrong type or shape, a set of features is none, a coefficient
        or a held-out prediction is not finite, the diagnostics cannot be saved as JSON, or it says that it is exact and
        is not.
    """
    m, n = masks.shape
    fit = checked_kind(fit, name, m)
    check_notes(fit.diagnostics, f"diagnostics of the proxy {name}")
    if fit.exact and m != 1 << n:
        raise ValueError(f"The fit of {name} says that it is exact, but there are {m} masks, not all 2^{n}.")
    if fit.exact and not _is_transform(fit.spectrum, masks, values):
        raise ValueError(
            f"The fit of {name} says that it is exact, but its spectrum is not the transform of the values; see "
            "sx.transforms.exact_spectrum."
        )
    if fit.exact:  # the transform itself, of up to millions of terms, each of which is there once
        return fit
    rows = np.arange(m) if fit.held_out_rows is None else np.asarray(fit.held_out_rows)
    whole = rows.ndim == 1 and rows.dtype.kind in "iu" and np.isin(rows, np.arange(m)).all()
    if not whole or len(np.unique(rows)) < 2:
        raise ValueError(
            f"held_out_rows of the proxy {name} must be whole numbers, at least two of the rows 0..{m - 1}."
        )
    rows = np.unique(rows)
    held_out = real_numbers(fit.held_out, f"Held-out predictions of the proxy {name}")
    bad = rows[~np.isfinite(held_out[rows])]
    if len(bad):
        raise ValueError(
            f"The proxy {name} gives {len(bad)} held-out predictions that are not finite, first at row {bad[0]}; leave "
            "out with held_out_rows what it cannot predict."
        )
    surrogate = fit.surrogate
    if surrogate is not None:
        if not isinstance(surrogate, Surrogate) or np.shape(surrogate.masks)[1:] != (n,):
            raise ValueError(f"The surrogate of the proxy {name} must be a Surrogate of masks with {n} features.")
        surrogate = dataclasses.replace(surrogate, rest=_sorted(surrogate.rest, name, n))
    spectrum = _sorted(fit.spectrum, name, n)
    return fit._replace(spectrum=spectrum, held_out=held_out, surrogate=surrogate, held_out_rows=rows)


def _is_transform(spectrum: Spectrum, masks: Masks, values: Values) -> bool:
    """Whether a spectrum has the energy of all values (Parseval), and the values of the full and the empty mask."""
    unit = np.abs(values).max() or 1.0
    f, terms = (np.asarray(a, np.float64) / unit for a in (values, spectrum.coefficients))
    signs = 1 - 2.0 * (np.asarray(spectrum.orders) % 2)
    found = [terms @ terms, signs @ terms, terms.sum()]
    expected = [f @ f / len(f), f[masks.all(1)].sum(), f[~masks.any(1)].sum()]
    return spectrum.num_features == masks.shape[1] and np.allclose(found, expected, atol=1e-3)


def _sorted(spectrum: Spectrum, name: str, n: int) -> Spectrum:
    support, coefficients = np.asarray(spectrum.support), np.asarray(spectrum.coefficients)
    if support.ndim != 2 or support.dtype.kind not in "iu":
        raise ValueError(f"The support of the proxy {name} must be whole numbers [k, d], 0..{n - 1} padded with {n}.")
    support = np.sort(support, axis=1)
    twice = (support[:, 1:] == support[:, :-1]) & (support[:, 1:] < n)
    if spectrum.num_features != n or support.min(initial=0) < 0 or support.max(initial=0) > n or twice.any():
        raise ValueError(f"A term of the proxy {name} is not a set of the features 0..{n - 1}; pad supports with {n}.")
    coefficients = real_numbers(coefficients, f"Coefficients of the proxy {name}")
    if coefficients.shape != support.shape[:1] or not np.isfinite(coefficients).all():
        raise ValueError(f"The proxy {name} must give each term one coefficient, a finite number.")
    with np.errstate(over="ignore"):
        merged = Spectrum(support, coefficients, n).merge()
    if not np.isfinite(merged.coefficients).all():
        raise ValueError(f"Equal terms of the proxy {name} add up to more than a float64 holds.")
    return merged.truncate(len(merged))

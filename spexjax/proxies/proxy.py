"""What every proxy is: a function from masks and values to a spectrum and honest predictions."""

import dataclasses
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from spexjax.ends import inner_rows
from spexjax.spectrum import Spectrum
from spexjax.surrogate import Surrogate
from spexjax.typing import Key, Masks, Values


class Fit(NamedTuple):
    """A spectrum fitted to masks and values, and where it is a truncation, the surrogate that it is taken from.

    `held_out[i]` predicts mask i by the same procedure run without it, so that the R2 of `held_out` estimates the
    R2 on new masks. Where the procedure cannot do without some masks, `held_out_rows` are the others, and only there
    `held_out` means something.
    """

    spectrum: Spectrum
    held_out: Values  # [m]
    diagnostics: dict  # plain numbers and strings: the chosen settings
    surrogate: Surrogate | None = None
    held_out_rows: Int[np.ndarray, " h"] | None = None  # all by default

    def spread_over(self, rows: Int[np.ndarray, " r"], masks: Masks) -> "Fit":
        """The fit to some rows of these masks, as one to all of them: it predicts the others, which it has not seen."""
        held_out = np.array((self.surrogate or self.spectrum)(masks), np.float64)
        held_out[rows] = self.held_out
        return self._replace(
            held_out=held_out, held_out_rows=rows if self.held_out_rows is None else rows[self.held_out_rows]
        )


@runtime_checkable
class Proxy(Protocol):
    """Anything that fits a spectrum to masks and values; pass it to `explain(method=...)`.

    Values are float64 on the host: centre and scale them before a cast to single precision, as `standardise` does. The
    masks of an explanation begin with the two ends, everything kept and nothing kept (`spexjax.ends`).
    """

    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit: ...


def without_ends(call: Callable[[Any, Masks, Values, Key], Fit]) -> Callable[[Any, Masks, Values, Key], Fit]:
    """Makes a proxy's `__call__` fit the inner masks only: a value at an end may be an outlier that spoils the rest.

    An `Explanation` knows both values and is exact there.
    """

    @wraps(call)
    def fitted(self: Any, masks: Masks, values: Values, key: Key) -> Fit:
        masks, values, rows = np.asarray(masks), np.asarray(values, np.float64), inner_rows(masks)
        return call(self, masks[rows], values[rows], key).spread_over(rows, masks)

    return fitted


def checked(fit: Any, name: str, masks: Masks) -> Fit:
    """The fit of a proxy, with each S sorted and named once, if that is what it should be.

    Raises:
      ValueError: if it is no Fit, an S is no set of features, a coefficient or a held-out prediction is not finite, or
        there are not as many predictions as masks.
    """
    m, n = masks.shape
    if not isinstance(fit, Fit) or np.shape(fit.held_out) != (m,):
        raise ValueError(f"The proxy {name} must return a proxies.Fit whose held_out has {m} predictions.")
    rows = np.arange(m) if fit.held_out_rows is None else np.asarray(fit.held_out_rows)
    if not len(rows) or not np.isin(rows, np.arange(m)).all():
        raise ValueError(f"held_out_rows of the proxy {name} must be some of the rows 0..{m - 1}.")
    bad = rows[~np.isfinite(np.asarray(fit.held_out)[rows])]
    if len(bad):
        raise ValueError(
            f"The proxy {name} gives {len(bad)} held-out predictions that are not finite, first at row {bad[0]}; leave "
            "out with held_out_rows what it cannot predict."
        )
    surrogate = fit.surrogate
    if surrogate is not None:
        if np.shape(surrogate.masks)[1:] != (n,):
            raise ValueError(f"The surrogate of the proxy {name} must be of masks with {n} features.")
        surrogate = dataclasses.replace(surrogate, rest=_sorted(surrogate.rest, name, n))
    return fit._replace(spectrum=_sorted(fit.spectrum, name, n), surrogate=surrogate, held_out_rows=rows)


def _sorted(spectrum: Spectrum, name: str, n: int) -> Spectrum:
    support, coefficients = np.sort(np.asarray(spectrum.support), axis=1), np.asarray(spectrum.coefficients)
    twice = (support[:, 1:] == support[:, :-1]) & (support[:, 1:] < n)
    if spectrum.num_features != n or support.min(initial=0) < 0 or support.max(initial=0) > n or twice.any():
        raise ValueError(f"A term of the proxy {name} is no set of the features 0..{n - 1}; pad supports with {n}.")
    if coefficients.shape != support.shape[:1] or not np.isfinite(coefficients).all():
        raise ValueError(f"The proxy {name} must give each term one coefficient, a finite number.")
    merged = Spectrum(support, np.asarray(coefficients, np.float64), n).merge()
    return merged.truncate(len(merged))

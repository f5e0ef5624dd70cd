"""What every proxy is: a function from masks and values to a spectrum and honest predictions."""

from typing import NamedTuple, Protocol, runtime_checkable

from spexjax.spectrum import Spectrum
from spexjax.typing import Key, Masks, Values


class Fit(NamedTuple):
    """A spectrum fitted to masks and values.

    `held_out[i]` predicts mask i by the same procedure run without it, so that the R2 of `held_out` estimates the
    R2 on new masks.
    """

    spectrum: Spectrum
    held_out: Values  # [m]
    diagnostics: dict  # plain numbers and strings: the chosen settings


@runtime_checkable
class Proxy(Protocol):
    """Anything that fits a spectrum to masks and values; pass it to `explain(method=...)`."""

    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit: ...

"""What every proxy is: a function from masks and values to a spectrum and honest predictions."""

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

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


@runtime_checkable
class Proxy(Protocol):
    """Anything that fits a spectrum to masks and values; pass it to `explain(method=...)`."""

    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit: ...

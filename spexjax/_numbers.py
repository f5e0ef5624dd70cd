"""Numbers as people read them: with their sign, the digits that count beside the largest of a column, or as noise."""

from math import floor, isfinite, log10

_NOISE = 2.0  # standard errors
_LEARNED = 0.1  # the R2 from which on a list says something


def is_noise(value: float, error: float) -> bool:
    """Whether a value is known to lie within two standard errors of 0.

    Args:
      value: the number.
      error: its standard error: NaN if it is unknown, 0 if the value is exact.

    >>> is_noise(-0.3, 0.2), is_noise(0.5, 0.2), is_noise(0.0, float("nan"))
    (True, False, False)
    """
    return abs(value) < _NOISE * error


def unlearned(r2: float) -> str:
    """A sentence for an R2 below 0.1, else an empty string.

    >>> unlearned(0.02), unlearned(0.9), unlearned(float("nan"))
    ('Not learnable at this budget: do not trust the list.', '', '')
    """
    return "Not learnable at this budget: do not trust the list." if r2 < _LEARNED else ""


def signed(value: float, scale: float) -> str:
    """Formats a number with its sign, rounded so that a number of size `scale` has three significant digits.

    Args:
      value: the number.
      scale: the largest absolute value of its column.

    >>> signed(-0.5, 2.25), signed(0.0312, 0.5), signed(1234567.0, 1234567.0)
    ('-0.50', '+0.031', '+1,234,567')
    """
    if not isfinite(value):
        return f"{value:+}"
    if scale == 0 or (1e-4 <= scale < 1e9 and abs(value) < 1e15):
        digits = max(2 - floor(log10(scale)), 0) if scale else 2
        return f"{round(value, digits) + 0.0:+,.{digits}f}"  # adding 0.0 turns -0.0 into 0.0
    return f"{value:+.2e}"


def unsigned(error: float, scale: float) -> str:
    """Formats a standard error like `signed`, without the sign; empty if it is unknown (NaN) or 0 (exact).

    Args:
      error: the standard error.
      scale: the largest absolute value of its column.

    >>> unsigned(0.0312, 0.5), unsigned(float("nan"), 0.5)
    ('0.031', '')
    """
    return signed(error, scale).lstrip("+") if isfinite(error) and error else ""


def counted(count: int, noun: str) -> str:
    """A number of things, in words.

    Args:
      count: how many.
      noun: what one of them is called.

    >>> counted(1, "unit"), counted(2000, "unit")
    ('1 unit', '2,000 units')
    """
    return f"{count:,} {noun}" + "s" * (count != 1)

"""What a misspelt name may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; None if none is.

    Args:
      name: as it was given.
      known: the names that there are.

    >>> nearest("smolm2", ["smollm2"])
    'smollm2'
    """
    return next(iter(get_close_matches(name, list(known), n=1)), None)

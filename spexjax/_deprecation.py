"""Old names work for one version, with a warning that names the new one."""

import sys
import warnings

_PACKAGE = __name__.partition(".")[0]


def renamed(what: str, new: str) -> str:
    """Warns that something has a new name, and returns that name.

    The warning points to the first line outside the package: Python shows a DeprecationWarning only if that line is in
    the user's own script.

    Args:
      what: the old name, and what it is of.
      new: the new name.

    Warns:
      DeprecationWarning: always.
    """
    depth, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals["__name__"].partition(".")[0] == _PACKAGE:
        depth, frame = depth + 1, frame.f_back
    message = f"{what} is now called {new!r}; the old name will go with the next version."
    warnings.warn(message, DeprecationWarning, depth)
    return new

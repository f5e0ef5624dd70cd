"""Old names work for one version, with a warning that names the new one."""

import warnings


def renamed(what: str, new: str, *, depth: int = 3) -> str:
    """Warns that something has a new name, and returns that name.

    Args:
      what: the old name, and what it is of.
      new: the new name.
      depth: of the user's call, counted from here.

    Warns:
      DeprecationWarning: always.
    """
    message = f"{what} is now called {new!r}; the old name will go with the next version."
    warnings.warn(message, DeprecationWarning, depth)
    return new

"""Removals: what becomes of a removed part of a text. The contract, the built-in removals and their registry."""

import abc

from spexjax.ablations._registry import Registry


class Removal(abc.ABC):
    """What becomes of a removed unit of a text.

    Derive your own removal, define `stand_in`, register it, and use it by name.

    >>> class Initial(Removal):
    ...     def stand_in(self, unit, replacement):
    ...         return unit[0] + "."
    >>> Initial().stand_in("London", "_")
    'L.'
    """

    hides: bool = False  # True if nothing attends to the unit's tokens; they stay, and `stand_in` is not asked
    takes_replacement: bool = True  # False if `stand_in` does not look at it; then giving one is refused

    @abc.abstractmethod
    def stand_in(self, unit: str, replacement: str) -> str | None:
        """The text in place of a removed unit, or None for nothing, not even the white space after the unit.

        Called once for each unit. If the units are tokens, each token of the unit gives way to the tokens of this text.

        Args:
          unit: a word, sentence, line, token or span of the text.
          replacement: the option of this name that the user gave.
        """


class Delete(Removal):
    """Takes the unit out, with the white space after it."""

    takes_replacement = False

    def stand_in(self, unit: str, replacement: str) -> None:
        return None


class Replace(Removal):
    """Puts the replacement in the unit's place."""

    def stand_in(self, unit: str, replacement: str) -> str:
        return replacement


class Hide(Delete):
    """Lets nothing attend to the unit's tokens; all others keep their positions."""

    hides = True


REMOVALS: Registry[Removal] = Registry("removal", Removal, delete=Delete(), replace=Replace(), hide=Hide())


def register_removal(name: str, removal: Removal) -> Removal:
    """Makes a removal available as `text(..., removal=name)`.

    What stands in for the units is part of the fingerprint, so changed code never finds old values in a `Store`.

    Args:
      name: what the removal is called; a removal of the same name is replaced.
      removal: an instance of a subclass of `Removal`.

    Returns:
      The removal.

    Raises:
      ValueError: if the name is not a string, or the removal not an instance of `Removal`.
    """
    return REMOVALS.register(name, removal)


def check_replacement(name: str, replacement: str | None) -> str:
    """The replacement that `Removal.stand_in` is given: "_" by default.

    Args:
      name: of the removal.
      replacement: what the user gave, or None.

    Raises:
      ValueError: if there is no such removal, or it takes none but one was given.
    """
    if replacement is not None and not REMOVALS.get(name).takes_replacement:
        raise ValueError(
            f"The removal {name} puts nothing in a unit's place, so the replacement {replacement[:40]!r} has no use; "
            "take the removal replace, or give no replacement."
        )
    return "_" if replacement is None else replacement


def removal_names() -> tuple[str, ...]:
    """The names that `text(..., removal=name)` knows, those that users registered included."""
    return REMOVALS.names()

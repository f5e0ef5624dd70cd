"""Implementations of a contract by name: the built-in ones, and those that users register."""

from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Names and what they stand for.

    Args:
      kind: what an entry is called in error messages.
      contract: the class of the entries.
      entries: the built-in ones.
    """

    def __init__(self, kind: str, contract: type, **entries: Entry):
        self._kind, self._contract, self._entries = kind, contract, dict(entries)

    def register(self, name: str, entry: Entry) -> Entry:
        """Adds an entry, or replaces the one of the same name, and returns it.

        Args:
          name: of the entry.
          entry: an instance of the contract.

        Raises:
          ValueError: if the name is not a string, or the entry does not implement the contract.
        """
        if not isinstance(name, str) or not name:
            raise ValueError(f"The name of a {self._kind} must be a string with at least one character, not {name!r}.")
        if not isinstance(entry, self._contract):
            raise ValueError(
                f"{entry!r} is not a {self._kind}; register an instance of a subclass of "
                f"sx.ablations.{self._contract.__name__}."
            )
        self._entries[name] = entry
        return entry

    def names(self) -> tuple[str, ...]:
        """The names that `get` knows."""
        return tuple(self._entries)

    def get(self, name: str) -> Entry:
        """The entry of a name.

        Raises:
          ValueError: if there is none.
        """
        if name not in list(self._entries):  # a list: what is given need not be hashable
            raise ValueError(
                f"{self._kind.capitalize()} must be one of {', '.join(self._entries)}, not {name!r}; "
                f"sx.ablations.register_{self._kind} adds yours."
            )
        return self._entries[name]

"""The lens on the units of a text."""

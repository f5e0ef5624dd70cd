"""The command line."""

from spexjax.cli._main import main

__all__ = ["main"]

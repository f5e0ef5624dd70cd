"""transformers, imported without its complaint that PyTorch is missing: its configs and tokenizers need none."""

import importlib
import logging
from typing import Any


def transformers() -> Any:
    """The package `transformers`."""
    logger = logging.getLogger("transformers")
    logger.addFilter(_is_news)
    try:
        return importlib.import_module("transformers")
    finally:
        logger.removeFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    return "PyTorch was not found" not in record.getMessage()

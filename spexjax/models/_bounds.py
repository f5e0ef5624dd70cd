"""What a model's files say of it, held to what a model can be before anything is made of it."""

import json
import math
from pathlib import Path
from typing import Any

LARGEST = {  # of each size in a `TransformerConfig`: far beyond any model, and far below what would fill the memory
    "vocab_size": 1 << 24,
    "hidden_size": 1 << 20,
    "num_layers": 1 << 12,
    "num_heads": 1 << 14,
    "num_kv_heads": 1 << 14,
    "head_dim": 1 << 14,
    "intermediate_size": 1 << 22,
    "max_length": (1 << 31) - 1,
}
_JSON = 1 << 24  # bytes; the index of a model of a thousand shards has a few million


def whole(name: str, value: Any, most: int, least: int = 1) -> int:
    """The value, if it is a whole number within the bounds.

    Raises:
      ValueError: if it is not; the message gives its name.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {shown(value)}; it must be a whole number from {least} to {most}.")
    return value


def number(name: str, value: Any, least: float | int, most: float | int) -> float:
    """The value as a float, if it is a finite number within the bounds.

    Raises:
      ValueError: if it is not; the message gives its name.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not fits or math.isnan(value):
        raise ValueError(f"{name} is {shown(value)}; it must be a number from {least:g} to {most:g}.")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """The value, if it is true or false.

    Raises:
      ValueError: if it is not; the message gives its name.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}; it must be true or false.")
    return value


def shown(value: Any) -> str:
    """A value out of a file as an error message shows it: on one line, and short."""
    if value is None:
        return "missing or null"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 64:
        return f"a number of {value.bit_length()} bits"  # thousands of digits would not even print
    text = repr(value[:80] if isinstance(value, str | list | tuple | bytes) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def reason(error: Exception) -> str:
    """What another library's error says, as part of a sentence: its last line, and not more than fits on two."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:160]


def read_json(path: Path, most: int = _JSON) -> dict[str, Any]:
    """A JSON file of at most so many bytes that holds an object.

    Raises:
      ValueError: if it does not.
    """
    if path.stat().st_size > most:
        raise ValueError(f"{path} is larger than {most >> 20} MiB, which is no {path.name} of a model.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not readable JSON ({reason(error)}); fetch the file again.") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path} holds {shown(record)}, not a JSON object; fetch the file again.")
    return record

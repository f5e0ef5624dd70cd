"""Checks of the values in a model's files, made before anything is allocated."""

import json
import math
from pathlib import Path
from typing import Any

LARGEST = {  # upper bounds of the sizes in a `TransformerConfig`: far above any model, far below what fills the memory
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

    Args:
      name: of the value, for the message.
      value: as the file has it.
      most: the upper bound.
      least: the lower bound.

    Raises:
      ValueError: if it is not; the message gives its name.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is {shown(value)}; it must be a whole number from {least} to {most}.")
    return value


def number(name: str, value: Any, least: float | int, most: float | int) -> float:
    """The value as a float, if it is a finite number within the bounds.

    Args:
      name: of the value, for the message.
      value: as the file has it.
      least: the lower bound.
      most: the upper bound.

    Raises:
      ValueError: if it is not; the message gives its name.
    """
    fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not fits or math.isnan(value):
        raise ValueError(f"{name} is {shown(value)}; it must be a number from {least:g} to {most:g}.")
    return float(value)


def flag(name: str, value: Any) -> bool:
    """The value, if it is true or false.

    Args:
      name: of the value, for the message.
      value: as the file has it.

    Raises:
      ValueError: if it is not; the message gives its name.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {shown(value)}; it must be true or false.")
    return value


def shown(value: Any) -> str:
    """A value from a file as an error message shows it: on one line, and short."""
    if value is None:
        return "missing or null"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 1 << 64:
        return f"a number of {value.bit_length()} bits"  # thousands of digits would not even print
    text = repr(value[:80] if isinstance(value, str | list | tuple | bytes) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def reason(error: Exception) -> str:
    """The last line of another library's error, cut to a length that fits into a sentence."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].strip()[:160]


def read_json(path: Path, most: int = _JSON) -> dict[str, Any]:
    """Reads a JSON object from a file of limited size.

    Args:
      path: of the file.
      most: its largest size, in bytes.

    Raises:
      ValueError: if the file is larger, or holds something else.
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

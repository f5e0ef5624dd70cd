"""The tokens that end a model's turn, from its files."""

from pathlib import Path
from typing import Any

from spexjax.models._bounds import read_json

_GGUF_KEYS = ("eos", "eot", "eom")


def folder_stop_ids(folder: Path) -> tuple[int, ...]:
    """Every `eos_token_id` of generation_config.json and config.json, each a number or a list of them.

    Raises:
      ValueError: if a file is not a JSON object, or an id is not a whole number.
    """
    files = [folder / name for name in ("generation_config.json", "config.json")]
    return tuple(sorted(set().union(*(_of(file, "eos_token_id") for file in files if file.is_file()))))


def saved_stop_ids(folder: Path) -> tuple[int, ...]:
    """The ids that `models.save_model` wrote.

    Raises:
      ValueError: as `folder_stop_ids`.
    """
    return tuple(sorted(_of(folder / "spexjax.json", "stop_ids")))


def gguf_stop_ids(gguf: Any) -> tuple[int, ...]:
    """The ends of text, turn and message in the metadata of a `GGUF`.

    Raises:
      ValueError: if one is not a whole number.
    """
    keys = [f"tokenizer.ggml.{name}_token_id" for name in _GGUF_KEYS]
    return tuple(sorted(set().union(*(_ids(gguf.field(key), key) for key in keys))))


def _of(file: Path, key: str) -> set[int]:
    return _ids(read_json(file).get(key), f"{key} in {file}")


def _ids(value: Any, where: str) -> set[int]:
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in ids):
        raise ValueError(f"{where} must be a token id or a list of them, not {str(value)[:80]!r}.")
    return set(ids)

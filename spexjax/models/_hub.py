"""Downloads a model from the Hugging Face hub: first its config, then the other files if spexjax supports it."""

from pathlib import Path

from spexjax.models._folder import INDEX, WEIGHTS, read_config, weight_files

_CONFIG = ["config.json", "adapter_config.json"]
_SMALL = [
    INDEX,
    "generation_config.json",
    "tokenizer*",
    "*.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template*",
]


def download(name: str) -> Path:
    """Downloads a model, or finds it in the hub's cache, and returns its folder.

    Raises:
      ValueError: if it cannot be reached, or, before any weights are fetched, if its config is not supported.
    """
    folder = _fetch(name, _CONFIG)
    read_config(folder)
    revision = folder.name  # all files come from one commit, even if another is pushed meanwhile
    _fetch(name, _SMALL, revision)
    _fetch(name, [WEIGHTS], revision)
    if not (folder / WEIGHTS).is_file():
        _fetch(name, [file.name for file in weight_files(folder)], revision)
    return folder


def _fetch(name: str, files: list[str], revision: str | None = None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=files, ignore_patterns="*/*"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{name!r} is not 'smollm2', a folder, a .gguf file, or a Hugging Face model that can be reached "
            f"({type(error).__name__})."
        ) from error

"""Downloads a model from the Hugging Face hub: first its config, then the other files if spexjax supports it."""

from pathlib import Path

from spexjax._spelling import nearest
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
      ValueError: if the name is that of a file, or a path where nothing is; if it cannot be reached; or, before any
        weights are fetched, if its config is not supported.
    """
    _refuse_path(name)
    folder = _fetch(name, _CONFIG)
    read_config(folder)
    revision = folder.name  # all files come from one commit, even if another is pushed meanwhile
    _fetch(name, _SMALL, revision)
    _fetch(name, [WEIGHTS], revision)
    if not (folder / WEIGHTS).is_file():
        _fetch(name, [file.name for file in weight_files(folder)], revision)
    return folder


def _refuse_path(name: str) -> None:
    """Raises if only a folder on this machine can be meant."""
    if Path(name).is_file():
        raise ValueError(f"{name} is not a .gguf file: give the folder that holds it, with its config.json.")
    if name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1 or name.endswith("/"):
        raise ValueError(f"There is no file or folder {name}.")


def _fetch(name: str, files: list[str], revision: str | None = None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=files, ignore_patterns="*/*"))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        hint = "; did you mean 'smollm2'?" if nearest(name.lower(), ["smollm2"]) else ""
        raise ValueError(
            f"{name!r} is not 'smollm2', a folder, a .gguf file, or a Hugging Face model that can be reached "
            f"({_cause(error)}{hint})."
        ) from error


def _cause(error: Exception) -> str:
    """What kept a model from being fetched, in plain words."""
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    if isinstance(error, HFValidationError):
        return "this is no name of a model there"
    if isinstance(error, GatedRepoError):
        return "its owner gives access only on request, to users who are logged in"
    if isinstance(error, RepositoryNotFoundError):
        return "there is none of this name, or it is private"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"the hub answered with HTTP status {status}"
    if isinstance(error, OSError) and error.errno is not None:
        return error.strerror or "it cannot be written to the cache"
    return "it is not in the hub's cache on this machine, and the hub cannot be reached"

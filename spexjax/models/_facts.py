"""What can be said of a model without reading its weights."""

import re
from math import prod
from pathlib import Path
from typing import NamedTuple

from spexjax.models._architecture import family_of_gguf
from spexjax.models._checkpoint import is_saved_model
from spexjax.models._folder import Folder
from spexjax.models._gguf import GGUF
from spexjax.models._language_model import smollm2_path
from spexjax.models._pretrained_tokenizer import require_vocabulary
from spexjax.models._weights import check_shapes

_TOKENS = 2048  # what a CPU is given at a time


class Facts(NamedTuple):
    """The family of a model and its sizes."""

    family: str
    parameters: int
    layers: int
    heads: int  # in all layers
    context: int  # tokens
    bytes: int  # of the files
    memory: int  # bytes of the float32 weights, and of keys and values of 2,048 tokens
    licence: str | None  # as the model's files name it


def model_facts(source: str | Path) -> Facts:
    """The family of a model on this disk and its sizes, from its config and the headers of its weights.

    Args:
      source: "smollm2", a folder with config.json and safetensors, or a .gguf file.

    Raises:
      ValueError: if there is no such model, or `load_model` would not run it.
    """
    path = smollm2_path() if source == "smollm2" else Path(source)
    if not path.exists():
        raise ValueError(f"There is no file or folder {path}; load_model downloads models, and this does not.")
    if is_saved_model(path):
        raise ValueError(f"{path} was written by models.save_model, whose sizes only loading tells.")
    checkpoint = Folder(path) if path.is_dir() else GGUF(path)
    config, view = checkpoint.config(), checkpoint.stored()
    check_shapes(config, view.shapes, view.origin, checkpoint.tensors)
    if isinstance(checkpoint, Folder):
        require_vocabulary(path)
    parameters = sum(prod(shape) for shape in checkpoint.shapes.values())
    keys = 2 * config.num_layers * config.num_kv_heads * config.head_dim * min(_TOKENS, config.max_length)
    licence = checkpoint.field("general.license") if isinstance(checkpoint, GGUF) else _licence(path)
    return Facts(
        family_of_gguf(checkpoint.architecture) if isinstance(checkpoint, GGUF) else checkpoint.architecture.name,
        parameters,
        config.num_layers,
        config.num_layers * config.num_heads,
        config.max_length,
        sum(file.stat().st_size for file in checkpoint.files),
        4 * (parameters + keys),
        str(licence)[:80] if licence else None,
    )


def _licence(folder: Path) -> str | None:
    """The licence that the model's card names, if the card is there."""
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace")[:4096] if card.is_file() else ""
    found = re.search(r"^license:[ \t]*(\S+)", text, re.MULTILINE)
    return found[1] if found else None

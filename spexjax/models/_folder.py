"""A Hugging Face folder: the files that transformers would read, and the tensors in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spexjax.models._architecture import Architecture
from spexjax.models._bounds import read_json, shown
from spexjax.models._config import TransformerConfig
from spexjax.models._hugging_face import from_hugging_face
from spexjax.models._stored import Stored

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
_FLOATS = ("F64", "F32", "F16", "BF16")


class Folder:
    """An open folder. Its tensors are listed, but not read yet.

    Attributes:
      architecture: the model's family.
      shapes: the shape of each tensor; linear weights are `[out, in]`.
      files: the weights and the config.

    Raises:
      ValueError: if config or weights are missing, broken or not supported.
    """

    def __init__(self, path: Path):
        from safetensors import SafetensorError, safe_open

        self.architecture, self._config = read_config(path)
        weights = weight_files(path)
        self.files = [*weights, path / "config.json"]
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._home: dict[str, Any] = {}
        for file in weights:
            if not file.is_file():
                raise ValueError(f"{file} is missing, but {INDEX} names it; fetch it, or the whole model again.")
            try:
                shard = safe_open(file, framework="numpy")
                described = [(name, shard.get_slice(name)) for name in shard.keys()]  # noqa: SIM118
            except SafetensorError as error:
                raise ValueError(f"{file} is not a whole safetensors file ({error}); fetch it again.") from error
            for name, tensor in described:
                if name in self.shapes:
                    raise ValueError(f"Tensor {name!r} is in more than one file, {file.name} among them.")
                if tensor.get_dtype() not in _FLOATS:
                    raise ValueError(
                        f"Tensor {name!r} in {file.name} holds {tensor.get_dtype()} numbers; weights must be "
                        f"{', '.join(_FLOATS)}."
                    )
                self.shapes[name], self._home[name] = tuple(tensor.get_shape()), shard

    @property
    def tensors(self) -> Mapping[str, str]:
        """The names of the tensors, as in `Architecture`."""
        return self.architecture.tensors

    def stored(self) -> Stored:
        """The tensors as `tensors` names them."""
        return self.architecture.stored(self._config, Stored(self.shapes, self.read))

    def config(self) -> TransformerConfig:
        """The sizes, from config.json."""
        return self._config

    def read(self, name: str) -> np.ndarray:
        """The tensor, in the precision it is stored in."""
        return self._home[name].get_tensor(name)


def read_config(path: Path) -> tuple[Architecture, TransformerConfig]:
    """The architecture of a Hugging Face folder, and its sizes.

    Raises:
      ValueError: if config.json is missing, broken or not of a supported model.
    """
    file = path / "config.json"
    if not file.is_file():
        _refuse_adapter(path)
        raise ValueError(f"{path} has no config.json, so it is not a Hugging Face model folder.")
    return from_hugging_face(read_json(file))


def weight_files(path: Path) -> list[Path]:
    """The files that transformers reads: model.safetensors or, without it, the shards in its index; no other file.

    Raises:
      ValueError: if there is neither, or the index is broken.
    """
    if (path / WEIGHTS).is_file():
        return [path / WEIGHTS]
    if not (path / INDEX).is_file():
        _refuse_adapter(path)
        raise ValueError(f"{path} has no {WEIGHTS} and no {INDEX}; weights in other files are not read.")
    home = read_json(path / INDEX).get("weight_map")
    if not isinstance(home, dict) or not home:
        raise ValueError(f"{path / INDEX} has no weight_map, which says where each tensor is; fetch the file again.")
    for shard in home.values():
        if not isinstance(shard, str) or shard in (".", "..") or Path(shard).name != shard:
            raise ValueError(f"{path / INDEX} names {shown(shard)} as a file of weights; it must be beside it.")
    return [path / shard for shard in sorted(set(home.values()))]


def _refuse_adapter(path: Path) -> None:
    if any((path / name).is_file() for name in ("adapter_config.json", "adapter_model.safetensors")):
        raise ValueError(
            f"{path} is a LoRA adapter, not a model: merge it into its base model (PEFT's merge_and_unload), save "
            "that, and load the folder."
        )

"""Dequantised weights on disk: the parameters of a `Transformer` in one safetensors file, read through a memory map."""

import contextlib
import json
import shutil
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jax
import numpy as np
from flax import nnx

from spexjax._cache import cache_folder, prune
from spexjax._durable import write_durably

_FORMAT = 1  # to be raised when the same checkpoint gives other parameters
_LEAST = 16 << 20  # bytes; what is smaller is dequantised at once
_MOST = 8 << 30  # bytes of the folder; a model may take half of it
_NAMES = {"float32": "F32", "bfloat16": "BF16"}
# Numbers begin 8 bytes after a multiple of 64, where JAX copies them. From the multiple itself it would read the map
# for as long as the model lives, and a map whose file is lost, say on a network, ends the process.
_ALIGNMENT, _OFFSET = 64, 8


def kept_parameters(identity: str, wanted: nnx.State) -> nnx.State | None:
    """The parameters that `keep_parameters` wrote; None if they are not there, or the file is not whole.

    Args:
      identity: of the checkpoint: a hash of its files, and of how they are read.
      wanted: the parameters as placeholders. They decide every byte of the file but the numbers.
    """
    file = _File(identity, wanted)
    stored = file.opened()
    if stored is None:
        return None
    filled, end = [], len(file.header)
    for path, variable in nnx.to_flat_state(wanted):
        start, end = end, end + _bytes(variable)
        array = stored[start:end].view(variable.dtype).reshape(variable.shape)
        filled.append((path, variable.replace(jax.device_put(array))))
    return nnx.from_flat_state(filled)


def keep_parameters(identity: str, parameters: nnx.State) -> None:
    """Writes parameters, unless they are there already, or there is no room for them, or no permission.

    Args:
      identity: as in `kept_parameters`.
      parameters: on one device.
    """
    file = _File(identity, parameters)
    if file.path is None or file.opened() is not None:
        return

    def content() -> Iterator[bytes | memoryview]:
        yield file.header
        for _, variable in nnx.to_flat_state(parameters):
            yield np.asarray(variable.get_value()).reshape(-1).view(np.uint8).data

    with contextlib.suppress(OSError):
        prune(file.path.parent, _MOST - file.size)
        if shutil.disk_usage(file.path.parent).free > 2 * file.size:
            write_durably(file.path, content())


class _File:
    """Where the parameters of a checkpoint are kept, if anywhere, and how that file begins."""

    def __init__(self, identity: str, parameters: nnx.State):
        entries, end = {}, 0
        for path, variable in nnx.to_flat_state(parameters):
            start, end = end, end + _bytes(variable)
            kind, shape = _NAMES[str(variable.dtype)], list(variable.shape)
            entries[".".join(map(str, path))] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
        source = {"identity": identity, "format": str(_FORMAT), "gguf": version("gguf")}
        text = json.dumps({"__metadata__": source, **entries}).encode()
        text += b" " * ((_OFFSET - 8 - len(text)) % _ALIGNMENT)
        self.header, self.size = len(text).to_bytes(8, "little") + text, end
        folder = cache_folder("models") if _LEAST <= end <= _MOST // 2 else None
        self.path: Path | None = folder and folder / f"{identity}.safetensors"

    def opened(self) -> np.ndarray | None:
        """The bytes, mapped; None unless the file is there, as long as it should be, and begins as it should."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            stored = np.memmap(self.path, np.uint8, "r")
        except (OSError, ValueError):  # ValueError: there is nothing in it
            return None
        begins = len(self.header)
        whole = stored.size == begins + self.size and stored[:begins].tobytes() == self.header
        return stored if whole else None


def _bytes(variable: nnx.Variable) -> int:
    return variable.size * variable.dtype.itemsize

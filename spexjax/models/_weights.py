"""From the tensors of a checkpoint to the parameters of a `Transformer`."""

import dataclasses
from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax.typing import DTypeLike

from spexjax._numbers import counted
from spexjax.models._architecture import LLAMA_TENSORS
from spexjax.models._config import TransformerConfig
from spexjax.models._transformer import Transformer


def load_weights(
    config: TransformerConfig,
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], np.ndarray],
    origin: Callable[[str], str],
    dtype: DTypeLike,
    tensors: Mapping[str, str] = LLAMA_TENSORS,
    kept: Callable[[nnx.State], nnx.State | None] = lambda wanted: None,
) -> tuple[TransformerConfig, nnx.GraphDef, nnx.State]:
    """Fills a `Transformer`, one stacked parameter at a time, so that host memory never holds more than one.

    Nothing is read before all shapes are checked.

    Args:
      config: the architecture.
      shapes: of every tensor in the checkpoint; linear weights are `[out, in]`.
      read: returns a tensor by name.
      origin: the file's name of a tensor, as in `Stored`.
      dtype: of the parameters and the computation.
      tensors: the checkpoint's names, as in `Architecture`.
      kept: finds the parameters elsewhere, given placeholders; asked once all shapes are checked.

    Returns:
      The config, whose head is tied to the embedding if the weights are; the module's static part; and its
      parameters: `nnx.merge(graph, parameters)` is the model.

    Raises:
      ValueError: if a tensor is missing, has another shape, holds numbers that are not finite, or is not part of the
        architecture.
    """
    names = _Names(tensors, config.num_layers)
    stored = check_shapes(config, shapes, origin, tensors)

    def value(name: str) -> np.ndarray:
        tensor = read(stored[name])
        if not _finite(tensor):
            told = _told(stored[name], origin)
            raise ValueError(f"Tensor {told} holds numbers that are not finite; fetch the model again.")
        return tensor

    if config.tie_embeddings:
        config = _tied_as_stored(config, names, stored, value, dtype)
    graph, state = nnx.split(nnx.eval_shape(lambda: Transformer(config, dtype=dtype, rngs=nnx.Rngs(0))))
    if (found := kept(state)) is not None:
        return config, graph, found
    filled = []
    for path, variable in nnx.to_flat_state(state):
        parts = [value(n).swapaxes(-1, -2) if path[-1] == "kernel" else value(n) for n in names.of(path)]
        array = jnp.asarray(np.stack(parts) if path[0] == "layers" else parts[0], dtype)
        filled.append((path, variable.replace(array)))
    return config, graph, nnx.from_flat_state(filled)


def check_shapes(
    config: TransformerConfig,
    shapes: Mapping[str, tuple[int, ...]],
    origin: Callable[[str], str],
    tensors: Mapping[str, str],
) -> dict[str, str]:
    """The checkpoint's name of each tensor of the architecture; the arguments are those of `load_weights`.

    Raises:
      ValueError: if a tensor is missing, has another shape, or is not part of the architecture.
    """
    names = _Names(tensors, config.num_layers)
    expected = _expected(config, names)
    base = tensors["embedding"].partition(".")[0]
    stored = _named(expected, [n for n in shapes if not n.endswith("rotary_emb.inv_freq")], base)
    _check(config, names, expected, {name: shapes[at] for name, at in stored.items()}, origin)
    return stored


class _Names(NamedTuple):
    """What the checkpoint calls its tensors."""

    modules: Mapping[str, str]
    num_layers: int

    @property
    def embedding(self) -> str:
        return f"{self.modules['embedding']}.weight"

    @property
    def head(self) -> str:
        return f"{self.modules['head']}.weight"

    def of(self, path: tuple) -> list[str]:
        """The tensors that a parameter of the `Transformer` is made of: one, or one for each layer."""
        if path[0] != "layers":
            return [f"{self.modules[path[0]]}.{'bias' if path[-1] == 'bias' else 'weight'}"]
        module, leaf = self.modules[".".join(path[1:-1])], "bias" if path[-1] == "bias" else "weight"
        return [f"{module.format(layer=i)}.{leaf}" for i in range(self.num_layers)]


def _expected(config: TransformerConfig, names: _Names) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of an untied model; linear weights are `[out, in]`."""
    untied = dataclasses.replace(config, tie_embeddings=False)
    _, state = nnx.split(nnx.eval_shape(lambda: Transformer(untied, rngs=nnx.Rngs(0))))
    shapes = {}
    for path, variable in nnx.to_flat_state(state):
        shape = variable.shape[1:] if path[0] == "layers" else variable.shape
        for name in names.of(path):
            shapes[name] = (*shape[:-2], shape[-1], shape[-2]) if path[-1] == "kernel" else shape
    return shapes


def _named(expected: Container[str], names: Iterable[str], base: str) -> dict[str, str]:
    """The architecture's name of each tensor -> the checkpoint's, which lacks "model." if it was saved without head."""
    stored: dict[str, str] = {}
    for at in names:
        name = at if at in expected or f"{base}.{at}" not in expected else f"{base}.{at}"
        if name in stored:
            raise ValueError(f"The checkpoint has tensor {name!r} twice, with and without '{base}.'.")
        stored[name] = at
    return stored


def _check(
    config: TransformerConfig,
    names: _Names,
    expected: Mapping[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    origin: Callable[[str], str],
) -> None:
    """Raises unless the tensors are those expected, in their shapes; if head and embedding are tied, one is enough."""
    both = {names.head, names.embedding}
    optional = both if config.tie_embeddings and both & shapes.keys() else set()
    for name, shape in expected.items():
        if name in shapes and shapes[name] != shape:
            raise ValueError(f"Tensor {_told(name, origin)} has shape {shapes[name]}; the config asks for {shape}.")
    missing = [name for name in expected if name not in shapes and name not in optional]
    if missing == [names.head]:
        raise ValueError(
            f"The checkpoint has no {names.head!r}, and its config does not tie the head to the embedding: this model "
            "has no head, or a classifier's, and predicts no tokens."
        )
    if missing:
        raise ValueError(f"The checkpoint has no tensor {origin(missing[0])!r}, which this architecture needs.")
    extra = sorted(shapes.keys() - expected.keys())
    if extra:
        raise ValueError(
            f"The checkpoint has {counted(len(extra), 'tensor')} that this architecture does not use, first "
            f"{_told(extra[0], origin)}; the result would not be this model."
        )


def _told(name: str, origin: Callable[[str], str]) -> str:
    """The name of a tensor and, if the file has it only as a part of another, that one's."""
    return repr(name) if origin(name) == name else f"{name!r}, a part of {origin(name)!r},"


def _finite(tensor: np.ndarray) -> bool:
    with np.errstate(all="ignore"):  # a sum costs a third, and is conclusive unless it overflows
        return bool(np.isfinite(tensor.sum(dtype=np.float32)) or np.isfinite(tensor.astype(np.float32)).all())


def _tied_as_stored(
    config: TransformerConfig,
    names: _Names,
    stored: dict[str, str],
    value: Callable[[str], np.ndarray],
    dtype: DTypeLike,
) -> TransformerConfig:
    """As in transformers: a config that ties head and embedding is believed unless both are stored and differ."""
    if names.embedding not in stored:
        stored[names.embedding] = stored.pop(names.head)
    if names.head not in stored:
        return config
    embedding, head = (value(name).astype(dtype, copy=False) for name in (names.embedding, names.head))
    return dataclasses.replace(config, tie_embeddings=np.array_equal(embedding, head))

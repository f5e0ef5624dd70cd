"""GGUF files: config, dequantised tensors, and the tokenizer they carry."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spexjax.models._architecture import of_gguf
from spexjax.models._bounds import LARGEST, number, shown, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._gguf_file import GGUFFile, Tensor
from spexjax.models._gguf_keys import refuse_unknown
from spexjax.models._gguf_rope import gguf_rope, rope_tensors
from spexjax.models._stored import Stored

_MODULES = {  # of GGUF -> of `Transformer`
    "token_embd": "embedding",
    "output_norm": "norm",
    "output": "head",
    "attn_q": "attention.query",
    "attn_k": "attention.key",
    "attn_v": "attention.value",
    "attn_output": "attention.output",
    "ffn_gate": "mlp.gate",
    "ffn_up": "mlp.up",
    "ffn_down": "mlp.down",
    "attn_norm": "attention_norm",
    "ffn_norm": "mlp_norm",
    "position_embd": "positions",  # from here on of families that are not quite Llama
    "attn_q_norm": "attention.query_norm",
    "attn_k_norm": "attention.key_norm",
    "post_attention_norm": "attention_post_norm",
    "post_ffw_norm": "mlp_post_norm",
    "ffn_gate_inp": "mlp.router",
}
_OUTSIDE = ("token_embd", "output_norm", "output", "position_embd")  # of the layers
_INTEGERS = ("I8", "I16", "I32", "I64")


class GGUF:
    """One open GGUF model, in one file or in parts.

    Attributes:
      architecture: `general.architecture`.
      shapes: the shape of each weight; linear weights are `[out, in]`.
      tensors: the file's name of each module of the `Transformer`, as in `Architecture`.
      rope_tensors: the tensors that are no weights, but say how RoPE is scaled.
      files: where the model is stored.

    Raises:
      ValueError: if it is not a complete GGUF model, or has metadata that spexjax does not honour.
    """

    def __init__(self, path: Path):
        parts = _parts(path)
        self._files, self._fields = parts, parts[0].fields
        self.files = [part.path for part in parts]
        self._tensors: dict[str, tuple[GGUFFile, Tensor]] = {}
        for part in parts:
            for name, tensor in part.tensors.items():
                if name in self._tensors:
                    raise ValueError(f"Tensor {shown(name)} is in more than one part of {path}.")
                self._tensors[name] = part, tensor
        if self.field("general.type", "model") == "adapter":
            raise ValueError(f"{path} is a LoRA adapter, not a model: merge it into its base model, and load that.")
        self.architecture = self.field("general.architecture")
        self._form = of_gguf(self.architecture)
        refuse_unknown(self._fields, self._form)
        self.rope_tensors = rope_tensors(self._form) & self._tensors.keys()
        self.shapes = {
            name: tensor.shape for name, (_, tensor) in self._tensors.items() if name not in self.rope_tensors
        }
        modules = {**_MODULES, **self._form.modules}
        held = {self._module(name, modules) for name in self.shapes}
        names: dict[str, str] = {}
        for own, module in modules.items():
            if names.get(module) not in held:
                names[module] = own if own in held else names.get(module, own)
        self.tensors = {m: own if own in _OUTSIDE else f"blk.{{layer}}.{own}" for m, own in names.items()}

    def field(self, key: str, default=None):
        """The metadata entry `key`, as Python values.

        Args:
          key: of the entry.
          default: what to return if there is none.
        """
        return self._fields.get(key, default)

    def unchanged(self) -> bool:
        """Whether the files are still those that were opened, so that what a hash says of them holds for `read`."""
        return all(part.unchanged() for part in self._files)

    def config(self) -> TransformerConfig:
        """The model's sizes, from the metadata."""
        return self._config

    @functools.cached_property
    def _config(self) -> TransformerConfig:
        form, sizes = self._form, self._sizes()
        length, layers = sizes["max_length"], sizes["num_layers"]
        rope = gguf_rope(self, form, sizes["head_dim"], length)
        shared = self.size("num_kv_heads", "attention.head_count_kv", sizes["num_heads"], layers)
        if sizes["num_heads"] % shared:
            raise ValueError(
                f"{self.key('attention.head_count_kv')} is {shared}, which does not divide the number of heads, "
                f"{sizes['num_heads']}."
            )
        biases = form.biases({n.split(".")[-2] for n in self._tensors if n.endswith(".bias")})
        fields = {
            **sizes,
            "vocab_size": self._vocabulary(),
            "num_kv_heads": shared,
            "intermediate_size": self.size("intermediate_size", "feed_forward_length", layers=layers),
            "norm_epsilon": self.number(form.epsilon, None, 0, 1),
            "max_length": min(length, rope.most or length),
            "tie_embeddings": "output.weight" not in self._tensors,
            "rope_frequencies": rope.frequencies,
            "rope_scale": rope.scale,
            "qkv_bias": biases.qkv,
            "output_bias": biases.output,
            "mlp_bias": biases.mlp,
            **form.fields,
            **(form.more(self, sizes) if form.more is not None else {}),
        }
        window = fields.get("window")
        if window is not None and window >= length and fields.get("rope_local") is None:  # it hides nothing
            fields |= {"window": None, "sliding": None}
        return TransformerConfig(**fields)

    def _sizes(self) -> dict[str, Any]:
        layers = self.size("num_layers", "block_count")
        heads = self.size("num_heads", "attention.head_count", layers=layers)
        hidden = self.size("hidden_size", "embedding_length")
        head_dim = self.size("head_dim", "attention.key_length", hidden // heads)
        if self.entry("attention.value_length", head_dim) != head_dim:
            raise ValueError(
                f"{self.key('attention.value_length')} is {shown(self.entry('attention.value_length'))}; only "
                f"{head_dim}, the size of a head, is supported."
            )
        length = self.size("max_length", "context_length")
        if not self._form.windowed:  # in a sequence that fits the window, every token sees all before it
            length = min(length, self.window() or length)
        sizes = {"num_layers": layers, "num_heads": heads, "hidden_size": hidden, "head_dim": head_dim}
        return sizes | {"max_length": length}

    def stored(self) -> Stored:
        """The tensors as `tensors` names them."""
        return self._form.stored(self.config(), Stored(self.shapes, self.read))

    def read(self, name: str) -> np.ndarray:
        """The tensor `name`, dequantised to float32; linear weights are `[out, in]`.

        Raises:
          ValueError: if the `gguf` package cannot dequantise its type.
        """
        value = self.dequantised(name)
        if self._form.neighbours and name.split(".")[-2] in ("attn_q", "attn_k"):
            value = self._unpermute(value)
        return value

    def dequantised(self, name: str) -> np.ndarray:
        """The tensor `name` as it is stored, in float32.

        Raises:
          ValueError: if the `gguf` package cannot dequantise its type.
        """
        from gguf.quants import dequantize

        part, tensor = self._tensors[name]
        try:
            return np.array(dequantize(part.data(tensor), tensor.kind))  # float32 comes as a view of the file
        except NotImplementedError as error:
            raise ValueError(
                f"Tensor {name!r} has quantisation {tensor.kind.name}, which the gguf package cannot dequantise; "
                "convert the model to F16, BF16, Q8_0 or a K-quant."
            ) from error

    def _unpermute(self, weight: np.ndarray) -> np.ndarray:
        """Undoes llama.cpp's reordering of each head's rows from halves (i, i + hd/2) to neighbours (2i, 2i + 1)."""
        head_dim = self._config.head_dim
        heads = weight.shape[0] // head_dim
        return weight.reshape(heads, head_dim // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)

    def _vocabulary(self) -> int:
        """The number of rows of the embedding, which is the size of the vocabulary even if the metadata lacks it."""
        if "token_embd.weight" not in self._tensors:
            raise ValueError("The file has no tensor 'token_embd.weight'; if it is a part of a model, give the first.")
        rows = self._tensors["token_embd.weight"][1].shape[0]
        if self.entry("vocab_size", rows) != rows:
            raise ValueError(
                f"{self.key('vocab_size')} is {shown(self.entry('vocab_size'))}, but token_embd.weight has {rows} rows."
            )
        return whole("The number of rows of token_embd.weight", rows, LARGEST["vocab_size"])

    def key(self, key: str) -> str:
        """The whole name of an entry in the architecture's metadata."""
        return f"{self.architecture}.{key}"

    def entry(self, key: str, default: Any = None) -> Any:
        """An entry in the architecture's metadata, as it is.

        Args:
          key: without the name of the architecture.
          default: if there is none.
        """
        return self.field(self.key(key), default)

    def window(self) -> int | None:
        """How far back tokens see in layers that limit it; None if the file has no window."""
        if self.entry("attention.sliding_window", 0) == 0:
            return None
        return self.size("max_length", "attention.sliding_window")

    def number(self, key: str, default: float | int | None, least: float | int, most: float | int) -> float:
        """A number in the architecture's metadata.

        Args:
          key: without the name of the architecture.
          default: if there is none.
          least: the lower bound.
          most: the upper bound.
        """
        return number(self.key(key), self.entry(key, default), least, most)

    def size(self, field: str, key: str, default: int | None = None, layers: int | None = None) -> int:
        """A size in the architecture's metadata; if it is given layer by layer, it must be the same in all layers.

        Args:
          field: of the `TransformerConfig`, which has the upper bound.
          key: without the name of the architecture.
          default: if there is none.
          layers: how many there are, if it may be given layer by layer.
        """
        value = self.entry(key, default)
        if layers is not None and isinstance(value, list):
            if len(value) != layers or any(v != value[0] for v in value):
                raise ValueError(
                    f"{self.key(key)} differs from layer to layer ({shown(value)}), which is not supported."
                )
            value = value[0]
        return whole(self.key(key), value, LARGEST[field])

    def _module(self, name: str, modules: Mapping[str, str]) -> str:
        """The module of a tensor, as the file calls it."""
        _, tensor = self._tensors[name]
        if tensor.kind.name in _INTEGERS:
            raise ValueError(f"Tensor {shown(name)} holds {tensor.kind.name} numbers; weights must be floats.")
        match = re.fullmatch(r"(blk\.\d+\.)?(\w+)\.(?:weight|bias)", name)
        known = match is not None and (match[2] in modules or match[2] in self._form.joined)
        if match is None or not known or (match[1] is None) != (match[2] in _OUTSIDE):
            raise ValueError(f"Tensor {shown(name)} is not part of the {self.architecture} architecture spexjax runs.")
        return match[2]


def _parts(path: Path) -> list[GGUFFile]:
    """All parts of a model that is stored in several files, given any of them."""
    file = GGUFFile(path)
    count = file.fields.get("split.count", 1)
    if count in (0, 1):
        return [file]
    count = whole("split.count", count, 99_999)
    match = re.fullmatch(r"(.*)-\d{5}-of-\d{5}", path.stem)
    if match is None:
        raise ValueError(f"{path} is one of {count} parts of a model, but is not named NAME-00001-of-{count:05}.gguf.")
    paths = [path.with_name(f"{match[1]}-{i:05}-of-{count:05}.gguf") for i in range(1, count + 1)]
    missing = [p.name for p in paths if not p.is_file()]
    if missing:
        raise ValueError(
            f"{path.name} is one of {count} parts of a model, and {', '.join(missing[:5])}"
            f"{f' and {len(missing) - 5} more' if len(missing) > 5 else ''} missing beside it."
        )
    return [GGUFFile(p) for p in paths]

"""GGUF files: config, dequantised tensors under their Hugging Face names, and the tokenizer they carry."""

import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from spexjax.models._architecture import FURTHER_TENSORS, LLAMA_TENSORS, of_gguf
from spexjax.models._bounds import LARGEST, number, shown, whole
from spexjax.models._config import TransformerConfig
from spexjax.models._gguf_file import GGUFFile, Tensor
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
}
_FURTHER = {  # of families that are not quite Llama
    "attn_q_norm": "attention.query_norm",
    "attn_k_norm": "attention.key_norm",
    "post_attention_norm": "attention_post_norm",
    "post_ffw_norm": "mlp_post_norm",
}
_TENSORS = {**LLAMA_TENSORS, **{module: f"model.layers.{{layer}}.{module}" for module in FURTHER_TENSORS}}
_ROPE_DIVISORS = "rope_freqs.weight"  # how GGUF stores Llama 3's scaling
_READ = {  # metadata of the architecture that becomes part of the config
    "vocab_size",
    "context_length",
    "embedding_length",
    "block_count",
    "feed_forward_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.type",
    "rope.scaling.factor",
}
_HARMLESS = {  # metadata that changes nothing in these architectures
    "attention.layer_norm_epsilon",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "pooling_type",
    "tensor_data_layout",
}
_NEUTRAL = {  # metadata that changes the function except at these values; anything in none of these lists is refused
    "attention.causal": (True,),
    "attention.clamp_kqv": (0,),
    "attention.max_alibi_bias": (0,),
    "attention.scale": (0,),
    "attn_logit_softcapping": (0,),
    "embedding_scale": (0, 1),
    "expert_count": (0,),
    "expert_shared_count": (0,),
    "expert_used_count": (0,),
    "final_logit_softcapping": (0,),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "rope.scaling.attn_factor": (1,),
    "use_parallel_residual": (False,),
}


class GGUF:
    """One open GGUF model, in one file or in parts.

    Attributes:
      architecture: `general.architecture`.
      shapes: the shape of each tensor, under its Hugging Face name.
      files: where the model is stored.

    Raises:
      ValueError: if it is not a complete GGUF model, or has metadata that spexjax does not honour.
    """

    tensors = _TENSORS  # the names that `shapes` and `read` use

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
        self._refuse_unknown()
        self.names = {self._rename(name): name for name in self._tensors if name != self._divisors}
        self.shapes = {name: self._tensors[at][1].shape for name, at in self.names.items()}

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
        layers = self._size("num_layers", "block_count")
        heads = self._size("num_heads", "attention.head_count", layers=layers)
        hidden = self._size("hidden_size", "embedding_length")
        length = self._size("max_length", "context_length")
        if self._form.more is None:  # in a sequence that fits the window, every token sees all before it
            length = min(length, self.window() or length)
        head_dim = self._size("head_dim", "attention.key_length", hidden // heads)
        for key in ("attention.value_length", "rope.dimension_count"):
            if self._of(key, head_dim) != head_dim:
                raise ValueError(
                    f"{self._key(key)} is {shown(self._of(key))}; only {head_dim}, the size of a head, is supported."
                )
        biases = self._form.biases({n.split(".")[2] for n in self._tensors if n.endswith(".bias")})
        sizes: dict[str, Any] = {"num_layers": layers, "num_heads": heads, "hidden_size": hidden, "head_dim": head_dim}
        return TransformerConfig(
            **sizes,
            **self._form.fields,
            **(self._form.more(self, sizes) if self._form.more is not None else {}),
            vocab_size=self._vocabulary(),
            num_kv_heads=self._size("num_kv_heads", "attention.head_count_kv", heads, layers),
            intermediate_size=self._size("intermediate_size", "feed_forward_length", layers=layers),
            norm_epsilon=self.number("attention.layer_norm_rms_epsilon", None, 0, 1),
            max_length=length,
            tie_embeddings="output.weight" not in self._tensors,
            rope_frequencies=self._rope_frequencies(head_dim),
            qkv_bias=biases.qkv,
            output_bias=biases.output,
            mlp_bias=biases.mlp,
        )

    def read(self, name: str) -> np.ndarray:
        """The tensor of Hugging Face name `name`, dequantised to float32; linear weights are `[out, in]`.

        Raises:
          ValueError: if the `gguf` package cannot dequantise its type.
        """
        value = self._dequantised(self.names[name])
        if self._form.neighbours and self.names[name].split(".")[-2] in ("attn_q", "attn_k"):
            value = self._unpermute(value)
        return value

    def _dequantised(self, name: str) -> np.ndarray:
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

    @property
    def _divisors(self) -> str | None:
        return _ROPE_DIVISORS if self._form.rope_divisors else None

    def _rope_frequencies(self, head_dim: int) -> tuple[float, ...]:
        """As in llama.cpp: scaling is linear unless a type is given, and older files use another key for its factor."""
        kind = self._of("rope.scaling.type", "linear")
        if kind not in ("none", "linear"):
            raise ValueError(
                f"{self._key('rope.scaling.type')} is {shown(kind)}, which is not supported; spexjax reads none and "
                "linear from GGUF."
            )
        key = "rope.scaling.factor" if self._of("rope.scaling.factor") is not None else "rope.scale_linear"
        slowed = self.number(key, 0, 0, 1e6) or 1.0
        theta = self.number("rope.freq_base", self._form.theta, 1, 1e18)
        divisors = np.full(head_dim // 2, 1.0 if kind == "none" else slowed)
        if self._divisors in self._tensors:
            stored = self._dequantised(_ROPE_DIVISORS)
            if stored.shape != divisors.shape or not (np.isfinite(stored) & (stored > 0)).all():
                raise ValueError(
                    f"{_ROPE_DIVISORS} must hold {head_dim // 2} positive numbers, one per pair of a head."
                )
            divisors = divisors * stored
        return tuple(theta ** (-2 * i / head_dim) / float(d) for i, d in enumerate(divisors))

    def _vocabulary(self) -> int:
        """The number of rows of the embedding, which is the size of the vocabulary even if the metadata lacks it."""
        if "token_embd.weight" not in self._tensors:
            raise ValueError("The file has no tensor 'token_embd.weight'; if it is a part of a model, give the first.")
        rows = self._tensors["token_embd.weight"][1].shape[0]
        if self._of("vocab_size", rows) != rows:
            raise ValueError(
                f"{self._key('vocab_size')} is {shown(self._of('vocab_size'))}, but token_embd.weight has {rows} rows."
            )
        return whole("The number of rows of token_embd.weight", rows, LARGEST["vocab_size"])

    def _key(self, key: str) -> str:
        return f"{self.architecture}.{key}"

    def _of(self, key: str, default: Any = None) -> Any:
        return self.field(self._key(key), default)

    def stored(self) -> Stored:
        """The tensors as `tensors` names them."""
        return Stored(self.shapes, self.read)

    def window(self) -> int | None:
        """How far back tokens see in layers that limit it; None if the file has no window."""
        if self._of("attention.sliding_window", 0) == 0:
            return None
        return self._size("max_length", "attention.sliding_window")

    def number(self, key: str, default: float | int | None, least: float | int, most: float | int) -> float:
        """A number in the architecture's metadata.

        Args:
          key: without the name of the architecture.
          default: if there is none.
          least: the lower bound.
          most: the upper bound.
        """
        return number(self._key(key), self._of(key, default), least, most)

    def _size(self, field: str, key: str, default: int | None = None, layers: int | None = None) -> int:
        """A size; if it is given layer by layer, it must be the same in all layers."""
        value = self._of(key, default)
        if layers is not None and isinstance(value, list):
            if len(value) != layers or any(v != value[0] for v in value):
                raise ValueError(
                    f"{self._key(key)} differs from layer to layer ({shown(value)}), which is not supported."
                )
            value = value[0]
        return whole(self._key(key), value, LARGEST[field])

    def _refuse_unknown(self) -> None:
        for key, value in self._fields.items():
            own = key.removeprefix(f"{self.architecture}.")
            if (
                own == key
                or own in _READ
                or own in _HARMLESS
                or own in self._form.keys
                or value in _NEUTRAL.get(own, ())
            ):
                continue
            raise ValueError(f"The GGUF metadata {shown(key)} is {shown(value)}, which spexjax does not honour.")

    def _rename(self, name: str) -> str:
        _, tensor = self._tensors[name]
        if tensor.kind.name in ("I8", "I16", "I32", "I64"):
            raise ValueError(f"Tensor {shown(name)} holds {tensor.kind.name} numbers; weights must be floats.")
        match = re.fullmatch(r"(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)", name)
        known = {**_MODULES, **_FURTHER, **self._form.modules}
        module = _TENSORS.get(known.get(match[2], "")) if match else None
        inside = match is not None and match[1] is not None
        if match is None or module is None or ("{layer}" in module) != inside or (match[3] == "bias" and not inside):
            raise ValueError(f"Tensor {shown(name)} is not part of the {self.architecture} architecture spexjax runs.")
        return f"{module.format(layer=match[1])}.{match[3]}"


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

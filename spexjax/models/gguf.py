"""GGUF files: config, dequantised tensors under their Hugging Face names, and the tokenizer they carry."""

import re
from pathlib import Path

import numpy as np

from spexjax.models.config import TransformerConfig

_ARCHITECTURES = {"llama": False, "qwen2": True}  # name -> biases of query, key and value
_OUTSIDE = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_INSIDE = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


class GGUF:
    """One open GGUF file.

    Raises:
      ValueError: if it is not a GGUF file, or its architecture or RoPE scaling is not supported.
    """

    def __init__(self, path: Path):
        from gguf import GGUFReader

        try:
            self._reader = GGUFReader(path)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path} is not a readable GGUF file: {error}") from error
        self.architecture = self.field("general.architecture")
        if self.architecture not in _ARCHITECTURES:
            raise ValueError(
                f"GGUF architecture {self.architecture!r} is not supported; spexjax reads {', '.join(_ARCHITECTURES)}."
            )
        self._tensors = {t.name: t for t in self._reader.tensors}
        self.names = {self._rename(name): name for name in self._tensors if name != "rope_freqs.weight"}

    def field(self, key: str, default=None):
        """The metadata entry `key`, as Python values."""
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def config(self) -> TransformerConfig:
        """The architecture's sizes, from the metadata."""

        def size(key: str, default=None):
            return self.field(f"{self.architecture}.{key}", default)

        heads, hidden = size("attention.head_count"), size("embedding_length")
        head_dim = size("attention.key_length") or size("rope.dimension_count") or hidden // heads
        return TransformerConfig(
            vocab_size=int(self._tensors["token_embd.weight"].shape[1]),
            hidden_size=hidden,
            num_layers=size("block_count"),
            num_heads=heads,
            num_kv_heads=size("attention.head_count_kv", heads),
            head_dim=head_dim,
            intermediate_size=size("feed_forward_length"),
            norm_epsilon=size("attention.layer_norm_rms_epsilon"),
            max_length=size("context_length"),
            tie_embeddings="output.weight" not in self._tensors,
            rope_frequencies=self._rope_frequencies(size, head_dim),
            qkv_bias=_ARCHITECTURES[self.architecture],
        )

    def read(self, name: str) -> np.ndarray:
        """The tensor of Hugging Face name `name`, dequantised to float32; linear weights are `[out, in]`.

        Raises:
          ValueError: if the `gguf` package cannot dequantise its type.
        """
        from gguf.quants import dequantize

        tensor = self._tensors[self.names[name]]
        try:
            value = dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError as error:
            raise ValueError(
                f"Tensor {tensor.name!r} has quantisation {tensor.tensor_type.name}, which the gguf package cannot "
                "dequantise; convert the model to F16, BF16, Q8_0 or a K-quant."
            ) from error
        if self.architecture == "llama" and tensor.name.split(".")[-2] in ("attn_q", "attn_k"):
            value = self._unpermute(value)
        return value

    def _unpermute(self, weight: np.ndarray) -> np.ndarray:
        """Undoes llama.cpp's reordering of each head's rows from halves (i, i + hd/2) to neighbours (2i, 2i + 1)."""
        head_dim = self.config().head_dim
        heads = weight.shape[0] // head_dim
        return weight.reshape(heads, head_dim // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)

    def _rope_frequencies(self, size, head_dim: int) -> tuple[float, ...]:
        kind = size("rope.scaling.type", "none")
        if kind not in ("none", "linear"):
            raise ValueError(f"RoPE scaling {kind!r} is not supported; spexjax reads none and linear from GGUF.")
        slowed = size("rope.scaling.factor", 1.0) if kind == "linear" else 1.0
        theta, divisors = size("rope.freq_base", 10_000.0), np.full(head_dim // 2, slowed)
        if "rope_freqs.weight" in self._tensors:  # how GGUF stores Llama 3's scaling
            divisors = divisors * self._tensors["rope_freqs.weight"].data
        return tuple(theta ** (-2 * i / head_dim) / float(d) for i, d in enumerate(divisors))

    def _rename(self, name: str) -> str:
        if name in _OUTSIDE:
            return _OUTSIDE[name]
        match = re.fullmatch(r"blk\.(\d+)\.(\w+)\.(weight|bias)", name)
        if match is None or match[2] not in _INSIDE:
            raise ValueError(f"Tensor {name!r} is not part of the {self.architecture} architecture spexjax runs.")
        return f"model.layers.{match[1]}.{_INSIDE[match[2]]}.{match[3]}"

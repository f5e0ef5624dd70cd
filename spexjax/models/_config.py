"""The sizes and switches of a decoder-only transformer of the Llama family."""

import dataclasses

from spexjax.models._bounds import LARGEST, number, whole


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Static sizes and switches of a `Transformer`; hashable, so that it can key a compiled program."""

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    norm_epsilon: float
    max_length: int  # longest sequence: the context, or the sliding window if that is shorter
    tie_embeddings: bool
    rope_frequencies: tuple[float, ...]  # radians per position, one per pair of a head's dimensions
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    attention: str | None = (
        None  # implementation of `jax.nn.dot_product_attention`; None for plain products and a float32 softmax
    )

    def __post_init__(self):
        for name, most in LARGEST.items():
            whole(name, getattr(self, name), most)
        number("norm_epsilon", self.norm_epsilon, 0, 1)
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"{self.num_heads} attention heads cannot share {self.num_kv_heads} key-value heads evenly."
            )
        if self.head_dim != 2 * len(self.rope_frequencies):
            raise ValueError(
                f"A head's {self.head_dim} dimensions are not {len(self.rope_frequencies)} rotating pairs."
            )

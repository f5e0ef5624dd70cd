"""The sizes and switches of a decoder-only transformer."""

import dataclasses

from spexjax.models._bounds import LARGEST, number, whole


@dataclasses.dataclass(frozen=True)
class TransformerConfig:
    """Static sizes and switches of a `Transformer`; hashable, so that it can key a compiled program.

    The defaults are Llama's; what follows `attention` is what other families change.
    """

    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    intermediate_size: int
    norm_epsilon: float
    max_length: int  # longest sequence
    tie_embeddings: bool
    rope_frequencies: tuple[float, ...]  # radians per position, one per rotating pair of a head's first dimensions
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    attention: str | None = (
        None  # implementation of `jax.nn.dot_product_attention`; None for plain products and a float32 softmax
    )
    query_scale: float | None = None  # of scores; None for head_dim^-1/2
    query_norm: str | None = None  # RMSNorm of queries and keys: "head" by head, "all" over all heads at once
    score_cap: float | None = None  # scores become `cap * tanh(score / cap)`
    window: int | None = None  # how many tokens, itself among them, a token sees in the sliding layers
    sliding: tuple[bool, ...] | None = None  # which layers slide; None for all, if there is a window
    rope_scale: float = 1.0  # of the rotated part of queries and keys
    rope_local: tuple[float, ...] | None = None  # frequencies of sliding layers, if they are others
    rope_local_scale: float = 1.0
    rotated: tuple[bool, ...] | None = None  # which layers have RoPE; None for all
    learned_positions: bool = False  # added to the embeddings
    norm: str = "rms"  # or "layer", with a bias
    pre_norms: bool = True  # before attention and MLP
    post_norms: bool = False  # after them
    parallel: bool = False  # the MLP reads what attention reads, not its result
    activation: str = "silu"  # of the MLP, by its name in `ACTIVATIONS`
    gated: bool = True  # whether the MLP is `down(act(gate) * up)`, or `down(act(up))`
    num_experts: int = 0  # 0 for one MLP a layer
    num_chosen: int = 0  # experts a token
    normalise_chosen: bool = True  # whether the weights of the chosen experts add up to 1
    embedding_scale: float = 1.0
    residual_scale: float = 1.0  # of what attention and MLP add to the residual stream
    logit_scale: float = 1.0
    logit_cap: float | None = None  # logits become `cap * tanh(logit / cap)`

    def __post_init__(self):
        for name, most in LARGEST.items():
            whole(name, getattr(self, name), most)
        number("norm_epsilon", self.norm_epsilon, 0, 1)
        if self.num_heads % self.num_kv_heads:
            raise ValueError(f"num_kv_heads is {self.num_kv_heads}, which does not divide num_heads, {self.num_heads}.")
        for frequencies in (self.rope_frequencies, self.rope_local or ()):
            if 2 * len(frequencies) > self.head_dim:
                raise ValueError(
                    f"A head's {self.head_dim} dimensions are too few for {len(frequencies)} rotating pairs."
                )
        for name in ("sliding", "rotated"):
            flags = getattr(self, name)
            if flags is not None and len(flags) != self.num_layers:
                raise ValueError(f"{name} names {len(flags)} layers, but the model has {self.num_layers}.")
        if self.num_experts and not 0 < self.num_chosen <= self.num_experts:
            raise ValueError(f"A token cannot choose {self.num_chosen} of {self.num_experts} experts.")
        if self.attention is not None and self.score_cap is not None:
            raise ValueError("Scores are capped (attn_logit_softcapping), which only attention=None computes.")

    @property
    def slides(self) -> tuple[bool, ...]:
        """Whether each layer has the sliding window."""
        if self.window is None:
            return (False,) * self.num_layers
        return (True,) * self.num_layers if self.sliding is None else self.sliding

"""Which metadata of a GGUF file is read, which changes nothing, and which is refused."""

from collections.abc import Mapping
from typing import Any

from spexjax.models._architecture import GGUFForm
from spexjax.models._bounds import shown

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
    "rope.scaling.original_context_length",
    "rope.scaling.yarn_ext_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
}
_HARMLESS = {  # metadata that changes nothing in these architectures
    "attention.layer_norm_epsilon",
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
    "expert_gating_func": (1,),  # softmax
    "expert_group_count": (0, 1),
    "expert_group_used_count": (0, 1),
    "expert_shared_count": (0,),
    "expert_used_count": (0,),
    "expert_weights_norm": (True,),
    "expert_weights_scale": (0, 1),
    "final_logit_softcapping": (0,),
    "leading_dense_block_count": (0,),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "rope.scaling.attn_factor": (1,),
    "rope.scaling.finetuned": (True, False),
    "rope.scaling.yarn_log_multiplier": (0,),
    "use_parallel_residual": (False,),
}


def refuse_unknown(fields: Mapping[str, Any], form: GGUFForm) -> None:
    """Raises for metadata of the architecture that may change the function, and that nothing reads.

    Args:
      fields: the metadata.
      form: of the family.

    Raises:
      ValueError: if there is such an entry; the message gives its key and value.
    """
    for key, value in fields.items():
        own = key.removeprefix(f"{form.name}.")
        read = own in _READ or own in form.keys or own in _HARMLESS
        if own == key or read or value in _NEUTRAL.get(own, ()):
            continue
        raise ValueError(f"The GGUF metadata {shown(key)} is {shown(value)}, which spexjax does not honour.")

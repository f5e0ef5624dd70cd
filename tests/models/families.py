"""Random configs of tiny models of every family, for the fuzz against transformers + torch."""

import random

_SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
}
_LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
_ROPES = [
    None,
    {"rope_type": "default", "rope_theta": 500.0},
    {"rope_type": "linear", "factor": 2.0, "rope_theta": 10_000.0},
    {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10_000.0},
    {"rope_type": "llama3", "rope_theta": 10_000.0, **_LLAMA3},
    {**_YARN, "rope_theta": 10_000.0},
    {**_YARN, "rope_theta": 10_000.0, "attention_factor": 1.3},
    {**_YARN, "rope_theta": 10_000.0, "mscale": 0.8, "mscale_all_dim": 0.5, "beta_fast": 16.0, "beta_slow": 2.0},
    {**_YARN, "rope_theta": 10_000.0, "truncate": False},
    {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.5},
    {"rope_type": "proportional", "rope_theta": 10_000.0},
    {"rope_type": "other", "rope_theta": 10_000.0},
    {"rope_type": "linear", "rope_theta": 10_000.0},
]
_FLAG, _ACTS = (
    [True, False],
    ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "relu", "quick_gelu", "tanh"],
)
_COMMON = {
    "tie_word_embeddings": _FLAG,
    "rms_norm_eps": [1e-6, 1e-3, 0.1],
    "hidden_act": _ACTS,
    "num_key_value_heads": [1, 4, None],
    "rope_parameters": _ROPES,
    "rope_theta": [100.0, 1e6],
    "rope_scaling": [{"type": "linear", "factor": 3.0}, {"type": "yarn", "factor": 2.0}, None],
    "partial_rotary_factor": [0.5, 1.0],
    "attention_dropout": [0.0, 0.3],
    "use_cache": _FLAG,
    "initializer_range": [0.5],
    "is_causal": _FLAG,
    "pad_token_id": [None, 0],
    "max_position_embeddings": [128, 200, 512],
    "pretraining_tp": [1, 2],
    "num_attention_heads": [2, 8],
    "intermediate_size": [24],
}
_BIAS = {"attention_bias": _FLAG}
_KINDS = ["full_attention", "sliding_attention"]
_WINDOW = {"sliding_window": [None, 1, 7, 50, 300]}
_LAYERS = {"layer_types": [None, _KINDS, _KINDS[::-1], _KINDS[:1] * 2, _KINDS[1:] * 2, ["chunked_attention"] * 2]}
_SLIDING = {**_WINDOW, **_LAYERS, "use_sliding_window": _FLAG, "max_window_layers": [0, 1, 5]}
_HEAD = {"head_dim": [8, 16, 6]}
_GEMMA = {
    **{k: v for k, v in _COMMON.items() if k != "hidden_act"},
    **_BIAS,
    **_HEAD,
    **_WINDOW,
    **_LAYERS,
    "hidden_activation": _ACTS,
    "hidden_act": ["silu"],
    "query_pre_attn_scalar": [8, 32, 3.5],
    "attn_logit_softcapping": [None, 2.0, 50.0],
    "final_logit_softcapping": [None, 1.5, 30.0],
    "use_bidirectional_attention": [True, False, None],
}
_LOCAL = {"rope_type": "default", "rope_theta": 100.0}
_GEMMA3_ROPES = [
    None,
    {"full_attention": {"rope_type": "default", "rope_theta": 1e4}, "sliding_attention": _LOCAL},
    {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e4}, "sliding_attention": _LOCAL},
    {"full_attention": {"rope_type": "yarn", "factor": 8.0, "rope_theta": 1e4}, "sliding_attention": _LOCAL},
    {"full_attention": {"rope_type": "llama3", "rope_theta": 1e4, **_LLAMA3}, "sliding_attention": _LOCAL},
    {"full_attention": {"rope_type": "dynamic", "factor": 8.0, "rope_theta": 1e4}, "sliding_attention": _LOCAL},
]
_GPT2 = {
    "vocab_size": 60,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 256,
    "layer_norm_epsilon": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_NEOX_ROPES = [
    {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": factor} for factor in (0.25, 0.5, 1.0, 0.4)
]
_LONG = {
    "rope_type": "longrope",
    "rope_theta": 1e4,
    "short_factor": [1.0, 1.5, 2.0, 3.0],
    "long_factor": [2.0, 3.0, 4.0, 5.0],
}
_EXPERTS = {"output_router_logits": _FLAG, "router_aux_loss_coef": [0.1], "num_experts_per_tok": [1, 2, 4]}

# family -> class in transformers, the config that random ones are made from, and what may be changed
FAMILIES = {
    "llama": ("LlamaConfig", _SIZES, {**_COMMON, **_BIAS, **_HEAD, "mlp_bias": _FLAG, **_WINDOW}),
    "mistral": ("MistralConfig", _SIZES | {"sliding_window": 50}, {**_COMMON, **_HEAD, **_WINDOW}),
    "qwen2": ("Qwen2Config", _SIZES, {**_COMMON, **_SLIDING}),
    "qwen3": ("Qwen3Config", _SIZES | {"head_dim": 8}, {**_COMMON, **_BIAS, **_HEAD, **_SLIDING}),
    "smollm3": (
        "SmolLM3Config",
        _SIZES | {"no_rope_layer_interval": 2, "pad_token_id": 0},
        {
            **_COMMON,
            **_BIAS,
            **_SLIDING,
            "mlp_bias": _FLAG,
            "no_rope_layers": [None, [0, 1], [0, 0], [1, 1], [1]],
            "no_rope_layer_interval": [1, 2, 4],
        },
    ),
    "granite": (
        "GraniteConfig",
        _SIZES,
        {
            **_COMMON,
            **_BIAS,
            "mlp_bias": _FLAG,
            "embedding_multiplier": [12.0, 0.5, 1],
            "logits_scaling": [8.0, 0.5, 0],
            "residual_multiplier": [0.22, 2.0],
            "attention_multiplier": [0.015, 0.5, 1],
        },
    ),
    "olmo2": ("Olmo2Config", _SIZES | {"pad_token_id": 0}, {**_COMMON, **_BIAS}),
    "phi3": (
        "Phi3Config",
        _SIZES | {"pad_token_id": 0, "original_max_position_embeddings": 256},
        {
            **_COMMON,
            **_WINDOW,
            "resid_pdrop": [0.2],
            "embd_pdrop": [0.2],
            "partial_rotary_factor": [0.5, 1.0, 0.75],
            "original_max_position_embeddings": [64, 256],
            "rope_parameters": [*_ROPES, _LONG, {**_LONG, "attention_factor": 1.2}, {**_LONG, "factor": 4.0}],
            "rope_scaling": [None, {**_LONG, "type": "longrope"}, {**_LONG, "type": "su"}],
        },
    ),
    "gemma2": ("Gemma2Config", _SIZES | {"head_dim": 8, "sliding_window": 50}, _GEMMA),
    "gemma3_text": (
        "Gemma3TextConfig",
        _SIZES | {"head_dim": 8, "sliding_window": 50, "layer_types": _KINDS},
        {
            **_GEMMA,
            "rope_parameters": _GEMMA3_ROPES,
            "rope_local_base_freq": [50.0],
            "sliding_window_pattern": [2, 6],
        },
    ),
    "gpt2": (
        "GPT2Config",
        _GPT2,
        {
            "n_inner": [None, 24, 64],
            "activation_function": _ACTS,
            "layer_norm_epsilon": [1e-6, 0.1],
            "scale_attn_weights": _FLAG,
            "scale_attn_by_inverse_layer_idx": _FLAG,
            "reorder_and_upcast_attn": _FLAG,
            "add_cross_attention": _FLAG,
            "tie_word_embeddings": _FLAG,
            "resid_pdrop": [0.3],
            "summary_use_proj": _FLAG,
            "n_positions": [128, 512],
            "n_head": [2, 8],
            "is_causal": _FLAG,
            "use_cache": _FLAG,
            "rope_parameters": [{"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}],
        },
    ),
    "gpt_neox": (
        "GPTNeoXConfig",
        {k: v for k, v in _SIZES.items() if k not in ("rms_norm_eps", "num_key_value_heads")},
        {
            **{k: v for k, v in _COMMON.items() if k not in ("rms_norm_eps", "num_key_value_heads")},
            **_BIAS,
            "layer_norm_eps": [1e-6, 0.1],
            "use_parallel_residual": _FLAG,
            "rotary_pct": [0.25, 0.5, 1.0],
            "rotary_emb_base": [100.0],
            "hidden_dropout": [0.3],
            "is_decoder": _FLAG,
            "rope_parameters": [*_ROPES, *_NEOX_ROPES],
        },
    ),
    "mixtral": (
        "MixtralConfig",
        _SIZES | {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 8},
        {
            **_COMMON,
            **_HEAD,
            **_WINDOW,
            **_EXPERTS,
            "num_local_experts": [1, 2, 8],
            "router_jitter_noise": [0.0, 0.3],
        },
    ),
    "qwen3_moe": (
        "Qwen3MoeConfig",
        _SIZES | {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "head_dim": 8},
        {
            **_COMMON,
            **_BIAS,
            **_HEAD,
            **_WINDOW,
            **_EXPERTS,
            "use_sliding_window": _FLAG,
            "norm_topk_prob": _FLAG,
            "decoder_sparse_step": [1, 2],
            "mlp_only_layers": [[], [0], None],
            "num_experts": [2, 8],
            "moe_intermediate_size": [16],
        },
    ),
}


def random_config(family: str, seed: int) -> tuple[dict, list[str]]:
    """A config.json of the family, and what is changed in it; the same seed gives the same one."""
    chance = random.Random(f"{family} {seed}")
    _, base, choices = FAMILIES[family]
    config = {"model_type": family, **base}
    keys = chance.sample(sorted(choices), min(len(choices), chance.choice([0, 1, 2, 2, 3, 4])))
    for key in keys:
        config[key] = chance.choice(choices[key])
    return config, [f"{key}={config[key]}" for key in keys]

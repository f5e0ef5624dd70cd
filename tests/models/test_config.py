"""config.json: what it leaves out is what transformers takes for it, and what cannot be run is named."""

import json

import pytest
import transformers
from common import GOLDEN

from spexjax.models import _hugging_face


def from_hugging_face(config):
    return _hugging_face.from_hugging_face(config)[1]


CLASSES = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config"}
KEYS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "num_key_value_heads": "num_kv_heads",
    "intermediate_size": "intermediate_size",
    "rms_norm_eps": "norm_epsilon",
    "tie_word_embeddings": "tie_embeddings",
}


def base(family="llama", **changes):
    return {**json.loads((GOLDEN / f"tiny_{family}" / "config.json").read_text()), **changes}


@pytest.mark.parametrize("family", CLASSES)
def test_what_is_left_out_is_what_transformers_takes(family):
    ours, theirs = from_hugging_face({"model_type": family}), getattr(transformers, CLASSES[family])()
    for key, field in KEYS.items():
        assert getattr(ours, field) == getattr(theirs, key), key
    assert ours.head_dim == theirs.hidden_size // theirs.num_attention_heads
    assert ours.rope_frequencies[1] == pytest.approx(theirs.rope_parameters["rope_theta"] ** (-2 / ours.head_dim))
    assert ours.max_length == theirs.max_position_embeddings
    assert ours.window == (theirs.sliding_window if family == "mistral" else None)
    assert (ours.qkv_bias, ours.output_bias, ours.mlp_bias) == (family == "qwen2", False, False)


def test_which_layers_slide():
    """A window as long as the context hides nothing."""
    assert from_hugging_face(base("mistral", sliding_window=128)).slides == (True,) * 3
    assert from_hugging_face(base("mistral", sliding_window=128, use_sliding_window=False)).window == 128
    assert from_hugging_face(base("mistral", sliding_window=1024)).window is None
    assert from_hugging_face(base("llama", sliding_window=128)).window is None  # Llama has none, whatever it says
    window = {"sliding_window": 128, "use_sliding_window": True}
    full, sliding = "full_attention", "sliding_attention"
    assert from_hugging_face(base("qwen2", **window, layer_types=None, max_window_layers=3)).window is None
    assert from_hugging_face(base("qwen2", **window, layer_types=None, max_window_layers=2)).slides[2]
    assert from_hugging_face(base("qwen2", **window, layer_types=[full, sliding, full])).slides == (False, True, False)
    assert from_hugging_face(base("qwen2", sliding_window=128, layer_types=[full] * 3)).window is None
    with pytest.raises(ValueError, match="no sliding_window is in use"):
        from_hugging_face(base("qwen2", sliding_window=128, layer_types=[sliding] * 3))
    with pytest.raises(ValueError, match="chunked_attention"):
        from_hugging_face(base("qwen2", layer_types=["chunked_attention"] * 3))


def test_every_spelling_of_rope():
    old = {k: v for k, v in base("mistral").items() if k != "rope_parameters"} | {"rope_theta": 10_000.0}
    plain = from_hugging_face(old)
    assert plain == from_hugging_face(base("mistral"))
    half = tuple(f / 2 for f in plain.rope_frequencies)
    for scaling in ({"type": "linear", "factor": 2.0}, {"rope_type": "linear", "type": "default", "factor": 2.0}):
        assert from_hugging_face({**old, "rope_scaling": scaling}).rope_frequencies == half
        other = {"rope_theta": 5.0}  # transformers reads rope_scaling first
        assert from_hugging_face({**old, "rope_parameters": other, "rope_scaling": scaling}).rope_frequencies == half
    assert from_hugging_face({**old, "rope_scaling": {"factor": 2.0}}) == plain  # without a type nothing is scaled
    scaling = {"type": "linear", "factor": 2.0}
    from_hugging_face({**old, "rope_scaling": scaling})
    assert scaling == {"type": "linear", "factor": 2.0}  # the caller's is left as it is
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    by_length = [
        from_hugging_face({**old, "rope_scaling": {**llama3, **inside}, **outside}).rope_frequencies
        for inside, outside in [
            ({"original_max_position_embeddings": 64}, {}),
            ({"original_max_position_embeddings": 16}, {"original_max_position_embeddings": 64}),
            ({}, {"max_position_embeddings": 64}),
        ]
    ]
    assert by_length[0] == by_length[1] == by_length[2] != plain.rope_frequencies


def test_silu_has_two_names():
    assert from_hugging_face(base(hidden_act="swish")) == from_hugging_face(base())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "bert"}, "bert"),
        ({"model_type": None}, "model_type"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"hidden_act": "quick_gelu"}, "quick_gelu"),
        ({"hidden_act": None}, "hidden_act"),
        ({"quantization_config": {"quant_method": "fp8"}}, r"quantization_config: 'fp8'"),
        ({"quantization_config": "int4"}, "quantization_config"),
        ({"is_causal": False}, "is_causal"),
        ({"layer_types": ["sliding_attention"] * 3}, "sliding_attention"),
        ({"model_type": "mistral", "layer_types": ["full_attention"] * 3}, "Ministral"),
        ({"per_layer_config": {"0": {}}}, "per_layer_config"),
        ({"transformers_weights": "other.safetensors"}, "transformers_weights"),
        ({"head_dim": 10**12}, "head_dim"),
        ({"head_dim": 7}, "7"),
        ({"hidden_size": "32"}, "hidden_size"),
        ({"hidden_size": None}, "hidden_size"),
        ({"hidden_size": -(10**5000)}, "hidden_size is a number of 16610 bits"),
        ({"num_hidden_layers": 0}, "num_hidden_layers"),
        ({"num_hidden_layers": 10**12}, "num_hidden_layers"),
        ({"num_attention_heads": 0}, "num_attention_heads"),
        ({"num_attention_heads": True}, "num_attention_heads"),
        ({"num_key_value_heads": 3}, "num_key_value_heads is 3, which does not divide num_attention_heads"),
        ({"vocab_size": 2.5}, "vocab_size"),
        ({"num_labels": 10**12}, "num_labels"),
        ({"max_position_embeddings": "x" * 10**6}, "max_position_embeddings"),
        ({"rms_norm_eps": None}, "rms_norm_eps"),
        ({"rms_norm_eps": -1.0}, "rms_norm_eps"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps"),
        ({"tie_word_embeddings": None}, "tie_word_embeddings"),
        ({"attention_bias": "yes"}, "attention_bias"),
        ({"rope_parameters": [1]}, "rope_parameters"),
        ({"rope_parameters": {"rope_theta": None}}, "rope_theta"),
        ({"rope_parameters": {"rope_theta": 0}}, "rope_theta"),
        ({"rope_parameters": {"rope_type": "proportional", "factor": 2.0, "rope_theta": 1e4}}, "proportional"),
        ({"rope_scaling": {"type": "dynamic"}}, "factor"),
        ({"rope_scaling": {"type": "linear", "factor": "2"}}, "factor"),
        ({"rope_scaling": {"type": "linear"}}, "factor"),
        ({"rope_scaling": {"type": "llama3", "factor": 8.0}}, "low_freq_factor"),
        ({"rope_parameters": None, "partial_rotary_factor": 0.5}, "partial_rotary_factor"),
    ],
)
def test_what_cannot_be_run_is_named(changes, named):
    with pytest.raises(ValueError, match=named) as error:
        from_hugging_face(base(**changes))
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


def test_null_head_dim_of_qwen2_is_refused_as_transformers_does():
    assert from_hugging_face(base("llama", head_dim=None)).head_dim == 8
    with pytest.raises(ValueError, match="head_dim is missing or null"):
        from_hugging_face(base("qwen2", head_dim=None))


def test_gemma3_does_not_cap_scores_which_transformers_does_not_do_either():
    capped = {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}
    assert [from_hugging_face({"model_type": f"gemma{v}", **capped}).score_cap for v in ("2", "3_text")] == [2.0, None]


def test_smollm3_says_which_layers_have_no_rope_in_a_list_of_their_number():
    with pytest.raises(
        ValueError, match=r"config\.json: no_rope_layers is \[1\]; it must have a 0 or 1 for each layer"
    ):
        from_hugging_face({"model_type": "smollm3", "num_hidden_layers": 2, "no_rope_layers": [1]})

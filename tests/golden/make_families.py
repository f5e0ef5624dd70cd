"""Makes `families.json`: a tiny random model of every family, and what transformers + torch say of it.

Needs torch and transformers; run by hand, its output is committed:

    python tests/golden/make_families.py

The weights are not stored, but made from the names of the tensors (`tests/models/tiny_families.py`). Logits are those
of 200 tokens at a few places, longer than every window. `gated` uses hooks that multiply every head before the output
projection, what every MLP adds to the residual stream, and every expert's weight. `attention` is what the last two
tokens pay to those at the places, on average over heads and the second half of the layers.
"""

import json
import tempfile
from pathlib import Path

import oracle
import torch
import transformers
from families import FAMILIES
from safetensors import safe_open
from tiny_families import write_family

HERE, PLACES = Path(__file__).parent, [0, 6, 49, 51, 130, 199]
LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 2.0}
LOCAL = {"rope_type": "default", "rope_theta": 100.0}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10_000.0}
CHANGES = {  # so that every family shows what is its own
    "qwen2": {"use_sliding_window": True, "sliding_window": 50, "max_window_layers": 1},
    "qwen3": {"rope_parameters": YARN},
    "granite": {
        "embedding_multiplier": 3.0,
        "logits_scaling": 2.0,
        "residual_multiplier": 0.5,
        "attention_multiplier": 0.3,
    },
    "phi3": {"sliding_window": 50, "partial_rotary_factor": 0.5},
    "gemma2": {"attn_logit_softcapping": 2.0, "final_logit_softcapping": 5.0},
    "gemma3_text": {"rope_parameters": {"full_attention": LINEAR, "sliding_attention": LOCAL}},
    "gpt_neox": {"rotary_pct": 0.5},
    "mixtral": {"sliding_window": 50, "head_dim": 8},
    "qwen3_moe": {"norm_topk_prob": True},
}
GATED = {"gpt2": "transformer.h", "gemma3_text": "model.layers", "gemma2": "model.layers", "qwen3_moe": "model.layers"}


def record(family, place):
    _, sizes, _ = FAMILIES[family]
    config = {"model_type": family, **sizes, "vocab_size": 300, "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0}
    config |= CHANGES.get(family, {})
    oracle.save(oracle.torch_model(config), config, place)
    with safe_open(place / "model.safetensors", "numpy") as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    found = {"config": config, "shapes": shapes}
    write_family(place, found)
    model, ids = loaded(place), oracle.token_ids(300)
    found["logits"] = oracle.torch_logits(model, ids)[PLACES, :8].tolist()
    with torch.no_grad():
        layers = torch.stack(model(torch.tensor([ids]), use_cache=False, output_attentions=True).attentions)[:, 0]
    found["attention"] = layers[len(layers) // 2 :, :, -2:].mean((0, 1, 2))[PLACES].tolist()
    if family in GATED:
        found["gated"] = gated(loaded(place), family, ids)
    return found


def loaded(place):
    model = transformers.AutoModelForCausalLM.from_pretrained(
        place, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager"
    )
    return model.double().eval()


def gated(model, family, ids):
    layers = model.get_submodule(GATED[family])
    generator, heads, experts = torch.Generator().manual_seed(1), 4, getattr(model.config, "num_experts", 0)
    head_gates, mlp_gates = (torch.rand(len(layers), *s, generator=generator).double() for s in ((heads,), ()))
    expert_gates = torch.rand(len(layers), experts, generator=generator).double()
    for i, layer in enumerate(layers):

        def before_output(_, args, i=i):
            return ((args[0].unflatten(-1, (heads, -1)) * head_gates[i][:, None]).flatten(-2),)

        def choose(_, args, i=i):
            return args[0], args[1], args[2] * expert_gates[i][args[1]]

        attention = layer.attn.c_proj if family == "gpt2" else layer.self_attn.o_proj
        attention.register_forward_pre_hook(before_output)
        mlp = layer.post_feedforward_layernorm if family.startswith("gemma") else layer.mlp
        mlp.register_forward_hook(lambda _, args, out, i=i: out * mlp_gates[i])
        if experts:
            layer.mlp.experts.register_forward_pre_hook(choose)
    found = {"heads": head_gates.tolist(), "mlps": mlp_gates.tolist()}
    found["experts"] = expert_gates.tolist() if experts else None
    return found | {"logits": oracle.torch_logits(model, ids)[PLACES, :8].tolist()}


def main():
    result = {"places": PLACES, "ids": oracle.token_ids(300), "families": {}}
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as place:
            result["families"][family] = record(family, Path(place))
    (HERE / "families.json").write_text(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()

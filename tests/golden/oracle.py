"""Tiny random models of every family in transformers + torch, and in spexjax; needs torch, which spexjax does not."""

import copy
import json
import re
import sys
import types
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import torch
import transformers

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE.parent)]
from families import FAMILIES  # noqa: E402
from test_golden_logits import logits  # noqa: E402

from spexjax.models._folder import Folder  # noqa: E402
from spexjax.models._weights import load_weights  # noqa: E402

LENGTH = 200


def token_ids(vocabulary):
    return [(7 * i + i * i + 3) % vocabulary for i in range(LENGTH)]


def torch_model(config, seed=0):
    """A model of transformers with random weights, norms and biases among them."""
    torch.manual_seed(seed)
    kind = getattr(transformers, FAMILIES[config["model_type"]][0])
    whole = kind(**copy.deepcopy({k: v for k, v in config.items() if k != "model_type"}))
    whole._experts_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(whole, attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * (0.2 if parameter.ndim > 1 else 0.3))
    return model


def torch_logits(model, ids):
    wide = model if getattr(model.config, "reorder_and_upcast_attn", False) else model.double()
    with torch.no_grad():
        return wide(torch.tensor([ids]), use_cache=False, return_dict=True).logits[0].numpy()


def save(model, config, folder):
    model.float().save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "generation_config.json").unlink(missing_ok=True)


def ours(folder):
    """The model in spexjax, without a tokenizer."""
    checkpoint = Folder(folder)
    found = load_weights(checkpoint.config(), *checkpoint.stored(), jnp.float32, checkpoint.tensors)
    return types.SimpleNamespace(**dict(zip(("config", "graph", "parameters"), found, strict=True)))


ALIASES = {  # what transformers makes of a field, whose name a sentence may give as well
    "rope_scaling": {"rope_parameters"},
    "rope_theta": {"rope_parameters"},
    "rotary_pct": {"partial_rotary_factor"},
    "rotary_emb_base": {"rope_theta"},
    "sliding_window_pattern": {"layer_types"},
    "max_window_layers": {"layer_types"},
    "use_sliding_window": {"layer_types", "sliding_window"},
    "num_experts": {"num_local_experts", "num_experts_per_tok"},
    "num_local_experts": {"num_experts_per_tok"},
    "num_attention_heads": {"head_dim"},
    "num_hidden_layers": {"layer_types"},
}


def names_the_field(sentence, config):
    """Whether a refusal names one of the fields in which the config is not that of the family, or part of it."""
    base, fields = FAMILIES[config["model_type"]][1], set()
    for key in (k for k in config if k != "model_type" and (k not in base or config[k] != base[k])):
        fields |= {key, *ALIASES.get(key, ()), *_inside(config[key])}
    return bool(set(re.findall(r"\w+", sentence)) & fields)


def _inside(value):
    """The keys of a dictionary, and of those in it."""
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(_inside, value.values()))


def judge(config, folder, seed=0):
    """ "equal", "refused", "both refuse", or what is wrong, with what it was.

    A refusal is one sentence that names the field.
    """
    try:
        model = torch_model(config, seed)
        ids = token_ids(model.config.vocab_size)[: config.get("n_positions", LENGTH)]
        theirs = torch_logits(model, ids)
        save(model, config, folder)
    except Exception as error:
        theirs, why = None, f"{type(error).__name__}: {str(error)[:200]}"
    if theirs is None:
        from spexjax.models._hugging_face import from_hugging_face

        try:
            from_hugging_face(config)
        except ValueError as error:
            return _refusal("both refuse", str(error), config)
        return "only transformers refuses", why
    try:
        model = ours(folder)
    except ValueError as error:
        return _refusal("refused", str(error), config)
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    length = min(model.config.max_length, len(ids))
    if length < len(ids):
        theirs = torch_logits(torch_model(config, seed), ids[:length])
    mine = logits(model, ids)[:length]
    error = float(np.abs(mine - theirs).max() / max(1.0, np.abs(theirs).max() / 10))
    return ("equal" if error < 1e-4 else "different"), f"{error:.1e} of {np.abs(theirs).max():.1f}"


def _refusal(verdict, sentence, config):
    if not sentence or "\n" in sentence:
        return "not one sentence", sentence
    return (verdict if names_the_field(sentence, config) else f"{verdict} without the field"), sentence

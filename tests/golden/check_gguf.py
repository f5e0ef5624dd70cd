"""GGUF files of tiny models of every family in spexjax, and by transformers' own reader of GGUF files in torch.

Needs torch, which spexjax does not; run by hand:

    python tests/golden/check_gguf.py      # prints the largest difference of a logit for each family

Beside torch it needs the package accelerate. transformers reads fewer families than llama.cpp writes, files of Mixtral
as Llamas, and leaves out some metadata: sliding windows of Llama's form, soft caps that are not the default, scaled
RoPE. Files without those are compared; what it cannot read is said.
"""

import argparse
import logging
import os
import tempfile
import warnings
from pathlib import Path

import oracle
import torch
import transformers
from gguf_families import CHANGES, for_gguf, write_family_gguf
from make_families import HERE
from test_golden_logits import logits
from tiny_families import single, weights

from spexjax.models import load_model

PLAIN = {  # without what transformers does not read in GGUF files
    "mistral": {"sliding_window": None},
    "mixtral": {"sliding_window": None},
    "qwen3": {"rope_parameters": None},
    "phi3": {"sliding_window": None, "partial_rotary_factor": 1.0},
    "gemma2": {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "query_pre_attn_scalar": 8},
    "gemma3_text": {"query_pre_attn_scalar": 8, "rope_parameters": None, "layer_types": ["sliding_attention"] * 2},
}

TOLD = ("query_pre_attn_scalar", "head_dim", "n_positions", "pad_token_id", "moe_intermediate_size")


def theirs(path: Path, ids: list[int], config: dict):
    """The logits of transformers, which is told what it does not read: some sizes, and by what scores are divided."""
    told = {key: config[key] for key in TOLD if key in config}
    plain = {"attn_implementation": "eager", "experts_implementation": "eager", "dtype": torch.float32}
    model = transformers.AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, **plain, **told)
    return oracle.torch_logits(model.eval(), ids)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", nargs="+")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity(50)
    transformers.logging.disable_progress_bar()
    os.environ["TQDM_DISABLE"] = "1"
    warnings.simplefilter("ignore")
    record = oracle.json.loads((HERE / "families.json").read_text())
    for family in args.families or [name for name in record["families"] if name != "mixtral"]:
        found = for_gguf(record["families"][family], family)
        config = single(found["config"] | CHANGES.get(family, {}) | PLAIN.get(family, {}))
        with tempfile.TemporaryDirectory() as place:
            path = write_family_gguf(Path(place) / "tiny.gguf", config, weights(found["shapes"]))
            ours = logits(load_model(path), record["ids"])
            try:
                difference = abs(ours - theirs(path, record["ids"], config)).max()
                print(f"{family}: {difference:.1e} of {abs(ours).max():.1f}", flush=True)
            except Exception as error:
                print(f"{family}: transformers cannot read it: {str(error)[:160]}", flush=True)


if __name__ == "__main__":
    main()

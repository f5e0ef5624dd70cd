"""A model family of your own: tell `load_model` what its config.json and its tensors mean.

Here the family "tale" is Llama with other names, so the same (random) weights must give the same values. If nothing in
your config.json is like Llama's, build `sx.models.TransformerConfig` yourself; if the tensors have Llama's names, leave
them out.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

import spexjax as sx

TINY = Path(__file__).parents[2] / "tests" / "golden" / "tiny_llama3"
KEYS = {"width": "hidden_size", "depth": "num_hidden_layers"}  # this family's names, and Llama's


def config(record):
    """From the contents of config.json to the sizes of `sx.models.Transformer`."""
    llama = sx.models.complete_config({KEYS.get(key, key): value for key, value in record.items()}, "LlamaConfig")
    return sx.models.transformer_config(llama, biases=sx.models.Biases(qkv=True, output=True, mlp=True))


if __name__ == "__main__":
    names = {module: name.replace("model.layers.", "block") for module, name in sx.models.LLAMA_TENSORS.items()}
    sx.models.register_architecture(sx.models.Architecture("tale", config, names))
    tale = shutil.copytree(TINY, Path(tempfile.mkdtemp()) / "tale")
    record = json.loads((tale / "config.json").read_text()) | {"model_type": "tale"}
    record |= {ours: record.pop(llamas) for ours, llamas in KEYS.items()}
    (tale / "config.json").write_text(json.dumps(record))
    weights = load_file(tale / "model.safetensors")
    save_file({n.replace("model.layers.", "block"): w for n, w in weights.items()}, tale / "model.safetensors")
    for folder in (TINY, tale):
        ablation = sx.ablations.text(sx.load_model(folder), "not a bad film", question="Good?", answers=("yes", "no"))
        print(folder.name, sx.evaluate(ablation, np.array([[1, 1, 1, 1], [0, 1, 1, 1]], bool)))

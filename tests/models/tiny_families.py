"""Tiny random models of every family, made again from `golden/families.json`: config, names and shapes are there."""

import json
import shutil
import zlib

import numpy as np
from common import GOLDEN
from safetensors.numpy import save_file


def weights(shapes):
    """Random weights, the same wherever they are made."""

    def one(name, shape):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        return np.asarray(rng.normal(size=tuple(shape)) * (0.2 if len(shape) > 1 else 0.3), np.float32)

    return {name: one(name, shape) for name, shape in shapes.items()}


def single(config):
    """The config with its numbers in single precision, as GGUF stores them."""
    if isinstance(config, dict):
        return {key: single(value) for key, value in config.items()}
    return float(np.float32(config)) if isinstance(config, float) else config


def write_family(folder, record):
    """A Hugging Face folder of the model, with the tokenizer of the other tiny models."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(single(record["config"])))
    save_file(weights(record["shapes"]), folder / "model.safetensors")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(GOLDEN / "tiny_llama" / name, folder / name)
    return folder

"""Bits flipped, ends cut off, sizes forged: a file is read as its own library reads it, or named in a sentence.

A flipped bit of a weight is another weight, which no reader can tell; everything else must be found.
"""

import json
import random
import re
import resource
import shutil
import struct
import time

import gguf
import numpy as np
import pytest
import transformers
from common import GOLDEN
from gguf_files import write_gguf
from safetensors.numpy import load_file

from spexjax.cli._main import main
from spexjax.models import load_model
from spexjax.models._folder import Folder
from spexjax.models._gguf import GGUF
from spexjax.models._weights import load_weights

SIZES = (0, 1, 255, 1 << 16, 1 << 31, (1 << 32) - 1, 1 << 40, (1 << 63) - 1, (1 << 64) - 1)


def corrupt(chance: random.Random, data: bytes, header: int) -> bytes:
    """One fault in the bytes, most often in the header, which ends at byte `header`."""
    kind, out = chance.choice(["flip", "flip", "flip", "cut", "size", "digits", "data", "longer"]), bytearray(data)
    if kind == "flip":
        for _ in range(chance.choice([1, 1, 1, 3])):
            out[chance.randrange(header)] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        out = out[: chance.choice([chance.randrange(len(data)), chance.randrange(min(64, len(data))), len(data) - 1])]
    elif kind == "size":
        width = chance.choice([4, 8])
        at = chance.choice([0, 4, 8, 16, chance.randrange(header)])
        out[at : at + width] = struct.pack("<Q", chance.choice(SIZES))[:width]
    elif kind == "digits":
        numbers = list(re.finditer(rb"\d+", data[:header]))
        found = chance.choice(numbers)
        out[found.start() : found.end()] = str(chance.choice(SIZES)).encode()
    elif kind == "data":
        out[chance.randrange(header, len(data)) if header < len(data) else 0] ^= 1 << chance.randrange(8)
    else:
        out += bytes(chance.randrange(1, 100))
    return bytes(out)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder and a GGUF file, each with the size of its header."""
    place = tmp_path_factory.mktemp("whole")
    path = write_gguf(place / "tiny.gguf", GOLDEN / "tiny_qwen2", quantise=True)
    weights = (GOLDEN / "tiny_qwen2" / "model.safetensors").read_bytes()
    config = (GOLDEN / "tiny_qwen2" / "config.json").read_bytes()
    return {
        "safetensors": (weights, 8 + struct.unpack("<Q", weights[:8])[0]),
        "gguf": (path.read_bytes(), int(gguf.GGUFReader(path).data_offset)),
        "config": (config, len(config)),
    }


def written(place, kind, data):
    """The model with this file in place of its own."""
    if kind == "gguf":
        (place / "tiny.gguf").write_bytes(data)
        return place / "tiny.gguf"
    folder = place / "folder"
    shutil.copytree(GOLDEN / "tiny_qwen2", folder, dirs_exist_ok=True)
    (folder / {"safetensors": "model.safetensors", "config": "config.json"}[kind]).write_bytes(data)
    return folder


def read_equally(kind, path) -> str:
    """Reads the model and compares with the format's own library; returns the sentence if it is refused."""
    start, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        if kind == "gguf":  # without the tokenizer, whose faults have tests of their own
            model = GGUF(path)
            load_weights(model.config(), *model.stored(), np.float32, model.tensors)
        else:
            load_model(path)
        sentence = ""
    except ValueError as error:
        sentence = str(error)
        assert sentence
        assert "\n" not in sentence
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 1 << 20  # kilobytes
    if sentence:
        return sentence
    if kind == "gguf":
        ours, theirs = GGUF(path), gguf.GGUFReader(path)
        assert {t.name for t in theirs.tensors} == set(ours.shapes)
        for name in theirs.fields:
            if not name.startswith("GGUF."):
                np.testing.assert_equal(ours.field(name), theirs.get_field(name).contents())
        for tensor in theirs.tensors:
            dequantised = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            np.testing.assert_array_equal(ours.read(tensor.name), dequantised)
        return ""
    ours, theirs = Folder(path), load_file(path / "model.safetensors")
    assert ours.shapes == {name: value.shape for name, value in theirs.items()}
    for name, value in theirs.items():
        np.testing.assert_array_equal(ours.read(name), value)
    config = transformers.Qwen2Config(**json.loads((path / "config.json").read_bytes()))
    sizes = ours.config()
    assert (sizes.num_heads, sizes.num_kv_heads) == (config.num_attention_heads, config.num_key_value_heads)
    assert (sizes.norm_epsilon, sizes.num_layers) == (config.rms_norm_eps, config.num_hidden_layers)
    np.testing.assert_allclose(sizes.rope_frequencies[1], config.rope_parameters["rope_theta"] ** (-2 / sizes.head_dim))
    return ""


@pytest.mark.parametrize("kind", ["safetensors", "gguf", "config"])
def test_corrupt_files_are_read_equally_or_named(kind, files, tmp_path):
    refused = 0
    for seed in range(100):
        data = corrupt(random.Random(f"{kind} {seed}"), *files[kind])
        try:
            refused += bool(read_equally(kind, written(tmp_path, kind, data)))
        except Exception as error:
            raise AssertionError(f"{kind} seed {seed}: {type(error).__name__}: {error}") from error
    assert refused > 50


def test_a_type_that_is_not_true_is_found(tmp_path):
    """F32 said to be Q4_0 is shorter, so that the next tensor begins too late, or bytes follow the last."""
    path = write_gguf(tmp_path / "tiny.gguf", GOLDEN / "tiny_qwen2")
    whole, reader = path.read_bytes(), gguf.GGUFReader(path)
    for tensor in (t for t in reader.tensors if t.shape[0] % 32 == 0):
        at = tensor.field.offset + sum(part.nbytes for part in tensor.field.parts[:4])
        path.write_bytes(whole[:at] + struct.pack("<I", gguf.GGMLQuantizationType.Q4_0) + whole[at + 4 :])
        last = tensor.name == reader.tensors[-1].name
        found = "bytes follow the last tensor" if last else f"after '{re.escape(tensor.name)}', whose type or shape"
        with pytest.raises(ValueError, match=f"is not a readable GGUF file: .*{found}"):
            GGUF(path)


@pytest.mark.parametrize("kind", ["safetensors", "gguf", "config"])
def test_the_command_line_says_one_sentence(kind, files, tmp_path, capsys):
    path = written(tmp_path, kind, files[kind][0][:-20])
    assert main(["explain", "a b c", "--model", str(path), "--quiet", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in said if line.startswith("spexjax: ")]) == 1
    assert not any("Traceback" in line for line in said)

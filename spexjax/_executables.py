"""Compiled programs as bytes, which a new process loads without tracing, lowering or compiling anything."""

import contextlib
import functools
import hashlib
import os
import pickle
import platform
from collections.abc import Hashable
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
from jax.experimental import serialize_executable


def packed(program: Any) -> bytes:
    """A program for `unpacked`.

    Args:
      program: a `jax.stages.Compiled`.
    """
    return pickle.dumps(serialize_executable.serialize(program))


def unpacked(content: bytes) -> Any:
    """The program that was `packed`; raises an exception of any kind if it is damaged.

    Args:
      content: from where only this user can write, for what is in it is run.
    """
    program, in_tree, out_tree = pickle.loads(content)
    devices = jax.local_devices()[:1]
    return serialize_executable.deserialize_and_load(program, in_tree, out_tree, execution_devices=devices)


def digest(name: str, signature: Hashable) -> str:
    """What names a program on this machine: another source, version, device or setting gives another one.

    Args:
      name: of the function.
      signature: what else the program depends on, such as the shapes of its arguments.
    """
    return hashlib.sha256(repr((name, signature, _origin())).encode()).hexdigest()[:40]


@functools.cache
def source() -> str:
    """A hash of this package's source."""
    content = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()


@functools.cache
def _origin() -> tuple:
    """What every program of this process depends on: our source, the versions, the device, and how XLA is set."""
    device = jax.local_devices()[0]
    return (
        source(),
        *(metadata.version(package) for package in ("jax", "jaxlib", "numpy", "optax")),
        (device.platform, device.device_kind, device.client.platform_version, jax.device_count()),
        (platform.machine(), *_processor()),
        *(os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")),
    )


def _processor() -> list[str]:
    """What the processor can do, where the system says so: XLA compiles for just this one."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    return [platform.processor()]

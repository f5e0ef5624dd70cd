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
    """The program that was `packed`. Raises an exception of any type if the program cannot be loaded.

    Args:
      content: from a file that only this user can write, because loading it runs code.
    """
    program, in_tree, out_tree = pickle.loads(content)
    devices = jax.local_devices()[:1]
    return serialize_executable.deserialize_and_load(program, in_tree, out_tree, execution_devices=devices)


def digest(name: str, signature: Hashable) -> str:
    """A name for a compiled program. It changes with our source, the versions, the device and XLA's settings.

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
    """Everything that all programs of this process depend on."""
    device = jax.local_devices()[0]
    return (
        source(),
        *(metadata.version(package) for package in ("jax", "jaxlib", "numpy", "optax")),
        (device.platform, device.device_kind, device.client.platform_version, jax.device_count()),
        (platform.machine(), *_processor()),
        *(os.environ.get(name) for name in ("XLA_FLAGS", "LIBTPU_INIT_ARGS")),
    )


def _processor() -> list[str]:
    """The processor's features, where the system lists them: XLA compiles for exactly this processor."""
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    return [platform.processor()]

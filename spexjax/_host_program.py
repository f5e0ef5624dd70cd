"""Programs that only the host calls: they compile quickly on a CPU, and a new process loads them from files."""

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Hashable
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import jax

from spexjax._cache import cache_folder, prune
from spexjax._compiling import add_stretch
from spexjax._durable import write_durably
from spexjax._executables import digest, packed, source, unpacked

# XLA's emitters compile each fusion on its own, through MLIR. Our programs are many small fusions around large matrix
# products: the emitters make them slow to compile and no faster to run.
_QUICK = {"xla_cpu_use_fusion_emitters": False}
_UNKNOWN = "No such compile option"  # says an XLA that has only the one way
_MOST = 1 << 30  # bytes of files
_CHECK = 32  # bytes: a file begins with the hash of the rest, for a damaged program may end the process
_SIZES = 64  # of arguments for which a function's programs stay in memory

_quick = True  # until XLA says that it does not know the option
_programs: list[dict[Hashable, Any]] = []  # of each function, the compiled ones


def host_program(function: Callable, double: bool = False) -> Callable:
    """`jax.jit` for a function that is called on concrete arrays, not from inside another program.

    JAX refuses compiler options in a nested program, so use plain `jax.jit` for anything that other functions trace.
    If JAX's cache on disk is on, compiled programs are saved there as well. A new process loads them without tracing.

    Args:
      function: of arrays, to be compiled.
      double: run in double precision. The default is single precision, whatever `jax_enable_x64` says.
    """
    name, programs = f"{function.__module__}.{function.__qualname__}", dict[Hashable, Any]()
    _programs.append(programs)

    @functools.cache
    def jitted(quick: bool = False) -> Any:
        # The name makes JAX's cache miss what another version of this package has compiled: see `_saved`.
        named = functools.wraps(function)(lambda *args: function(*args))
        named.__name__ = f"{function.__name__}_{source()[:8]}"
        return jax.jit(named, compiler_options=_QUICK if quick else None)

    def compiled(*args: Any) -> Any:
        global _quick
        if _quick and jax.default_backend() == "cpu":
            try:
                return jitted(quick=True).lower(*args).compile()
            except jax.errors.JaxRuntimeError as error:
                if _UNKNOWN not in str(error):
                    raise
                _quick = False
        return jitted().lower(*args).compile()

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        leaves, structure = jax.tree.flatten(args)
        config: Any = jax.config
        if config.jax_disable_jit or any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            return jitted()(*args)
        with jax.enable_x64(double):
            signature = (structure, _settings(), *map(_kind, leaves))
            program = programs.get(signature)
            if program is None:
                file = _file(name, signature)
                program = programs[signature] = _loaded(file) or _saved(file, lambda: compiled(*args))
                for oldest in list(programs)[:-_SIZES]:
                    programs.pop(oldest, None)
            return program(*args)

    return call


def forget_programs() -> None:
    """Drops what is compiled, as `jax.clear_caches` does for other programs."""
    for programs in _programs:
        programs.clear()


def _kind(leaf: Any) -> Hashable:
    """What a program must know of an argument; an array on the host is like one on the default device."""
    aval, config = jax.typeof(leaf), cast(Any, jax.config)
    default = config.jax_default_device or jax.local_devices()[0]
    elsewhere = isinstance(leaf, jax.Array) and leaf.sharding.device_set != {default}
    return aval.shape, str(aval.dtype), aval.weak_type, str(leaf.sharding) if elsewhere else ""


def _settings() -> Hashable:
    """What a program must know of JAX."""
    config: Any = jax.config
    return config.jax_default_matmul_precision, str(config.jax_default_device)


def _file(name: str, signature: Hashable) -> Path | None:
    """Where a program is kept; None unless JAX keeps programs, too, and it is for the first device of one process."""
    config: Any = jax.config
    keeps = config.jax_enable_compilation_cache and config.jax_compilation_cache_dir is not None
    alone = jax.process_count() == 1 and config.jax_default_device in (None, jax.local_devices()[0])
    folder = _folder() if keeps and alone else None
    return folder and folder / f"{name.rpartition('.')[2].strip('_')}-{digest(name, signature)}"


@functools.cache
def _folder() -> Path | None:
    folder = cache_folder("executables")
    if folder is not None:
        prune(folder, _MOST)
    return folder


def _loaded(file: Path | None) -> Any:
    start = time.perf_counter()
    try:
        content = file.read_bytes() if file else b""
        check, program = content[:_CHECK], content[_CHECK:]
        found = unpacked(program) if program and sha256(program).digest() == check else None
    except Exception:  # missing, or not loadable here for any reason: the caller compiles it
        return None
    add_stretch(time.perf_counter() - start)
    return found


def _saved(file: Path | None, compiled: Callable[[], Any]) -> Any:
    """Compiles, and saves the program if XLA has compiled it just now: what it has read, it writes incompletely.

    JAX may have read the program from its cache, now or earlier in this process.
    """
    before = _counts()
    program = compiled()
    requests, reads = (now - then for now, then in zip(_counts(), before, strict=True))
    with contextlib.suppress(Exception):  # a full disk, or a backend that cannot write its programs: the fit goes on
        if file and requests > 0 and reads == 0:
            content = packed(program)
            write_durably(file, sha256(content).digest() + content)
    return program


_of_thread = threading.local()


def _counts() -> tuple[int, int]:
    """How often this thread has asked XLA or JAX's cache for a program, and how often the cache had it."""
    return getattr(_of_thread, "requests", 0), getattr(_of_thread, "reads", 0)


def _heard_event(event: str, **_: str | int) -> None:
    _of_thread.reads = _counts()[1] + (event == "/jax/compilation_cache/cache_hits")


def _heard_duration(event: str, duration_secs: float, **_: str | int) -> None:
    _of_thread.requests = _counts()[0] + (event == "/jax/core/compile/backend_compile_duration")


jax.monitoring.register_event_listener(_heard_event)  # once, on import
jax.monitoring.register_event_duration_secs_listener(_heard_duration)

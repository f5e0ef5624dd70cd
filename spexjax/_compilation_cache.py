"""Compiled programs are kept on disk, so that only the first process compiles them."""

import functools
import warnings
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from spexjax._cache import cache_folder, prune

_MOST = 1 << 30  # bytes; a fit compiles about 3 MB of programs


@functools.cache
def keep_programs() -> None:
    """Turns JAX's cache on disk on, for all programs of this process that compile from now on.

    Does nothing if JAX has a folder already or its cache is turned off, or where `cache_folder` finds no place.
    """
    config: Any = jax.config
    if config.jax_compilation_cache_dir is not None or not config.jax_enable_compilation_cache:
        return
    folder = cache_folder("programs")
    if folder is None:
        return
    # JAX could limit the size itself, but then locks the folder and reads all of it whenever it adds a program.
    prune(folder, _MOST)
    config.update("jax_compilation_cache_dir", str(folder))
    config.update("jax_persistent_cache_min_compile_time_secs", 0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    compilation_cache.reset_cache()  # if something has been compiled already
    # A full disk, or a program that another process has written in part: it is compiled, as it would be without us.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache entry", UserWarning)

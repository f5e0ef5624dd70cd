"""Programs that are called from the host only, compiled in a third less time on a CPU."""

import functools
from collections.abc import Callable
from typing import Any

import jax

# XLA generates and optimises each fusion by itself, through MLIR. Our programs are many small fusions around large
# matrix products, so that costs a third of the compile time and saves nothing when they run.
_QUICK = {"xla_cpu_use_fusion_emitters": False}
_UNKNOWN = "No such compile option"  # says an XLA that has only the one way

_quick = True  # until XLA says that it does not know the option


def host_program(function: Callable) -> Callable:
    """`jax.jit` for a function that is only called on concrete arrays, never inside another program.

    JAX refuses compiler options in a nested program. So use plain `jax.jit` for what other functions may trace.

    Args:
      function: of arrays, to be compiled.
    """
    plain, quick = jax.jit(function), jax.jit(function, compiler_options=_QUICK)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        global _quick
        if _quick and jax.default_backend() == "cpu":
            try:
                return quick(*args)
            except jax.errors.JaxRuntimeError as error:
                if _UNKNOWN not in str(error):
                    raise
                _quick = False
        return plain(*args)

    return call

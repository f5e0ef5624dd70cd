"""What a Python function does, as a string that another process can compute: its code and all that the code reads."""

import builtins
import dataclasses
import dis
import functools
import hashlib
import json
import sys
import types
from collections.abc import Callable, Iterator, Set
from typing import Any, NamedTuple

import jax
import numpy as np

from spexjax.ablation import UNNAMED, unnamed

PACKAGES = frozenset({"flax", "jax", "jaxlib", "jaxtyping", "numpy", "optax", "scipy"})  # whose versions identify them
_LIBRARY = {  # modules of Python without state
    *("bisect", "builtins", "cmath", "collections", "copy", "dataclasses", "decimal", "difflib", "enum", "fractions"),
    *("functools", "hashlib", "heapq", "html", "itertools", "json", "math", "operator", "re", "statistics", "string"),
    *("textwrap", "typing", "unicodedata"),
}
_REFLECTIVE = {"__import__", "eval", "exec", "getattr", "globals", "input", "locals", "open", "vars"}


class _UnknownError(Exception):
    """Something is read whose content cannot be told."""


class _Walk(NamedTuple):
    """A walk through all that a function reads."""

    packages: Set[str]  # whose version says what they do
    seen: dict[int, int]  # the functions met so far, numbered


def identity_of(fn: Any, packages: Set[str] = PACKAGES) -> str | None:
    """A hash of a function's code, defaults, attributes, closure and globals; None if it reads what cannot be told.

    Functions that it calls are included, and the versions of Python, JAX and NumPy. Equal hashes mean that the
    functions do the same; a function that reads a file, the state of an object or a module of yours has none.

    Args:
      fn: a function, a `functools.partial` of one, a jitted one, or a frozen dataclass of a known package.
      packages: the known ones, whose version says what they do.

    >>> identity_of(lambda x: x + 1) == identity_of(lambda x: x + 1), identity_of(lambda x: x + 2) is None
    (True, False)
    >>> identity_of(lambda: open("settings").read()) is None
    True
    """
    found = hashlib.blake2b(repr(sys.version_info[:2]).encode(), digest_size=16)
    try:
        for part in _parts(fn, _Walk(packages, {})):
            found.update(f"{len(part)}:".encode() + part)
    except (_UnknownError, RecursionError):
        return None
    return found.hexdigest()


def named_identity(fn: Callable[..., Any], name: str | None) -> str:
    """The hash of a function; where there is none, its code and the name that the user vouches for; else a unique one.

    Args:
      fn: the function.
      name: identifies all that the code reads.
    """
    found = identity_of(fn)
    if found is not None:
        return found
    if name is None:
        return unnamed()
    code = getattr(fn, "__code__", None)
    parts = [name.encode(), *(_code(code) if code is not None else [_qualified(fn)])]
    return hashlib.blake2b(b"\0".join(parts), digest_size=16).hexdigest()


def fingerprint_of(parts: Any, identity: str) -> str:
    """The fingerprint of a value function that calls a function of the user's.

    Args:
      parts: all else that it depends on, as JSON values.
      identity: of the function. If it is a unique one, so is the fingerprint.
    """
    digest = hashlib.blake2b(json.dumps([parts, identity], sort_keys=True).encode(), digest_size=16).hexdigest()
    return f"{identity}-{digest}" if identity.startswith(UNNAMED) else digest


def _parts(value: Any, walk: _Walk) -> Iterator[bytes]:
    if isinstance(value, types.FunctionType):
        yield from _function(value, walk)
    elif isinstance(value, functools.partial):
        yield from _parts(["partial", value.func, *value.args, *sorted(value.keywords.items())], walk)
    elif isinstance(value, np.ndarray | np.generic | jax.Array) and np.asarray(value).dtype != object:
        array = np.asarray(value)
        yield f"array {array.dtype} {array.shape}".encode() + array.tobytes()
    elif value is None or value is Ellipsis or isinstance(value, bool | int | float | complex | str | bytes):
        yield f"{type(value).__name__} {value!r}".encode()
    elif isinstance(value, tuple | list):
        yield f"{type(value).__name__} of {len(value)}".encode()
        for each in value:
            yield from _parts(each, walk)
    elif isinstance(value, dict) and all(isinstance(key, str) for key in value):
        yield from _parts(["dict", *sorted(value.items())], walk)
    elif _is_known(value, walk.packages):
        yield _qualified(value)
    elif _is_frozen(value) and _is_known(type(value), walk.packages):
        yield _qualified(type(value))
        yield from _parts([getattr(value, field.name) for field in dataclasses.fields(value)], walk)
    elif callable(value) and hasattr(value, "__wrapped__"):  # of jax.jit, say
        yield f"wrapped by {type(value).__module__}.{type(value).__qualname__}".encode()
        if not _is_known(type(value), walk.packages):
            raise _UnknownError
        yield from _parts(value.__wrapped__, walk)
    else:
        raise _UnknownError


def _function(fn: types.FunctionType, walk: _Walk) -> Iterator[bytes]:
    """Its code, and what the code finds in defaults, closure and globals; a function that calls itself, once."""
    if _is_known(fn, walk.packages):
        yield _qualified(fn)
        return
    if id(fn) in walk.seen:
        yield f"function {walk.seen[id(fn)]} again".encode()
        return
    walk.seen[id(fn)] = len(walk.seen)
    yield from _code(fn.__code__)
    yield from _parts([fn.__defaults__, fn.__kwdefaults__, *([vars(fn)] if vars(fn) else [])], walk)
    for cell in fn.__closure__ or ():
        try:
            content = cell.cell_contents
        except ValueError:
            raise _UnknownError from None
        yield from _parts(content, walk)
    for name in sorted(_globals_read(fn.__code__, walk.packages)):
        yield name.encode()
        if name in fn.__globals__:
            yield from _parts(fn.__globals__[name], walk)
        elif name in _REFLECTIVE or not hasattr(builtins, name):
            raise _UnknownError


def _code(code: types.CodeType) -> Iterator[bytes]:
    yield code.co_code
    names = code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars
    yield repr((names, code.co_argcount, code.co_kwonlyargcount, code.co_flags)).encode()
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant)
        else:
            shown = sorted(map(repr, constant)) if isinstance(constant, frozenset) else repr(constant)
            yield f"{type(constant).__name__} {shown}".encode()


def _globals_read(code: types.CodeType, packages: Set[str]) -> Iterator[str]:
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield step.argval
        elif step.opname == "IMPORT_NAME" and not _is_known_root(step.argval.split(".")[0], packages):
            raise _UnknownError
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_read(constant, packages)


def _is_known(value: Any, packages: Set[str]) -> bool:
    """Whether it is a module, class or function whose name and version say what it does."""
    if isinstance(value, types.ModuleType):
        return _is_known_root(value.__name__.split(".")[0], packages)
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or "<" in name:
        return False
    home: Any = sys.modules.get(module)
    for part in name.split("."):
        home = getattr(home, part, None)
    return _is_known_root(module.split(".")[0], packages) and home is value


def _is_known_root(root: str, packages: Set[str]) -> bool:
    return root in packages or root in _LIBRARY


def _is_frozen(value: Any) -> bool:
    """Whether it is a frozen dataclass, so that its fields say what it is."""
    return dataclasses.is_dataclass(type(value)) and type(value).__dataclass_params__.frozen


def _qualified(value: Any) -> bytes:
    module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", "")
    version = getattr(sys.modules.get(str(module).split(".")[0]), "__version__", "")
    return f"{module} {getattr(value, '__qualname__', '')} {version}".encode()

"""The methods by name; users add theirs."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from spexjax._deprecation import renamed
from spexjax.evaluation import Evaluation
from spexjax.gp import Surrogate
from spexjax.methods._from_proxy import from_proxy
from spexjax.methods._method import Design, Method, checked_method
from spexjax.proxies import Fit, Proxy
from spexjax.typing import Key, Masks, Values

_METHODS: dict[str, Method] = {}
_BUILT_IN: list[Method] = []
_COMPETING: dict[str, Method] = {}
_CANDIDATES = ("auto", "kernels", "products", "spex", "trees")  # what "auto" compares, and itself
_RENAMED = {"proxyspex-trees": "proxyspex", "proxyspex-trees-fast": "proxyspex-fast"}


@runtime_checkable
class Resembling(Protocol):
    """A method that can learn from the surrogates of other inputs."""

    def resembling(self, surrogates: Sequence[Surrogate]) -> Method:
        """The method with these surrogates at hand."""


@runtime_checkable
class Remembering(Protocol):
    """A method that can learn from co-values once, for all values at the same masks."""

    def remembering(self) -> Method:
        """The method with a memory of its own."""


def register(method: Method, *, compete: bool = False) -> Method:
    """Makes a method available by its name, to `explain` and `fit`, and to `spexjax.cli.main` called by your script.

    Args:
      method: replaces one of the same name.
      compete: let "auto" compare it with the others. It must then fit masks that it did not draw.

    Returns:
      The method.

    Raises:
      ValueError: if it is not a `Method`, its name is not a string, or it competes under the name of what "auto"
        compares anyway.
    """
    name = checked_method(method).name
    if compete and name in _CANDIDATES:
        raise ValueError(f"'auto' compares {', '.join(_CANDIDATES[1:])} by these names; let yours compete by another.")
    _METHODS[method.name] = method
    _COMPETING.pop(method.name, None)
    if compete:
        _COMPETING[method.name] = method
    return method


def register_built_in(*found: Method) -> None:
    """Makes methods of spexjax available.

    Args:
      found: the methods.
    """
    _BUILT_IN.extend(map(register, found))


def is_built_in(method: Method) -> bool:
    """Whether a method is one that spexjax registers, and not a user's, of the same name perhaps."""
    return any(method is one for one in _BUILT_IN)


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(_METHODS)


def get(method: "str | Method | Proxy", like: Sequence[Surrogate] | None = None) -> Method:
    """The method of a name, or of a proxy; a method is returned as it is.

    Args:
      method: a name of `names()`, a `Method`, or a `Proxy`.
      like: surrogates of other inputs for the method to learn from, if any; None if it need not.

    Raises:
      ValueError: if there is no such method, or it cannot learn from surrogates.
    """
    found = _found(method)
    if like is None:
        return found
    if not isinstance(found, Resembling):
        able = [name for name, other in _METHODS.items() if isinstance(other, Resembling)]
        raise ValueError(
            f"Only the methods {' and '.join(able)} can learn from other explanations; leave `like` out, or give "
            "proxies.kernels(like=[their surrogates]) as the method."
        )
    return found.resembling(like)


def competitors(design: Design) -> dict[str, Proxy]:
    """The registered methods that compete in "auto", as proxies for the masks of a design."""
    return {name: _as_proxy(method, design) for name, method in _COMPETING.items()}


def _found(method: Any) -> Method:
    if isinstance(method, str):
        if method in _RENAMED and method not in _METHODS:
            method = renamed(f"The method {method!r}", _RENAMED[method])
        if method not in _METHODS:
            raise ValueError(f"There is no method {method!r}; choose one of {', '.join(_METHODS)}.")
        return _METHODS[method]
    if isinstance(method, Method) and not isinstance(method, type):
        return checked_method(method)
    return from_proxy(method)


def _as_proxy(method: Method, design: Design) -> Proxy:
    def proxy(masks: Masks, values: Values, key: Key) -> Fit:
        return method.fit(dataclasses.replace(design, masks=masks), Evaluation.given(values), key)

    return proxy

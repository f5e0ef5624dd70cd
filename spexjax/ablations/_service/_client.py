"""The one file that speaks HTTP, by httpx: a client, its key, and what a response means."""

import contextlib
import os
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from spexjax._printable import one_line, printable
from spexjax.ablations._service._retry import AGAIN, AgainError, retry_after

_SECRET = re.compile(r"(?i)\b(?:bearer\s+\S+|(?:sk|pk|key|api[-_]?key)[-_=:]\S+)")
_SHOWN = 200  # characters of a service's own words
_PAGE = "sends a web page; the URL of a service often ends with /v1"


class RefusedError(OSError):
    """The service will not answer this request, however often it is sent.

    The message is a status in brackets and the service's words; or what the service does, as "sends a web page".
    """


def check_installed() -> None:
    """Raises ImportError, with the extra to install, where httpx is missing."""
    try:
        import httpx  # noqa: F401
    except ImportError as error:
        raise ImportError("sx.ablations.service needs httpx: pip install 'spexjax[service]'.") from error


def base_of(client: Any) -> str:
    """The address of a client that the user made.

    Args:
      client: an `httpx.AsyncClient` with a base_url.

    Raises:
      ValueError: if it is none.
    """
    import httpx

    if not isinstance(client, httpx.AsyncClient):
        raise ValueError(f"A service is a URL, or an httpx.AsyncClient with a base_url; got {type(client).__name__}.")
    return str(client.base_url)


KEY = "OPENAI_API_KEY"  # the environment variable that is looked at if none is named


def key_in(name: str | None) -> str | None:
    """The key in an environment variable, which nothing keeps or shows; None if there is none.

    Args:
      name: of the variable.

    Raises:
      ValueError: if it cannot be sent, or if there is no variable of a name that is not the default. Who gives the key
        itself for the name does not read it in the message.
    """
    if name not in (None, KEY, *os.environ):
        raise ValueError("key_env is the name of an environment variable with the key; there is none of that name.")
    key = os.environ.get(name, "").strip() if name else ""
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"The key in the environment variable {name} has characters that cannot be sent.")
    return key or None


@contextlib.asynccontextmanager
async def opened(given: Any, at_once: int) -> AsyncIterator[Any]:
    """The user's client, which stays open; or one of our own.

    Args:
      given: the client, or None.
      at_once: connections.
    """
    import httpx

    if given is not None:
        yield given
        return
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, timeout=None) as client:
        yield client


async def post(client: Any, url: str, body: Mapping[str, Any], key: str | None) -> Any:
    """Sends one request.

    Args:
      client: an open `httpx.AsyncClient`.
      url: where to.
      body: what.
      key: goes into the header.

    Returns:
      The answer's JSON.

    Raises:
      AgainError: if it may succeed later.
      RefusedError: if not.
    """
    import httpx

    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    try:
        response = await client.post(url, json=dict(body), headers=headers)
    except httpx.TimeoutException:
        raise AgainError("time-out") from None
    except httpx.TransportError as error:
        broken = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
        raise AgainError("broken connection" if broken else "no connection") from None
    except httpx.HTTPError:
        raise AgainError("broken connection") from None
    status = response.status_code
    if 300 <= status < 400:
        raise RefusedError(f"redirects to another address ({status}); give the URL of the service itself")
    if not 200 <= status < 300:
        _fail(response, status, key)
    if _is_page(response):
        raise RefusedError(_PAGE)
    try:
        answer = response.json()
    except ValueError:
        raise AgainError("malformed answer") from None
    if isinstance(answer, dict) and (wrong := answer.get("error")) and not answer.get("choices"):
        code = wrong.get("code") if isinstance(wrong, dict) else None
        _fail(response, code if isinstance(code, int) and 400 <= code < 600 else 400, key)
    return answer


def _fail(response: Any, status: int, key: str | None) -> NoReturn:
    """Raises what a status means, of the response or of the error in an answer that looks like a success."""
    if status in AGAIN or status >= 500:
        why = f"{AGAIN.get(status, 'error of the service')} ({status})"
        raise AgainError(why, retry_after(response.headers.get("retry-after")))
    raise RefusedError(f"({status}){_said(response, status, key)}")


def _is_page(response: Any) -> bool:
    return response.headers.get("content-type", "").lower().startswith("text/html")


def _said(response: Any, status: int, key: str | None) -> str:
    """The service's own words, without anything like a key; none where they are about the key."""
    if status in (401, 403):
        return ""
    if _is_page(response):
        return f": it {_PAGE}"
    try:
        error = response.json().get("error")
        words = str(error.get("message") if isinstance(error, dict) else error or "")
    except (ValueError, AttributeError):
        words = response.text
    words = words.replace(key, "...") if key else words
    return f": {printable(one_line(_SECRET.sub('...', words), _SHOWN))}" if words.strip() else ""

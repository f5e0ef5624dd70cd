"""The files that the pages are made of, and how they are filled in."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

_MARKER = re.compile(r"\{\{(\w+)\}\}")


def assets(*files: str) -> list[str]:
    """The contents of files of this room."""
    folder = resources.files("spexjax.report")
    return [folder.joinpath(file).read_text(encoding="utf-8") for file in files]


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with a part in place of each marker.

    Args:
      page: with markers such as {{title}}.
      parts: by the names of their markers.
    """
    whole = _MARKER.sub(lambda marker: parts[marker[1]], page)  # one pass: markers in an explained text stay
    return whole.encode("utf-8", "replace").decode()  # lone surrogates cannot be written to a file


def safe_json(data: Any) -> str:
    """JSON that is safe inside a script element: ASCII, without <, > and &."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def script_hash(script: str) -> str:
    """What a content security policy calls a script.

    Args:
      script: exactly what stands in the element.
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"

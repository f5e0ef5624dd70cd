"""One event loop in a thread of its own, for all services of a process, so that a client's connections live on."""

import asyncio
import functools
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any


@functools.cache
def loop() -> asyncio.AbstractEventLoop:
    """The loop; started when it is first asked for."""
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, name="spexjax-service", daemon=True).start()
    return made


def start(work: Coroutine[Any, Any, None]) -> "Future[None]":
    """Starts a coroutine there.

    Args:
      work: the coroutine.
    """
    return asyncio.run_coroutine_threadsafe(work, loop())

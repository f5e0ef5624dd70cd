"""Asks a service many prompts: so many at once, again where it fails, each answer handed over when it is there."""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from spexjax.ablations._service._bucket import Bucket
from spexjax.ablations._service._client import RefusedError, key_in, opened, post
from spexjax.ablations._service._endpoint import Asked, Endpoint, Reply
from spexjax.ablations._service._loop import loop
from spexjax.ablations._service._reading import NoLogProbabilitiesError, Reading
from spexjax.ablations._service._retry import AgainError, Backoff
from spexjax.ablations._service._tally import Price, Tally

_REASONS = {RefusedError: "refused", NoLogProbabilitiesError: "no log-probabilities"}
_NAMELESS = "; name the environment variable that holds the key by key_env"
_PATIENCE = 600.0  # seconds; a service that asks to wait longer is not waited for


@dataclasses.dataclass(frozen=True, eq=False)
class Settings:
    """How a service is asked."""

    client: Any  # of the user, or None
    key_env: str | None
    at_once: int
    timeout: float
    backoff: Backoff
    price: Price | None
    max_cost: float | None


@dataclasses.dataclass(frozen=True)
class Answered:
    """The values of a prompt, by its number."""

    slot: int
    values: list[float]


class Asking:
    """One run over some prompts.

    At most `at_once` prompts are asked and not yet `stored`, so that a process that is killed loses no more. The first
    one is asked alone: what is wrong with all of them costs a single ask.

    Args:
      endpoint: where.
      reading: what is asked for, and how values are read off it.
      settings: how.
      bucket: how often.
      tally: counts.
      put: is given each `Answered`, in the order of arrival, and each error.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        reading: Reading,
        settings: Settings,
        bucket: Bucket,
        tally: Tally,
        put: Callable[[Answered | Exception], None],
    ):
        self._endpoint, self._reading, self._settings = endpoint, reading, settings
        self._bucket, self._tally, self._put = bucket, tally, put
        self._room, self._judging = asyncio.Semaphore(settings.at_once), asyncio.Lock()
        self._stopped = self._informed = False  # whether an answer had log-probabilities

    def stored(self, count: int) -> None:
        """Lets so many further prompts be asked; called by the thread that stores values.

        Args:
          count: of the answers that are safe.
        """
        for _ in range(count):
            loop().call_soon_threadsafe(self._room.release)

    async def run(self, prompts: Sequence[str]) -> None:
        """Asks all prompts; after an error no further ones, and those that are asked are waited for.

        Args:
          prompts: distinct ones.
        """
        key = key_in(self._settings.key_env)
        tasks: set[asyncio.Task[None]] = set()
        try:
            async with opened(self._settings.client, self._settings.at_once) as client:
                for slot, prompt in enumerate(prompts):
                    await self._room.acquire()
                    if self._stopped or self._too_dear():
                        break
                    task = asyncio.create_task(self._one(client, key, slot, prompt))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                    if not self._tally.answered:
                        await asyncio.wait([task])
                if tasks:
                    await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()

    def _too_dear(self) -> bool:
        spent, most = self._tally.cost(self._settings.price), self._settings.max_cost
        if most is None or spent <= most:
            return False
        self._stop(ValueError(f"The service has cost {spent:.4g} by its own count, more than max_cost={most:.4g}."))
        return True

    def _stop(self, error: Exception) -> None:
        self._stopped = True
        self._put(error)

    async def _one(self, client: Any, key: str | None, slot: int, prompt: str) -> None:
        """One prompt, until it has its values or is given up."""
        try:
            reply = await self._reply(client, key, prompt)
            async with self._judging:
                read = await asyncio.to_thread(self._reading.read, reply)
        except Exception as error:
            reason = (
                error.reason if isinstance(error, AgainError) else _REASONS.get(type(error), "error in what reads it")
            )
            self._tally.failed[reason] += 1
            self._stop(self._explained(error))
            self._room.release()
            return
        self._tally.answered += 1
        self._tally.bounded += read.bounded
        self._put(Answered(slot, read.values))

    async def _reply(self, client: Any, key: str | None, prompt: str) -> Reply:
        """A reply with all samples, of as many requests as that takes."""
        asked, texts, tries = self._reading.asked, tuple[str, ...](), 0
        while True:
            rest = asked._replace(samples=asked.samples - len(texts))
            try:
                reply = await self._send(client, key, prompt, rest)
            except AgainError as again:
                tries += 1
                if tries >= self._settings.backoff.tries or self._stopped or (again.wait or 0) > _PATIENCE:
                    raise
                self._tally.retried[again.reason] += 1
                wait = self._settings.backoff.wait(tries - 1, again.wait)
                if again.wait is not None:
                    self._bucket.close(again.wait)
                await asyncio.sleep(wait)
                continue
            texts += reply.texts[: rest.samples]
            if len(texts) >= asked.samples:
                return reply._replace(texts=texts)

    async def _send(self, client: Any, key: str | None, prompt: str, asked: Asked) -> Reply:
        await self._bucket.take()
        self._tally.asks += 1
        try:
            async with asyncio.timeout(self._settings.timeout):
                answer = await post(client, self._endpoint.url, self._endpoint.request(prompt, asked), key)
        except TimeoutError:
            raise AgainError("time-out") from None
        reply = self._endpoint.reply(answer)
        self._tally.prompt_tokens += reply.prompt_tokens
        self._tally.answer_tokens += reply.answer_tokens
        if not reply.texts or (reply.top is None and self._informed):  # others had log-probabilities
            raise AgainError("malformed answer")
        self._informed |= reply.top is not None
        return reply

    def _explained(self, error: Exception) -> Exception:
        """The error, as a sentence for the user; one of the judge's as it is."""
        host, model = self._endpoint.host, self._endpoint.model
        if isinstance(error, AgainError):
            if (error.wait or 0) > _PATIENCE:
                return ConnectionError(f"{host} asks to wait for {error.wait:.0f} s; go on then")
            tries = self._settings.backoff.tries
            return ConnectionError(f"{host} did not answer a prompt in {tries} tries (the last: {error.reason})")
        if isinstance(error, NoLogProbabilitiesError) or (isinstance(error, RefusedError) and "logprob" in str(error)):
            return ValueError(
                f"{host} gives no log-probabilities of {model}: take samples=20, for the share of each answer, or "
                "judge=, a function of the answer"
            )
        if isinstance(error, RefusedError):
            words, name = str(error), self._settings.key_env
            if words.startswith(("(401)", "(403)")):
                words += f"; put a valid key into the environment variable {name}" if name else _NAMELESS
            return RefusedError(f"{host} refuses {model} {words}" if words.startswith("(") else f"{host} {words}")
        return error

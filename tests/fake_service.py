"""An OpenAI-compatible service in a thread, which can be told to stall, fail, limit, break and answer half."""

import asyncio
import collections
import contextlib
import json
import math
import threading
import time


def verdict(prompt):
    """The log-odds of Yes that the service has for a prompt."""
    words = prompt.replace(",", "").replace(".", "").split()
    return 2.0 * ("not" in words and "bad" in words) - ("bad" in words) + 0.25 * len(words)


class FakeService:
    """Answers by `verdict`. `misbehave(prompt, nth)` names what to do instead, nth being 0 when it is asked first."""

    def __init__(self, delay=0.0, misbehave=lambda prompt, nth: None, key=None, logprobs=True, say=None):
        self.delay, self.misbehave, self.key, self.logprobs = delay, misbehave, key, logprobs
        self.say = say or (lambda prompt, i: "Yes." if verdict(prompt) > 0 else "No.")
        self.tokens = None  # of a prompt, whatever it is
        self.asked = collections.Counter()  # of each prompt
        self.bodies, self.headers, self.times = [], [], []
        self.inside = self.most = 0

    @property
    def asks(self):
        return self.asked.total()

    def __enter__(self):
        ready = threading.Event()

        async def serve():
            self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
            server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
            self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            ready.set()
            await self._stop.wait()
            server.close()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

        self._thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _connection(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in head[1:] if line)}
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                if not await self._respond(writer, head[0], headers, body):
                    break
        writer.close()

    async def _respond(self, writer, request, headers, body):
        """Whether the connection lives on."""
        prompt = body["messages"][-1]["content"] if "chat" in request else body["prompt"]
        nth = self.asked[prompt]
        self.asked[prompt] += 1
        self.bodies.append(body)
        self.headers.append(headers)
        self.times.append(time.monotonic())
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            what = self.misbehave(prompt, nth) or ""
            await asyncio.sleep(100 if what == "stall" else 5 * self.delay if what == "late" else self.delay)
        finally:
            self.inside -= 1
        status, extra, text = 200, "", json.dumps(self._answer(request, prompt, body, what))
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            status, text = 401, json.dumps({"error": {"message": f"bad key {headers.get('authorization')}"}})
        elif what.startswith("status"):
            _, number, *said = what.split(" ", 2)
            status, text = int(number), json.dumps({"error": {"message": said[0] if said else "no"}})
        elif what.startswith("wait"):
            status, extra = 429, f"retry-after: {what.split()[1]}\r\n"
        elif what == "moved":
            status, extra = 302, "location: http://elsewhere.example/\r\n"
        elif what.startswith("page"):
            status, extra, text = int(what.split()[1]), "content-type: text/html\r\n", "<html>Welcome</html>"
        elif what.startswith("code"):
            text = json.dumps({"error": {"code": int(what.split()[1]), "message": "no room"}})
        elif what == "malformed":
            text = '{"choices": [{"mess'
        elif what == "break":
            return False
        content = text.encode()
        length = len(content)
        writer.write(f"HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{extra}\r\n".encode())
        writer.write(content[: length // 2] if what == "half" else content)
        await writer.drain()
        return what != "half"

    def _answer(self, request, prompt, body, what):
        count = 0 if what == "empty" else max(1, body.get("n", 1) // 2) if what == "few" else body.get("n", 1)
        texts = [self.say(prompt, i) for i in range(count)]
        yes = -math.log1p(math.exp(-verdict(prompt)))
        top = [("Yes", yes - 0.1), ("No", yes - verdict(prompt) - 0.1), (" Yes", yes - 2.0), ("Maybe", -7.0)]
        if what == "no No":
            top = [pair for pair in top if pair[0] != "No"]
        top = [(token, -p) for token, p in top] if what == "logits" else top
        told = self.logprobs and body.get("logprobs") and what != "bare"
        usage = {"prompt_tokens": self.tokens or len(prompt) // 4, "completion_tokens": count}
        if "chat" in request:
            content = [{"token": "Yes", "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}]
            given = {"logprobs": {"content": content}} if told else {}
            choices = [{"message": {"role": "assistant", "content": text}, **given} for text in texts]
        else:
            given = {"logprobs": {"top_logprobs": [dict(top)]}} if told else {}
            choices = [{"text": text, **given} for text in texts]
        return {"choices": choices, "usage": usage}

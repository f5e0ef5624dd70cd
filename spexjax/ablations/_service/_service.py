"""The lens on text for a model behind a service: each mask's prompt is an ask, each answer is stored as it arrives."""

import dataclasses
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from spexjax._identity import fingerprint_of
from spexjax.ablation import Ablation, Batch, Plan
from spexjax.ablations._prompts._frame import Frame
from spexjax.ablations._service._asking import Answered, Asking, Settings
from spexjax.ablations._service._bucket import Bucket
from spexjax.ablations._service._client import KEY
from spexjax.ablations._service._endpoint import Endpoint
from spexjax.ablations._service._loop import start
from spexjax.ablations._service._options import Options, endpoint_of, frame_of, reading_of, settings_of
from spexjax.ablations._service._reading import Judged, Reading, TopTokens
from spexjax.ablations._service._tally import Estimate, Tally, estimate
from spexjax.ablations._text._pieces import Pieces, cut_string, marked
from spexjax.typing import Masks


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ServiceAblation(Ablation):
    """f(mask) = what a service's model answers to a text with only the kept units, as a number; made by `service`.

    Each answer is a record in the store as soon as it is there.

    Attributes:
      tally: what asking has taken in this process; its `str` is a sentence.
    """

    endpoint: Endpoint
    frame: Frame
    pieces: Pieces
    removal: str
    reading: Reading
    settings: Settings
    bucket: Bucket
    name: str | None  # a part of the fingerprint
    tally: Tally = dataclasses.field(default_factory=Tally)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The units."""
        return self.pieces.names

    @property
    def fingerprint(self) -> str:
        """Identifies the value function across processes: address, model, request, text, units, and how it is read."""
        parts = ["service", *dataclasses.astuple(self.endpoint), dataclasses.astuple(self.frame), self.pieces.identity]
        judge = self.reading.judge_identity if isinstance(self.reading, Judged) else ""
        return fingerprint_of([*parts, self.reading.identity, self.name], judge)

    @property
    def num_values(self) -> int | None:
        """The number of answers, where each has a value."""
        return len(self.reading.answers) if self.reading.several else None

    @property
    def value_names(self) -> tuple[str, ...] | None:
        """The answers, where each has a value."""
        return self.reading.answers if self.reading.several else None

    @property
    def structure(self) -> str:
        """ "sequence" if removed units are deleted, so that others meet."""
        return self.pieces.structure

    def describe_part(self, part: Sequence[int]) -> dict:
        """The answers of the set that are explained."""
        value = {"value": f"sum of the {self.reading.value} of {len(part)} answers"} if len(part) > 1 else {}
        answers = self.reading.answers
        return value | {"answers": [answers[i] for i in part], "all_answers": list(answers)}

    def describe(self) -> dict:
        """What is explained, as plain JSON values; the pieces, `[string, feature or -1]`, make up the text."""
        service: dict[str, Any] = {"host": self.endpoint.host, "endpoint": self.endpoint.kind}
        service |= {**self.reading.asked._asdict(), **self.tally.record()}
        doubts = []
        if isinstance(self.reading, TopTokens):
            top = self.reading.asked.top
            service["missing"] = f"an answer that is not among the top {top} tokens is as likely as the least of them"
            if self.tally.bounded:
                doubts.append(
                    f"For {self.tally.bounded:,} of {self.tally.answered:,} prompts an answer was not among the top "
                    f"{top} tokens of the service; it counts as likely as the least of them, which it is at most."
                )
        return {
            "model": self.endpoint.model,
            "question": f"{self.frame.before}{{text}}{self.frame.after}",
            "before": self.frame.before,
            "after": self.frame.after + self.frame.closing,
            "pieces": marked(self.pieces.text, self.pieces.spans),
            "answers": list(self.reading.answers),
            "value": self.reading.value,
            "removal": self.removal,
            "service": service,
            **({"warnings": doubts} if doubts else {}),
        }

    def estimate(self, budget: int) -> Estimate:
        """What so many ablations take at most: every prompt is counted as long as that of the whole text.

        Args:
          budget: the number of ablations.
        """
        one = self._estimate([self.frame.prompt(self.pieces.text)])
        most = min(budget, 2 ** min(self.num_features, 62))
        cost = None if one.cost is None else most * one.cost
        return Estimate(most, most * one.prompt_tokens, most * one.answer_tokens, cost)

    def _estimate(self, prompts: list[str]) -> Estimate:
        asked, system = self.reading.asked, self.endpoint.system or ""
        return estimate([system + prompt for prompt in prompts], asked.max_tokens * asked.samples, self.settings.price)

    def plan(self, masks: Masks, *, devices: int = 1, shrink: int = 1) -> Plan:
        """The distinct prompts; each answer is a batch, or a few that arrive together.

        Raises:
          ValueError: if their estimated cost, with what was spent before, exceeds `max_cost`; or if there are several
            processes, which would all ask.
        """
        if jax.process_count() > 1:
            raise ValueError("A service is asked by one process alone; leave jax.distributed out.")
        prompts = [self.frame.prompt(string) for string in self.pieces.strings(np.asarray(masks))]
        index = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        self.check_cost(self._estimate(list(index)))
        owner = np.array([index[prompt] for prompt in prompts], np.int64)
        return Plan(owner, len(index), _as_answered, None, self._batches(list(index)), compiled=False)

    def check_cost(self, estimated: Estimate) -> None:
        """Raises if asking would cost more than `max_cost`.

        Args:
          estimated: what is to come.

        Raises:
          ValueError: if so.
        """
        most, spent = self.settings.max_cost, self.tally.cost(self.settings.price)
        if most is not None and estimated.cost is not None and estimated.cost + spent > most:
            before = f" after {spent:.4g} that are spent" if spent else ""
            raise ValueError(
                f"{estimated}{before}: more than max_cost={most:.4g}; take a smaller budget or a larger max_cost."
            )

    def _batches(self, prompts: list[str]) -> Iterator[Batch]:
        """Starts asking when the first batch is wanted; the engine has stored a batch when it wants the next."""
        arrived: queue.SimpleQueue = queue.SimpleQueue()
        asking = Asking(self.endpoint, self.reading, self.settings, self.bucket, self.tally, arrived.put)
        running = start(asking.run(prompts))
        running.add_done_callback(arrived.put)
        errors: list[Exception] = []
        try:
            ended = False
            while not ended:
                some = [arrived.get()]
                while not arrived.empty():
                    some.append(arrived.get())
                ended = any(each is running for each in some)
                errors += [each for each in some if isinstance(each, Exception)]
                if found := [each for each in some if isinstance(each, Answered)]:
                    values = np.array([each.values if self.reading.several else each.values[0] for each in found])
                    yield Batch(np.array([each.slot for each in found]), values, len(found), len(found))
                    asking.stored(len(found))
            running.result()
        finally:
            running.cancel()
        if errors:
            raise self._summed_up(errors[0])

    def _summed_up(self, error: Exception) -> Exception:
        """An error of asking, with what was achieved; one of the judge's as it is."""
        if not isinstance(error, OSError | ValueError):
            return error
        kept = "with the same store, the next call goes on there" if self.tally.answered else "nothing is lost"
        return type(error)(f"{str(error).rstrip('.')}. So far {self.tally}; {kept}.")


def _as_answered(_: None, values: np.ndarray) -> np.ndarray:
    return values


def service(
    url: Any,
    model: str,
    text: str,
    *,
    question: str | None = None,
    answers: str | Sequence[str] | None = None,
    features: str | Sequence[tuple[int, int]] = "word",
    removal: str = "delete",
    replacement: str | None = None,
    value: str | None = None,
    system: str | None = None,
    answer_prefix: str = "",
    endpoint: str | None = None,
    samples: int | None = None,
    judge: Callable[[str], float] | None = None,
    top: int | None = None,
    max_tokens: int | None = None,
    temperature: float | None = None,
    body: Mapping[str, Any] | None = None,
    key_env: str | None = KEY,
    at_once: int = 32,
    rate: float | None = None,
    timeout: float = 60.0,
    tries: int = 6,
    price: Sequence[float] | None = None,
    max_cost: float | None = None,
    fingerprint: str | None = None,
) -> ServiceAblation:
    """The value function of a text for a model behind an OpenAI-compatible service; units are those of `text`.

    Answers are compared by the log-probabilities of first tokens, as far as they are among the service's top tokens; an
    answer that is not counts as likely as the least of these. Where a service gives no log-probabilities, take samples
    or a judge. The key comes from the environment and is kept nowhere.

    Args:
      url: of the service, such as "https://api.example.com/v1"; or an `httpx.AsyncClient` with this `base_url`.
      model: the model's name there.
      text: what is explained.
      question: as in `text`.
      answers: as in `text`; needed unless there is a judge.
      features: as in `text`, without "token".
      removal: as in `text`; one that gives strings, so not "hide".
      replacement: as in `text`.
      value: "logit-difference" (log-probability of the first answer less that of the second), "log-probability" or
        "log-odds" (of three and more answers, each within the set). With samples "share-difference" or "share".
      system: the system turn of a chat.
      answer_prefix: what follows the text, for "completions".
      endpoint: "chat" or "completions"; by default what the URL ends with, else "chat".
      samples: how many answers are drawn for each prompt; the value is the share of those that begin with an answer.
      judge: gives a number for the text of an answer; the value is its mean over the samples, 1 by default.
      top: how many top tokens to ask for; by default 20, or 5 of "completions".
      max_tokens: of an answer; by default 1, 16 for shares, 256 for a judge.
      temperature: by default 0, or 1 for several samples.
      body: further fields of every request, such as `{"seed": 0}`; None takes a field out.
      key_env: the environment variable that holds the key; services that need none get none.
      at_once: the most prompts that are asked and not yet stored.
      rate: the most asks per second.
      timeout: seconds for one ask.
      tries: how often a prompt is asked at most, where the service fails or limits; waits double from half a second to
        30 s, with jitter, and are as long as its Retry-After asks.
      price: of a million prompt tokens and a million answer tokens.
      max_cost: what may be spent, by `price`; nothing is asked if the estimate exceeds it.
      fingerprint: is added to the fingerprint; change it when the model behind the name changes. Of a judge that reads
        what cannot be identified, it identifies that.

    Raises:
      ImportError: if httpx is not installed.
      ValueError: if an option is unknown or does not fit the others, or the text cannot be cut so.

    Example:
      ablation = sx.ablations.service("https://api.example.com/v1", "small", review, answers=("Yes", "No"),
                                      question="Did the critic like the film? Answer Yes or No.")
      explanation = sx.explain(ablation, budget=256, key=key, store=sx.Store("values"))
      print(ablation.tally)
    """
    options = Options(question, answers, value, system, answer_prefix, samples, judge, top, max_tokens, temperature)
    where = endpoint_of(url, model, endpoint, system, body)
    reading = reading_of(where.kind, options, fingerprint)
    client = None if isinstance(url, str) else url
    settings = settings_of(client, key_env, at_once, rate, timeout, tries, price, max_cost)
    pieces = cut_string(text, features, removal, replacement, "service")
    frame = frame_of(where.kind, options)
    return ServiceAblation(where, frame, pieces, removal, reading, settings, Bucket(rate), fingerprint)

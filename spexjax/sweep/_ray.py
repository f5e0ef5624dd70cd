"""Batches as tasks of a Ray cluster that is running: Ray places them, repeats them and survives the loss of a node."""

import dataclasses
import logging
import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spexjax.evaluation import Store, StoreError
from spexjax.sweep._sweep import Batch, Sweep
from spexjax.sweep._work import Finished, Worker, failed, sentence


@dataclasses.dataclass(frozen=True)
class RayTasks:
    """How a sweep runs on Ray. The only thing that its workers share is the store.

    Attributes:
      num_cpus: what Ray reserves for a task.
      num_gpus: the same; a task sees these GPUs and no others.
      resources: others, such as {"TPU": 4}.
      retries: how often a task is begun again after its worker or node was lost.
      address: of the cluster; the one that RAY_ADDRESS names, or that runs here, by default.
      at_once: the most tasks that wait or run.

    Raises:
      ValueError: if one of them cannot be used.
    """

    num_cpus: float | int = 1
    num_gpus: float | int = 0
    resources: Mapping[str, float | int] = dataclasses.field(default_factory=dict)
    retries: int = 3
    address: str | None = None
    at_once: int = 256

    def __post_init__(self):
        for name, least in (("retries", 0), ("at_once", 1)):
            if type(given := getattr(self, name)) is not int or given < least:
                raise ValueError(f"`{name}` of Ray's tasks is a whole number from {least}; got {given!r}.")
        if not isinstance(self.resources, Mapping):
            raise ValueError(f"`resources` of Ray's tasks maps names to numbers; got {self.resources!r}.")
        for name, number in {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, **self.resources}.items():
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
                raise ValueError(f"`{name}` of Ray's tasks is a number, finite and not below 0; got {number!r}.")
        if not isinstance(self.address, str | None):
            raise ValueError(f"`address` of Ray's cluster is a string; got {self.address!r}.")

    def run(
        self, sweep: Sweep, blocks: Sequence[list[Batch]], location: Store | str | Path
    ) -> Iterator[tuple[Batch, list[Finished]]]:
        """Yields the explanations of each batch when they are there; those of one block come one after the other.

        Args:
          sweep: whose batches.
          blocks: what to make.
          location: of the store, which every worker must reach.

        Raises:
          ValueError: if the store has no location that workers could open, or there is no cluster.
          ImportError: if Ray is not installed.
        """
        if isinstance(location, Store):
            raise ValueError("`store`: workers of Ray open the store themselves; give its folder or URL.")
        place = str(location) if "://" in str(location) else str(Path(location).absolute())
        ray = self._connected()
        task = ray.remote(_task).options(
            num_cpus=self.num_cpus,
            num_gpus=self.num_gpus,
            resources={**self.resources} or None,
            max_retries=self.retries,
        )
        shared = ray.put((secrets.token_hex(8), sweep, place))
        return self._collected(ray, task, shared, [list(block) for block in blocks], sweep)

    def _connected(self) -> Any:
        try:
            import ray
        except ImportError as error:
            raise ImportError("The executor ray needs Ray: pip install 'spexjax[ray]'.") from error
        if not ray.is_initialized():
            try:
                ray.init(address=self.address or "auto", log_to_driver=False, logging_level=logging.ERROR)
            except ConnectionError as error:
                raise ValueError(
                    "`executor`: there is no Ray cluster; start one, or name it by RAY_ADDRESS."
                ) from error
        return ray

    def _collected(
        self, ray: Any, task: Any, shared: Any, blocks: list[list[Batch]], sweep: Sweep
    ) -> Iterator[tuple[Batch, list[Finished]]]:
        waiting, running = iter(blocks), dict[Any, list[Batch]]()

        def begin(block: list[Batch]) -> None:
            if block:
                running[task.remote(shared, block[0])] = block

        while True:
            while len(running) < self.at_once and (block := next(waiting, None)) is not None:
                begin(block)
            if not running:
                return
            ready, _ = ray.wait(list(running), num_returns=1)
            batch, *rest = running.pop(ready[0])
            try:
                finished = ray.get(ready[0])
            except ray.exceptions.RayError as error:  # a task that Ray could not bring to an end
                if isinstance(cause := getattr(error, "cause", None), StoreError):
                    raise cause from None
                finished = [failed(sweep, batch, each, sentence(error)) for each in batch.inputs]
            begin(rest)
            yield batch, finished


_WORKERS: dict[str, Worker] = {}  # of this process, by the name of the run; the last one only


def _task(shared: tuple[str, Sweep, str], batch: Batch) -> list[Finished]:
    """Explains a batch in a worker process, which keeps model and programs for the next one."""
    name, sweep, place = shared
    if name not in _WORKERS:
        _WORKERS.clear()
        _WORKERS[name] = Worker(sweep, Store(place))
    return _WORKERS[name](batch)

"""What a sweep will cost, from its designs and its store; nothing is evaluated."""

import dataclasses
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spexjax._numbers import counted
from spexjax._road import road
from spexjax.ablation import Ablation
from spexjax.evaluation import Store
from spexjax.sweep._folder import Folder
from spexjax.sweep._pending import check_share, check_sweep, pending
from spexjax.sweep._sweep import Batch, Sweep
from spexjax.sweep._work import Worker, how, key_of, sentence

_SHOWN = 3  # reasons of failures


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What is left of a sweep.

    Attributes:
      explanations: of the whole sweep.
      done: of these, rows that are in the folder.
      failed: of those, failures that are left alone unless `retry`.
      ablations: distinct masks that the others rest on, for each input; inputs that are the same may share some.
      stored: of these, values that the store has.
      failures: explanations that will fail before the first ablation.
      reasons: why, and how many of them.
      seconds_per_ablation: measured on the rows of the folder, or as it was given; NaN if there is neither.
      seconds_per_explanation: beside the ablations, measured on the rows of the folder; 0 if there is none.
      measured: whether the seconds are from rows of the folder.
      money: the price of what is left; NaN without a price.
    """

    explanations: int
    done: int
    failed: int
    ablations: int
    stored: int
    failures: int
    reasons: Mapping[str, int]
    seconds_per_ablation: float
    seconds_per_explanation: float
    measured: bool
    money: float

    @property
    def seconds(self) -> float:
        """The time for what is left; NaN if no time for an ablation is known."""
        left = self.explanations - self.done
        return (self.ablations - self.stored) * self.seconds_per_ablation + left * self.seconds_per_explanation

    def __str__(self) -> str:
        share = f" ({self.stored / self.ablations:.0%})" if self.ablations else ""
        failed = f", of which {self.failed:,} failed and are tried again by --retry" if self.failed else ""
        lines = [
            f"{counted(self.explanations, 'explanation')}, {self.done:,} of them done{failed}",
            f"{counted(self.ablations, 'ablation')} for the others, {self.stored:,}{share} in the store already",
        ]
        if self.failures:
            lines.append(f"{counted(self.failures, 'explanation')} will fail before the first ablation:")
            lines += [f"  {many:,} times: {why}" for why, many in list(self.reasons.items())[:_SHOWN]]
            lines += [f"  and {len(self.reasons) - _SHOWN} other reasons"] if len(self.reasons) > _SHOWN else []
        if math.isnan(self.seconds):
            lines.append("time unknown: nothing is measured yet; say how long an ablation takes")
        else:
            source = "measured on what is done" if self.measured else "as you said; fits and compilation not counted"
            lines.append(f"about {_span(self.seconds)}, at {self.seconds_per_ablation:.3g} s an ablation, {source}")
        if not math.isnan(self.money):
            lines.append(f"about {self.money:,.2f} in money")
        return "\n".join(lines)


def estimate(
    sweep: Sweep,
    folder: str | Path,
    *,
    store: Store | str | Path | None = None,
    share: tuple[int, int] = (0, 1),
    retry: bool = False,
    seconds_per_ablation: float | None = None,
    price_per_ablation: float = 0.0,
    price_per_hour: float = 0.0,
) -> Estimate:
    """Counts the ablations that a sweep still needs; draws designs and loads models, but evaluates nothing.

    Args:
      sweep: to be run.
      folder: of the sweep, which need not be there.
      store: as in `run`, like the next two.
      share: of which this is the estimate.
      retry: whether failures are tried again.
      seconds_per_ablation: what you assume; by default what the rows in the folder took, at the median.
      price_per_ablation: of a service.
      price_per_hour: of the machine.

    Raises:
      ValueError: if a number is negative or infinite, or `run` would refuse the folder or the share.
    """
    prices = {"price_per_ablation": price_per_ablation, "price_per_hour": price_per_hour}
    check_prices({**prices, "seconds_per_ablation": 0.0 if seconds_per_ablation is None else seconds_per_ablation})
    check_sweep(sweep, folder)
    check_share(share)
    place = Folder(folder)
    place.check_free(sweep.ids())
    location = place.path / "values" if store is None else store
    blocks = list(sweep.blocks())[share[0] :: share[1]]
    ids = {sweep.row_id(b.model, b.variant, each) for block in blocks for b in block for each in b.inputs}
    rows = [row for part in place.parts() for row in part]
    seconds, left = _measured(rows), pending(sweep, place, share, retry)
    needed = _needed(sweep, location if isinstance(location, Store) else Store(location), left)
    ablations, stored = sum(needed.masks), sum(needed.stored)
    each = seconds[0] if seconds_per_ablation is None else float(seconds_per_ablation)
    made = Estimate(
        explanations=len(ids),
        done=len(ids - needed.ids),
        failed=len({row["id"] for row in rows if row["error"]} & ids - needed.ids),
        ablations=ablations,
        stored=stored,
        failures=sum(needed.reasons.values()),
        reasons=dict(needed.reasons.most_common()),
        seconds_per_ablation=each,
        seconds_per_explanation=seconds[1],
        measured=seconds_per_ablation is None,
        money=math.nan,
    )
    if not (price_per_ablation or price_per_hour):
        return made
    by_time = made.seconds / 3600 * price_per_hour if price_per_hour else 0.0
    return dataclasses.replace(made, money=(ablations - stored) * price_per_ablation + by_time)


def _measured(rows: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """Median seconds of an ablation, and of an explanation beside its ablations, over the rows that are there."""
    rows = [row for row in rows if not row["error"]]
    paid = [row["seconds_evaluating"] / row["evaluations"] for row in rows if row["evaluations"]]
    beside = [row["seconds"] - row["seconds_evaluating"] for row in rows]
    return statistics.median(paid) if paid else math.nan, statistics.median(beside) if beside else 0.0


class _Needed:
    """What the explanations that are left rest on."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.masks: list[int] = []  # distinct ones, for each input
        self.stored: list[int] = []  # of these
        self.reasons = Counter[str]()


def _needed(sweep: Sweep, store: Store, blocks: Sequence[Sequence[Batch]]) -> _Needed:
    """Draws every design that is left, and looks its masks up in the store."""
    found, worker = _Needed(), Worker(sweep, store, check_spelling=False)
    for block in blocks:
        masks: dict[int, list[np.ndarray]] = {}  # by input, for those of one batch are evaluated side by side
        of: dict[int, Ablation] = {}
        for batch in block:
            of_row = {each.number: sweep.row_id(batch.model, batch.variant, each) for each in batch.inputs}
            for number, ablation in worker.left(batch).items():
                found.ids.add(of_row[number])
                drawn = ablation if isinstance(ablation, str) else _masks(sweep, batch, number, ablation)
                if isinstance(drawn, str) or isinstance(ablation, str):
                    found.reasons[f"{drawn}"] += 1
                    continue
                of[number] = ablation
                masks.setdefault(number, []).append(drawn)
        for number, some in masks.items():
            distinct = np.unique(np.concatenate(some), axis=0)
            shelf = store.shelf(of[number].fingerprint, of[number].num_features)
            found.masks.append(len(distinct))
            found.stored.append(int(np.isfinite(shelf.values(distinct)).sum()))
    return found


def _masks(sweep: Sweep, batch: Batch, number: int, ablation: Any) -> np.ndarray | str:
    """The masks of one explanation; a sentence if it would fail before they are evaluated."""
    shared: dict[str, Any] = {"mesh": None, "store": None, "progress": False}
    key, options = key_of(batch.variant, number), how(sweep, batch.variant) | {"relevances": False}  # a forward pass
    try:
        return np.asarray(next(road(ablation, key=key, **shared, **options)))
    except (ValueError, ImportError) as error:
        return sentence(error)


def check_prices(given: Mapping[str, Any]) -> None:
    """Raises ValueError unless all are numbers, 0 or more, and finite."""
    for name, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < math.inf:
            raise ValueError(f"`{name}` is a number, finite and not below 0; got {number!r}.")


def _span(seconds: float) -> str:
    """A time as people say it."""
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.1f} s"

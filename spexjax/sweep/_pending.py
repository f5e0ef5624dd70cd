"""What is left of a sweep: the batches whose rows are not there, or are still to be held against model and lens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from spexjax.evaluation import from_first_host
from spexjax.sweep._folder import Folder
from spexjax.sweep._sweep import Batch, Sweep
from spexjax.sweep._work import stamp

_LEFT_ALONE = -1.0  # a failure of which nothing else is known, and which is not tried again


def pending(sweep: Sweep, place: Folder, share: tuple[int, int], retry: bool = False) -> list[list[Batch]]:
    """The blocks of a share, the same on every host, without what is surely left alone.

    Args:
      sweep: to be run.
      place: its folder.
      share: (k, hosts).
      retry: whether failures are tried again.
    """
    blocks = list(sweep.blocks())[share[0] :: share[1]]
    done = place.done() if jax.process_index() == 0 else {}
    each_input = [(b, each) for block in blocks for b in block for each in b.inputs]
    rows = [done.get(sweep.row_id(b.model, b.variant, each)) for b, each in each_input]
    known = iter(from_first_host(*(_flag(row, retry) for row in rows)))
    left = [[_left(batch, [next(known) for _ in batch.inputs]) for batch in block] for block in blocks]
    return [[batch for batch in block if batch.inputs] for block in left]


def _flag(row: Mapping[str, Any] | None, retry: bool) -> float:
    """What `Batch.known` says of a row, or that it is left alone."""
    if row is None or (row["error"] and retry):
        return 0.0
    return stamp(row["basis"]) if row.get("basis") else _LEFT_ALONE


def _left(batch: Batch, known: list[float]) -> Batch:
    kept = [(each, flag) for each, flag in zip(batch.inputs, known, strict=True) if flag != _LEFT_ALONE]
    return batch._replace(inputs=tuple(each for each, _ in kept), known=tuple(flag for _, flag in kept))


def check_sweep(sweep: Any, folder: Any) -> None:
    """Raises ValueError unless these are a `Sweep` and the name of a folder."""
    if not isinstance(sweep, Sweep):
        raise ValueError(f"`sweep` is an sx.sweep.Sweep; got {type(sweep).__name__}.")
    name = f"{folder}"
    if not isinstance(folder, str | Path) or not name or "\0" in name or any("\ud800" <= c <= "\udfff" for c in name):
        raise ValueError(f"`folder` is the name of a folder; got {folder!r}.")


def check_share(share: Any) -> None:
    """Raises ValueError unless it is (k, hosts) with 0 <= k < hosts."""
    whole = isinstance(share, Sequence) and len(share) == 2 and all(type(number) is int for number in share)
    if not (whole and 0 <= share[0] < share[1]):
        raise ValueError(f"`share` is (k, hosts), whole numbers with 0 <= k < hosts; got {share!r}.")

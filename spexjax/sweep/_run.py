"""Runs a sweep: what is done already is left alone, what fails is a row, what is killed goes on where it was."""

import contextlib
import dataclasses
import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from spexjax._durable import write_durably
from spexjax.evaluation import Store
from spexjax.sweep._folder import Folder, arrow
from spexjax.sweep._live import live_table
from spexjax.sweep._pending import check_share, check_sweep, pending
from spexjax.sweep._picture import draw
from spexjax.sweep._ray import RayTasks
from spexjax.sweep._summary import GROUP_BY, Group, summarise
from spexjax.sweep._sweep import Batch, Sweep
from spexjax.sweep._work import Finished, Worker


@dataclasses.dataclass(frozen=True)
class Swept:
    """What a sweep has come to.

    Attributes:
      folder: of the sweep.
      explanations: how many rows there are, failures included.
      failures: how many of them failed.
      complete: whether every row is there. Rows of other shares are not held against model and lens.
      groups: the summary.
      first_failure: why the first of them failed.
    """

    folder: Path
    explanations: int
    failures: int
    complete: bool
    groups: tuple[Group, ...]
    first_failure: str = ""


def run(
    sweep: Sweep,
    folder: str | Path,
    *,
    store: Store | str | Path | None = None,
    executor: str | RayTasks = "local",
    share: tuple[int, int] = (0, 1),
    mesh: Mesh | None = None,
    retry: bool = False,
    progress: bool | None = None,
) -> Swept:
    """Makes the explanations of a sweep that are not in its folder yet, and then its table, summary and picture.

    Whatever ends the process, even kill -9, the same call goes on: rows are there batch by batch, values of ablations
    earlier still, in the store. A failure is a row with its sentence, and is left alone unless `retry`. A sweep that
    has grown by a budget, a method or further inputs makes only what is new. A row that rests on another model or lens
    than those of today is made again.

    With several hosts under `jax.distributed`, call this on each: they evaluate together, and the first one writes.
    Without it, `share=(k, hosts)` gives every host blocks of its own, into one folder that all of them see.

    Args:
      sweep: what to explain, and how.
      folder: gets table.parquet, summary.json, curves.png, parts/ and explanations/; made if it is not there.
      store: where values are kept; by default in the folder's values/.
      executor: "local"; "ray" for the cluster that is running; or `RayTasks`, which says what a task needs.
      share: this process makes the blocks k, k + hosts, k + 2 hosts, ...
      mesh: devices, as in `explain`.
      retry: try again what failed.
      progress: show a live table; None does so only on a terminal and in a notebook, and elsewhere True writes lines.

    Returns:
      The summary.

    Warns:
      UserWarning: if another sweep was begun in the folder meanwhile.

    Raises:
      ValueError: before anything is spent, if an argument cannot be used, or the folder holds a sweep that shares no
        row with this one.
      ImportError: before anything is spent, if pyarrow is missing, or Ray for "ray".
      OSError: if the folder or the store cannot be read or written; the same call goes on once that is mended.
    """
    arrow()
    check_sweep(sweep, folder)
    _check(executor, share, mesh)
    place, first, ids = Folder(folder), jax.process_index() == 0, sweep.ids()
    location = place.path / "values" if store is None else store
    if first:
        place.check_free(ids)
        place.begin(ids, _grid(sweep))
    blocks = pending(sweep, place, share, retry)
    total = sum(len(batch.inputs) for block in blocks for batch in block)
    with live_table(total, len(sweep), progress if first else False) as show:
        for batch, finished in _made(sweep, blocks, executor, location, mesh):
            if first:
                if finished:
                    place.add(finished, (batch.variant.index, sweep.max_order))
                show([row for row, _ in finished], len(batch.inputs) - len(finished))
    return _ended(sweep, place, ids) if first else Swept(place.path, 0, 0, True, ())


def _check(executor: Any, share: Any, mesh: Any) -> None:
    if not (executor in ("local", "ray") or isinstance(executor, RayTasks)):
        raise ValueError(f"`executor` is local, ray or RayTasks(...); got {executor!r}.")
    check_share(share)
    if share[1] > 1 and jax.process_count() > 1:
        raise ValueError("`share` is for hosts that run on their own; under jax.distributed they evaluate together.")
    if executor != "local" and (mesh is not None or jax.process_count() > 1):
        raise ValueError("`executor`: tasks of Ray choose their own devices; leave mesh and jax.distributed out.")


def _made(
    sweep: Sweep, blocks: Sequence[list[Batch]], executor: str | RayTasks, location: Any, mesh: Mesh | None
) -> Iterator[tuple[Batch, list[Finished]]]:
    if executor == "local":
        worker = Worker(sweep, location if isinstance(location, Store) else Store(location), mesh)
        return ((batch, worker(batch)) for block in blocks for batch in block)
    tasks = executor if isinstance(executor, RayTasks) else RayTasks()
    return tasks.run(sweep, [block for block in blocks if block], location)


def _grid(sweep: Sweep) -> dict[str, Any]:
    """What the manifest says of the sweep."""
    names = {"models": list(sweep.models or ()), "methods": list(sweep.methods), "asked": {**sweep.asked}}
    numbers = {"budgets": list(sweep.budgets), "seeds": list(sweep.seeds), "max_order": sweep.max_order}
    return {**names, **numbers, "indices": list(sweep.indices), "inputs": len(tuple(sweep.inputs))}


def _ended(sweep: Sweep, place: Folder, ids: Sequence[str]) -> Swept:
    """Reads all rows, and writes the table, the summary and the picture."""
    if place.manifest()["ids"] != ids:
        warnings.warn(
            f"Another sweep was begun in {place.path} meanwhile. Its rows are kept, but the table is this one's; give "
            "each a folder of its own.",
            stacklevel=3,
        )
        place.begin(ids, _grid(sweep))
    place.tidy()
    rows, before = place.rows(), -1
    while len(rows) > before:  # other shares may have ended meanwhile, and written less than is there now
        groups, before = summarise(rows, GROUP_BY), len(rows)
        place.write_table(rows)
        write_durably(place.path / "summary.json", json.dumps([_plain(group) for group in groups], indent=1))
        with contextlib.suppress(ImportError):
            if find_spec("matplotlib"):
                draw(groups, place.path / "curves.png")
        rows = place.rows()
    failures = [row["error"] for row in rows if row["error"]]
    return Swept(place.path, len(rows), len(failures), len(rows) == len(ids), tuple(groups), next(iter(failures), ""))


def _plain(group: Group) -> dict[str, Any]:
    """A group as JSON values; what is not known is null."""
    numbers: Iterable[tuple[str, Any]] = ((n, v) for n, v in group._asdict().items() if n != "key")
    return {**group.key, **{name: None if value != value else value for name, value in numbers}}

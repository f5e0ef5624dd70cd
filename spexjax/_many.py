"""`explain_many` and `fit_many`: several explanations at once, in order."""

import contextlib
import dataclasses
import queue
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax import Device
from jax.sharding import Mesh
from numpy.typing import ArrayLike

from spexjax._compilation_cache import keep_programs
from spexjax._inputs import check_key, checked_values, named
from spexjax._priors import known_of
from spexjax._random import split_key
from spexjax._road import explained, travel
from spexjax._status import phase, seconds_of
from spexjax.ablation import Ablation
from spexjax.evaluation import Store, progress_bar
from spexjax.explanation import Explanation
from spexjax.methods import Design, Method
from spexjax.proxies import Proxy
from spexjax.typing import Key


def explain_many(
    ablations: Sequence[Ablation],
    *,
    key: Key,
    budget: int | None = None,
    target_faithfulness: float | None = None,
    max_budget: int | None = None,
    method: str | Method | Proxy = "auto",
    index: str | None = None,
    keep: float | str | None = None,
    like: Explanation | Iterable[Explanation] = (),
    gradient: bool | str = "auto",
    relevances: bool | str | ArrayLike = "auto",
    mesh: Mesh | None = None,
    store: Store | None = None,
    progress: bool | None = None,
) -> list[Explanation]:
    """Explains several value functions; the ablations of texts that ask one model share batches and programs.

    Explanation i is that of `explain(ablations[i], key=jax.random.split(key, k)[i], ...)`, except that a model rounds
    differently in batches that hold other prompts, too. Ablations share batches if their `batch_group` is the same: for
    texts, if model, value and the number of answer tokens are. `provenance["seconds"]` divides what batches cost.

    All inputs are checked before the first ablation. A `store` keeps every value: after an interruption, the same call
    evaluates only what is missing.

    Args:
      ablations: k value functions.
      key: PRNG key, consumed.
      budget: ablations to spend on each, as in `explain`, like all that follow.
      target_faithfulness: the held-out R2 that each is to reach.
      max_budget: the most ablations to spend on each.
      method: a name, a `Method` or a `Proxy`.
      index: the interaction index you will ask for.
      keep: the probability of keeping a feature, or "auto", which finds one for each.
      like: explanations of other inputs with the same features.
      gradient: whether to take gradients as prior means.
      relevances: how much each feature is expected to matter, or whether to take what each ablation knows of it.
      mesh: devices.
      store: where values are looked up and kept.
      progress: show progress bars, one for all ablations and one for all fits.

    Returns:
      k explanations, in order.

    Raises:
      ValueError: as `explain`; the message names the ablation, counted from 0.
      ImportError: as `explain`.
    """
    check_key(key)
    if isinstance(ablations, Ablation):
        raise ValueError("explain_many takes a list of ablations; use explain for one.")
    ablations = list(ablations)
    return travel(
        ablations,
        split_key(key, len(ablations)),
        mesh=mesh,
        store=store,
        progress=progress,
        budget=budget,
        target_faithfulness=target_faithfulness,
        max_budget=max_budget,
        method=method,
        index=index,
        keep=keep,
        like=list(like) if isinstance(like, Iterable) else like,
        prior=None,
        gradient=gradient,
        relevances=relevances,
    )


def fit_many(
    masks: ArrayLike | Sequence[ArrayLike],
    values: ArrayLike | Sequence[ArrayLike],
    *,
    method: str | Method | Proxy = "auto",
    key: Key,
    feature_names: Sequence[str] | Sequence[Sequence[str] | None] | None = None,
    covalues: ArrayLike | Sequence[ArrayLike | None] | None = None,
    structure: str | None = "auto",
    like: Explanation | Iterable[Explanation] = (),
    mesh: Mesh | None = None,
    progress: bool | None = None,
) -> list[Explanation]:
    """Explains several games from masks and values alone, on every device one after another by the same programs.

    Explanation i is that of `fit(masks[i], values[i], key=jax.random.split(key, g)[i], ...)`. Games may differ in m and
    n; those of about the same size share their programs. On a GPU or TPU the kernels of a game are trained side by
    side, and each device takes the next game when it is free.

    Args:
      masks: `[m, n]` of each game, True or 1 = kept: a list, an array `[g, m, n]`, or `[m, n]` for all games.
      values: `[m]` of each game: a list, or an array `[g, m]`.
      method: as in `fit`.
      key: PRNG key, consumed.
      feature_names: n names for all games, or a list of names for each.
      covalues: `[m, c]` of each game, as in `fit`: a list, which may hold None, or an array `[g, m, c]`.
      structure: of all games, as in `fit`.
      like: as in `fit`.
      mesh: the devices that take games; all of this host by default.
      progress: show a progress bar; None shows it only on a terminal.

    Returns:
      g explanations, in order.

    Raises:
      ValueError: as `fit`, before the first fit where it can be; the message names the game, counted from 0.
      ImportError: as `fit`.
    """
    keep_programs()
    check_key(key)
    of_masks, of_values = _listed(masks, "masks"), _listed(values, "values")
    count = len(of_values)
    if len(of_masks) > 0 and np.ndim(of_masks[0]) == 1:
        of_masks = [of_masks] * count
    of_names: Any = None if feature_names is None else list(feature_names)
    if of_names is None or not any(name is None or np.ndim(name) for name in of_names):
        of_names = [of_names] * count
    of_covalues = [None] * count if covalues is None else _listed(covalues, "co-values")
    for what, some in (("masks", of_masks), ("feature names", of_names), ("co-values", of_covalues)):
        if len(some) != count:
            raise ValueError(f"There are values of {count} games, but {what} of {len(some)}.")
    if not isinstance(mesh, Mesh | None):
        raise ValueError("`mesh` takes a mesh of devices: sx.evaluation.mesh().")
    like = list(like) if isinstance(like, Iterable) else [like]
    games = []
    for i, of_game in enumerate(zip(of_masks, of_values, of_names, of_covalues, strict=True)):
        with named(f"Game {i}"):
            game = checked_values(*of_game, structure)
            games.append((*game, known_of(method, like, None, game[0].shape[1]).method))
    keys = split_key(key, count)

    def explain_game(i: int) -> Explanation:
        some, known, names, chosen = games[i]
        with named(f"Game {i}"):
            design = Design("given", some, np.arange(len(some)))
            with phase("fit", False) as fitting:
                explanation = explained(chosen, design, known, keys[i], names)
        return dataclasses.replace(explanation, provenance={"seconds": seconds_of(fitting)})

    with progress_bar(progress, "fits", "games") as report:
        return _on_devices(explain_game, count, _local_devices(mesh), lambda: report(1, count))


def _listed(several: Any, what: str) -> Any:
    """Masks or values of several games, as something that has a length."""
    if isinstance(several, np.ndarray | jax.Array) and several.ndim:
        return several
    if isinstance(several, Iterable) and not isinstance(several, Mapping | str | np.ndarray | jax.Array):
        return list(several)
    raise ValueError(f"fit_many takes the {what} of several games: a list or an array; use fit for one.")


def _local_devices(mesh: Mesh | None) -> list[Device] | list[None]:
    """Those of the mesh, or all of this host; on a CPU, which every program uses whole, JAX's default one."""
    if mesh is not None:
        return list(mesh.local_devices)
    return [None] if jax.default_backend() == "cpu" else jax.local_devices()


def _on_devices(
    function: Callable[[int], Any], count: int, devices: Sequence[Device | None], done: Callable[[], None]
) -> list:
    """`function(0), function(1), ...`, each on the device that is free first.

    Args:
      function: its programs run on JAX's default device.
      count: how often it is called.
      devices: of this process.
      done: called after each.
    """
    free: queue.SimpleQueue[Device | None] = queue.SimpleQueue()
    for device in devices:
        free.put(device)

    def on_one(i: int) -> Any:
        device = free.get()
        try:
            with jax.default_device(device) if device is not None else contextlib.nullcontext():
                return function(i)
        finally:
            free.put(device)

    found = []
    with ThreadPoolExecutor(len(devices)) as pool:
        each = map(on_one, range(count)) if len(devices) == 1 else pool.map(on_one, range(count))
        try:
            for one in each:
                found.append(one)
                done()
        except BaseException:  # nothing that has not begun is begun
            pool.shutdown(cancel_futures=True)
            raise
    return found

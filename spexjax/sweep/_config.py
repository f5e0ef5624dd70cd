"""A sweep as a YAML file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spexjax.sweep._estimate import check_prices
from spexjax.sweep._inputs import from_source
from spexjax.sweep._ray import RayTasks
from spexjax.sweep._sweep import Sweep

_GRID = ("models", "methods", "budgets", "seeds", "indices", "max_order", "batch")
_PRICE = ("seconds_per_ablation", "price_per_ablation", "price_per_hour")
_RAY = ("num_cpus", "num_gpus", "resources", "retries", "address", "at_once")
_KNOWN = ("inputs", "text", *_GRID, "folder", "store", "executor", "ray", "estimate")


class Config(NamedTuple):
    """What a configuration says."""

    sweep: Sweep
    folder: Path
    store: str | Path | None
    executor: str | RayTasks
    prices: Mapping[str, float]  # options of `estimate`


def read_config(path: str | Path) -> Config:
    """Reads a sweep from a YAML file; names of files in it are relative to it.

    Its fields are `inputs` (file and column, dataset, split and column, or texts; and limit), `text` (options of
    `ablations.text`), those of `Sweep`, `folder`, `store`, `executor` (local or ray), `ray` (fields of `RayTasks`) and
    `estimate` (options of `estimate`).

    Args:
      path: of the file.

    Raises:
      ValueError: in one sentence that names the field, if something cannot be used.
      ImportError: if pyyaml is not installed, or a data set is named and `datasets` is not.
      OSError: if there is no such file.
    """
    try:
        import yaml
    except ImportError as error:
        raise ImportError("A configuration needs pyyaml: pip install 'spexjax[sweep]'.") from error
    path = Path(path)
    try:
        given = yaml.load(path.read_text(encoding="utf-8-sig"), _loader(yaml))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(given, dict):
        raise ValueError(f"{path} is no mapping of fields; the fields are {', '.join(_KNOWN)}.")
    return _read(given, path.parent)


def _read(given: Mapping[str, Any], beside: Path) -> Config:
    _check_fields(given, _KNOWN, "")
    for name in ("inputs", "budgets", "folder"):
        if name not in given:
            raise ValueError(f"`{name}` is missing.")
    for name in ("folder", "store"):
        if name in given and not (isinstance(given[name], str) and given[name].strip()):
            raise ValueError(f"`{name}` is the name of a folder; got {given[name]!r}.")
    named_parts = ("inputs", "text", "ray", "estimate")
    parts = {name: {} if given.get(name) is None else given[name] for name in named_parts}
    for name, part in parts.items():
        if not isinstance(part, dict):
            raise ValueError(f"`{name}` is a mapping; got {part!r}.")
    _check_fields(parts["ray"], _RAY, "ray.")
    _check_fields(parts["estimate"], _PRICE, "estimate.")
    check_prices({f"estimate.{name}": number for name, number in parts["estimate"].items()})
    executor: str | RayTasks = given.get("executor", "local")
    if executor not in ("local", "ray"):
        raise ValueError(f"`executor` is local or ray; got {executor!r}.")
    if executor == "ray":
        executor = RayTasks(**parts["ray"])
    elif parts["ray"]:
        raise ValueError("`ray` says what tasks of Ray need; add `executor: ray`, or leave it out.")
    store = given.get("store")
    if store is not None and "://" not in store:
        store = beside / store
    models = _placed(_names("models", given.get("models")), beside)
    grid = {name: given[name] for name in _GRID if name in given} | ({} if models is None else {"models": models})
    for name in ("methods", "indices"):
        if name in grid:
            grid[name] = _names(name, grid[name])
    sweep = Sweep(from_source(parts["inputs"], beside), asked=parts["text"], **grid)
    return Config(sweep, beside / given["folder"], store, executor, parts["estimate"])


def _loader(yaml: Any) -> Any:
    """A safe loader that refuses a field that is given twice; YAML would let the last one count."""

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value]
            for i, (key, _) in enumerate(node.value):
                if key.value in names[:i]:
                    raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is given twice", key.start_mark)
            return super().construct_mapping(node, deep)

    return Loader


def _names(field: str, given: Any) -> Any:
    """A name, or a list of names."""
    if given is None or isinstance(given, str):
        return given
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise ValueError(f"`{field}` is a list of names; got {given!r}.")
    return given


def _placed(models: Any, beside: Path) -> Any:
    """Models by name, with the paths of those that lie beside the configuration; the argument itself if none does."""
    some = [models] if isinstance(models, str) else models or []
    there = {name: str(beside / name) for name in some if os.path.exists(beside / name)}  # False, too, for no path
    return {name: there.get(name, name) for name in some} if there and len({*some}) == len(some) else models


def _check_fields(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f"`{where}{unknown[0]}` is not a field; the fields are {', '.join(known)}.")

"""The inputs of a sweep: texts of a file or a data set, ablations, or whatever a lens turns into ablations."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spexjax._inputs import named
from spexjax._lines import read_lines
from spexjax._printable import one_line
from spexjax.ablation import UNNAMED, Ablation, checked_ablation

_SHOWN = 80  # characters of an input in the table
_FIELDS = {"file": ["column"], "dataset": ["name", "split", "column"], "texts": []}  # of each kind of source


class Input(NamedTuple):
    """One input, and what tells it from others after a restart."""

    number: int  # its place among the inputs, from 0
    given: Any  # an ablation, the options of `ablations.text`, or what the lens takes
    digest: str
    text: str  # what the table shows


def listed(inputs: Iterable[Any], has_lens: bool) -> tuple[Input, ...]:
    """All inputs; an iterator is read to its end.

    Args:
      inputs: ablations, texts, mappings of the options of `ablations.text`, or anything that JSON holds for a lens.
      has_lens: whether a lens makes ablations of them.

    Raises:
      ValueError: if there is none, or one cannot be used; it is named by its number.
    """
    if isinstance(inputs, str | Mapping | Ablation) or not isinstance(inputs, Iterable):
        raise ValueError("`inputs` takes several inputs: a list, or a generator.")
    inputs = inputs.tolist() if hasattr(inputs, "tolist") else inputs
    found = tuple(_input(number, given, has_lens) for number, given in enumerate(inputs))
    if not found:
        raise ValueError("`inputs` is empty; there is nothing to explain.")
    if len({isinstance(each.given, Ablation) for each in found}) > 1:
        raise ValueError("`inputs` mixes ablations with other inputs; give them to two sweeps.")
    return found


def _input(number: int, given: Any, has_lens: bool) -> Input:
    if isinstance(given, Ablation) and not has_lens:
        with named(f"Input {number} of `inputs`"):
            checked_ablation(given)
        if given.fingerprint.startswith(UNNAMED):
            raise ValueError(
                f"Input {number} of `inputs` has no fingerprint, so that no restart would know it; give one."
            )
        return Input(number, given, _digest(given.fingerprint), one_line(" ".join(given.feature_names), _SHOWN))
    if isinstance(given, str) and not has_lens:
        given = {"text": given}
    if not has_lens and not (isinstance(given, Mapping) and isinstance(given.get("text"), str)):
        raise ValueError(f"Input {number} of `inputs` must be a text, a mapping with a text, or an ablation.")
    try:
        digest = _digest(json.dumps(given, sort_keys=True))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"Input {number} of `inputs` must be of JSON values, so that a restart knows it.") from error
    shown = given.get("text", digest) if isinstance(given, Mapping) else str(given)
    return Input(number, given, digest, one_line(str(shown), _SHOWN))


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def from_source(source: Mapping[str, Any], folder: Path) -> list[Mapping[str, Any]]:
    """The inputs that the `inputs` of a configuration name.

    Args:
      source: {"file": ..., "column": ...}, {"dataset": ..., "split": ..., "column": ...} or {"texts": [...]}, each with
        "limit", the most inputs, if wanted.
      folder: that file names are relative to.

    Raises:
      ValueError: if it names none of them, or something that is not there.
      ImportError: if a data set is named and `datasets` is not installed.
    """
    known = {*_FIELDS, "name", "split", "column", "limit"}
    if unknown := sorted(map(str, source.keys() - known)):
        raise ValueError(f"`inputs` has no field {unknown[0]!r}; its fields are {', '.join(sorted(known))}.")
    if len(source.keys() & _FIELDS.keys()) != 1:
        raise ValueError("`inputs` takes one of file, dataset and texts.")
    (kind,) = source.keys() & _FIELDS.keys()
    if idle := sorted(source.keys() - {kind, "limit", *_FIELDS[kind]}):
        raise ValueError(f"`inputs.{idle[0]}` says nothing of {kind}; leave it out.")
    limit = source.get("limit")
    if limit is not None and (type(limit) is not int or limit < 1):
        raise ValueError(f"`inputs.limit` is the most inputs, a whole number from 1; got {limit!r}.")
    if "file" in source:
        found = _from_file(folder / str(source["file"]), source.get("column"))
    elif "dataset" in source:
        found = _from_dataset(source)
    else:
        found = source["texts"]
        if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
            raise ValueError("`inputs.texts` is a list of texts.")
        found = [{"text": text} for text in found]
    return found[:limit]


def _from_file(path: Path, column: str | None) -> list[Mapping[str, Any]]:
    try:
        content = path.read_text("utf-8-sig")
    except OSError as error:
        raise ValueError(f"`inputs.file` names {path}, which cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"`inputs.file` names {path}, which is not UTF-8; convert it first.") from error
    if path.suffix.lower() == ".csv" and column is None:
        raise ValueError(f"`inputs.column` is missing: the column of the texts of {path}.")
    return [line.options for line in read_lines(content, str(path), column)]


def _from_dataset(source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    try:
        import datasets
    except ImportError as error:
        raise ImportError("Data sets need the package datasets: pip install 'spexjax[sweep]' datasets.") from error
    name, split, column = str(source["dataset"]), source.get("split", "train"), source.get("column", "text")
    try:
        here = Path(name)
        loaded = datasets.load_from_disk(name) if here.is_dir() else datasets.load_dataset(name, source.get("name"))
        rows = loaded[split] if isinstance(loaded, dict) else loaded
    except Exception as error:
        said = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ValueError(f"`inputs.dataset` names {name}, which cannot be loaded ({said}).") from error
    if column not in rows.column_names:
        raise ValueError(f"`inputs.column` is {column!r}; the columns of {name} are {', '.join(rows.column_names)}.")
    return [{"text": text} for text in rows[column]]

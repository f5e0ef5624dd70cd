"""The folder of a sweep: a small file of rows for each finished batch, explanations beside them, a table in the end."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

from spexjax._durable import write_durably
from spexjax._numbers import counted
from spexjax.sweep._work import NOTHING, Finished

_TEXTS = ("id", "text", "model", "method", "index")
_NUMBERS = ("input", "budget", "seed")
COLUMNS: Mapping[str, type] = {
    **dict.fromkeys(_TEXTS[:1], str),
    "input": int,
    **dict.fromkeys(_TEXTS[1:4], str),
    **dict.fromkeys(_NUMBERS[1:], int),
    "index": str,
    **{name: type(value) for name, value in NOTHING.items()},
}


class _Part(NamedTuple):
    """The rows of a batch as they were read."""

    file: Path
    rows: list[dict[str, Any]]
    tables: str  # of its indices
    indexed: bool  # whether they are whole


class Folder:
    """Rows that outlive a kill: a part is written in one step, and one that is damaged counts as not there.

    Beside its columns a row says what it rests on (`basis`) and how long its explanation's file is (`bytes`).
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._parts_of: dict[str, set[Path]] | None = None  # of each row, orphaned indices included; found when wanted

    def explanation(self, row_id: str) -> Path:
        """The folder of one explanation: explanation.json and perhaps explanation.html."""
        return self.path / "explanations" / row_id

    def add(self, finished: Sequence[Finished], indices: tuple[str, int]) -> None:
        """Writes explanations, their indices and then their rows, which say that all this is there.

        Earlier rows of the same ids are taken out before, so that a kill in between leaves none.

        Args:
          finished: of one batch.
          indices: the index that is written, and its order.

        Raises:
          OSError: if the disk is full, say.
        """
        self._take_out({row["id"] for row, _ in finished})
        rows, tables = [], []
        for row, explanation in finished:
            if explanation is not None:
                size = explanation.save(self.explanation(row["id"])).stat().st_size
                table = explanation.interactions(*indices).to_json()
                tables.append(f'{{"id": "{row["id"]}", "table": {table}}}\n')
            rows.append(row if explanation is None else {**row, "bytes": size})
        self._write(self.path / "parts" / f"{_hash(''.join(row['id'] for row in rows))}.jsonl", rows, tables)

    def parts(self) -> Iterator[list[dict[str, Any]]]:
        """The rows of every part that is whole."""
        return (part.rows for part in self._parts())

    def done(self) -> dict[str, dict[str, Any]]:
        """The rows whose explanations and indices are there, too, by their ids; and those that failed."""
        return {
            row["id"]: row
            for part in self._parts()
            for row in part.rows
            if row["error"] or (part.indexed and self._saved(row))
        }

    def tidy(self) -> None:
        """Leaves one of several rows of an id, as two runs at once may have made, in a part that is whole."""
        for one, files in self._places().items():
            for file in sorted(files, key=self._is_damaged)[1:]:
                self._without(file, {one})

    def _is_damaged(self, file: Path) -> bool:
        part = self._part(file)
        return part is None or not part.indexed

    def begin(self, ids: Sequence[str], grid: Mapping[str, Any]) -> None:
        """Says which rows make the table, in its order.

        Args:
          ids: of the rows.
          grid: what else the manifest says of the sweep.
        """
        write_durably(self.path / "sweep.json", json.dumps({"format": 1, "grid": grid, "ids": ids}))

    def check_free(self, ids: Sequence[str]) -> None:
        """Raises ValueError if the folder holds a sweep that shares no row with this one, or one of a later spexjax.

        One that only failed, as where a name was misspelt, may be given up.
        """
        there = self._manifest()
        if there and there["ids"] and not {*there["ids"]} & {*ids} and not self._only_failures():
            raise ValueError(
                f"{self.path} holds another sweep, of {counted(len(there['ids']), 'explanation')}, none of which this "
                "one makes: name another folder, or ask for both in one sweep. Inputs are known by "
                "their places, so put new ones last."
            )

    def _only_failures(self) -> bool:
        rows = [row for rows in self.parts() for row in rows]
        return bool(rows) and all(row["error"] for row in rows)

    def manifest(self) -> dict[str, Any]:
        """What `begin` has said.

        Raises:
          ValueError: if there is no sweep here, or one of a later spexjax.
        """
        if (found := self._manifest()) is None:
            raise ValueError(f"There is no sweep in {self.path}.")
        return found

    def rows(self) -> list[dict[str, Any]]:
        """The rows so far, in the order of the table; of two of one id, the one that did not fail."""
        found: dict[str, dict[str, Any]] = {}
        for rows in self.parts():
            for row in rows:
                if row["id"] not in found or found[row["id"]]["error"]:
                    found[row["id"]] = row
        return [found[one] for one in self.manifest()["ids"] if one in found]

    def write_table(self, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Writes table.parquet.

        Args:
          rows: of the table.

        Raises:
          ImportError: if pyarrow is not installed.
        """
        pa, parquet = arrow()
        kinds = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
        columns = {
            name: pa.array([row[name] for row in rows], kinds[kind], from_pandas=False)
            for name, kind in COLUMNS.items()
        }
        sink = pa.BufferOutputStream()
        parquet.write_table(pa.table(columns), sink)
        return write_durably(self.path / "table.parquet", sink.getvalue().to_pybytes())

    def _manifest(self) -> dict[str, Any] | None:
        """What `begin` has said; None if it has not, or the file is damaged."""
        try:
            record = json.loads((self.path / "sweep.json").read_text(encoding="utf-8"))
            known = record["format"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if known != 1:
            raise ValueError(f"The sweep in {self.path} is of a later spexjax; update it, or name another folder.")
        ids = record.get("ids")
        sound = (
            isinstance(ids, list) and all(isinstance(one, str) for one in ids) and isinstance(record.get("grid"), dict)
        )
        return record if sound else None

    def _parts(self) -> Iterator["_Part"]:
        """Every part that is whole."""
        return (part for part in map(self._part, self._files("parts")) if part is not None)

    def _part(self, file: Path) -> "_Part | None":
        checksums, _, lines = _read(file).partition("\n")
        of_rows, _, of_tables = checksums.partition(" ")
        if of_rows != _hash(lines):
            return None
        tables = _read(self._beside(file))
        return _Part(file, [json.loads(line) for line in lines.splitlines()], tables, of_tables == _hash(tables))

    def _write(self, file: Path, rows: Sequence[Mapping[str, Any]], tables: Iterable[str]) -> None:
        """Writes a part after the indices beside it."""
        text, lines = "".join(tables), "".join(json.dumps(row) + "\n" for row in rows)
        write_durably(self._beside(file), text)
        write_durably(file, f"{_hash(lines)} {_hash(text)}\n{lines}")
        if self._parts_of is not None:
            for one in _ids(rows):
                self._parts_of.setdefault(one, set()).add(file)

    def _take_out(self, ids: set[str]) -> None:
        """Takes rows and their indices out of the parts that hold them."""
        if self._parts_of is None:
            self._parts_of = self._places()
        touched = set[Path]().union(*(self._parts_of.pop(one) for one in ids & self._parts_of.keys()))
        for file in sorted(touched):
            self._without(file, ids)

    def _places(self) -> dict[str, set[Path]]:
        """The parts that hold each row, and those that hold its indices without being whole."""
        found: dict[str, set[Path]] = {}
        for file in sorted({*self._files("parts"), *self._files("indices")}):
            part = self._part(file)
            for one in map(_id_of, _read(self._beside(file)).splitlines()) if part is None else _ids(part.rows):
                found.setdefault(one, set()).add(file)
        return found

    def _files(self, folder: str) -> list[Path]:
        """The parts, by their own files or by those of their indices."""
        return [self.path / "parts" / file.name for file in sorted((self.path / folder).glob("*.jsonl"))]

    def _without(self, file: Path, ids: Set[str]) -> None:
        """Takes rows out of a part; one that is not whole goes as a whole, because it is made again anyway."""
        part = self._part(file)
        rows = [] if part is None else [row for row in part.rows if row["id"] not in ids]
        if part is not None and rows and part.indexed:
            tables = part.tables.splitlines(keepends=True)
            self._write(file, rows, [line for line in tables if _id_of(line) not in ids])
        else:  # the indices first: without them a part does not count
            self._beside(file).unlink(missing_ok=True)
            file.unlink(missing_ok=True)

    def _beside(self, part: Path) -> Path:
        """The file of the indices of a part."""
        return self.path / "indices" / part.name

    def _saved(self, row: Mapping[str, Any]) -> bool:
        """Whether the explanation of a row is there, and as long as it was."""
        with contextlib.suppress(OSError):
            return (self.explanation(row["id"]) / "explanation.json").stat().st_size == row["bytes"]
        return False


def arrow() -> tuple[Any, Any]:
    """pyarrow and its parquet.

    Raises:
      ImportError: if pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("The table of a sweep needs pyarrow: pip install 'spexjax[sweep]'.") from error
    return pyarrow, pyarrow.parquet


def _ids(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    return [row["id"] for row in rows]


def _id_of(line: str) -> str:
    """Of the indices of one explanation; empty if the line is torn."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        return str(json.loads(line)["id"])
    return ""


def _read(file: Path) -> str:
    """The content of a file; none if it is not there or damaged."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

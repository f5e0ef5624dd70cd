"""The folder of a sweep: a small file of rows for each finished batch, explanations beside them, a table in the end."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        self._part_of: dict[str, Path] | None = None  # of each row; found when first wanted

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

    def begin(self, ids: Sequence[str], grid: Mapping[str, Any]) -> None:
        """Says which rows make the table, in its order.

        Args:
          ids: of the rows.
          grid: what else the manifest says of the sweep.
        """
        write_durably(self.path / "sweep.json", json.dumps({"format": 1, "grid": grid, "ids": ids}))

    def check_free(self, ids: Sequence[str]) -> None:
        """Raises ValueError if the folder holds a sweep that shares no row with this one, or one of a later spexjax."""
        there = self._manifest()
        if there and there["ids"] and not {*there["ids"]} & {*ids}:
            raise ValueError(
                f"{self.path} holds another sweep, of {counted(len(there['ids']), 'explanation')}, none of which this "
                "one makes: name another folder, or ask for both in one sweep."
            )

    def manifest(self) -> dict[str, Any]:
        """What `begin` has said.

        Raises:
          ValueError: if there is no sweep here, or one of a later spexjax.
        """
        if (found := self._manifest()) is None:
            raise ValueError(f"There is no sweep in {self.path}.")
        return found

    def rows(self, ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """The rows so far, in the order of the table; of two of one id, the one that did not fail.

        Args:
          ids: of the rows; by default those of the manifest.
        """
        wanted = self.manifest()["ids"] if ids is None else ids
        found: dict[str, dict[str, Any]] = {}
        for rows in self.parts():
            for row in rows:
                if row["id"] not in found or found[row["id"]]["error"]:
                    found[row["id"]] = row
        return [found[one] for one in wanted if one in found]

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
        sound = isinstance(record.get("ids"), list) and isinstance(record.get("grid"), dict)
        return record if sound else None

    def _parts(self) -> Iterator["_Part"]:
        """Every part that is whole."""
        files = sorted((self.path / "parts").glob("*.jsonl"))
        return (part for part in map(self._part, files) if part is not None)

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
        if self._part_of is not None:
            self._part_of |= {row["id"]: file for row in rows}

    def _take_out(self, ids: set[str]) -> None:
        """Takes rows and their indices out of the parts that hold them."""
        if self._part_of is None:
            self._part_of = {row["id"]: part.file for part in self._parts() for row in part.rows}
        touched = {self._part_of.pop(one) for one in ids & self._part_of.keys()}
        for part in filter(None, map(self._part, sorted(touched))):
            rows = [row for row in part.rows if row["id"] not in ids]
            if rows and part.indexed:  # else they are made again anyway
                tables = part.tables.splitlines(keepends=True)
                self._write(part.file, rows, [line for line in tables if json.loads(line)["id"] not in ids])
            else:
                part.file.unlink()
                self._beside(part.file).unlink(missing_ok=True)

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


def _read(file: Path) -> str:
    """The content of a file; none if it is not there or damaged."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

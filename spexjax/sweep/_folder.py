"""The folder of a sweep: a small file of rows for each finished batch, explanations beside them, a table in the end."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spexjax._durable import write_durably
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


class Folder:
    """Rows that outlive a kill: a part is written in one step, and one that is damaged counts as not there."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def explanation(self, row_id: str) -> Path:
        """The folder of one explanation: explanation.json and perhaps explanation.html."""
        return self.path / "explanations" / row_id

    def add(self, finished: Sequence[Finished], indices: tuple[str, int]) -> None:
        """Writes explanations, their indices and then their rows, which say that all this is there.

        Args:
          finished: of one batch.
          indices: the index that is written, and its order.

        Raises:
          OSError: if the disk is full, say.
        """
        tables = []
        for row, explanation in finished:
            if explanation is not None:
                explanation.save(self.explanation(row["id"]))
                table = explanation.interactions(*indices).to_json()
                tables.append(f'{{"id": "{row["id"]}", "table": {table}}}\n')
        lines = "".join(json.dumps(row) + "\n" for row, _ in finished)
        name = _hash("".join(row["id"] for row, _ in finished))
        write_durably(self.path / "indices" / f"{name}.jsonl", "".join(tables))
        write_durably(self.path / "parts" / f"{name}.jsonl", f"{_hash(lines)}\n{lines}")

    def parts(self) -> Iterator[list[dict[str, Any]]]:
        """The rows of every part that is whole."""
        for file in sorted((self.path / "parts").glob("*.jsonl")):
            with contextlib.suppress(ValueError, OSError):
                checksum, _, lines = file.read_text(encoding="utf-8").partition("\n")
                if checksum == _hash(lines):
                    yield [json.loads(line) for line in lines.splitlines()]

    def done(self, *, retry: bool = False) -> set[str]:
        """The ids of all rows that are there.

        Args:
          retry: leave those out that failed.
        """
        return {row["id"] for rows in self.parts() for row in rows if not (retry and row["error"])}

    def begin(self, ids: Iterable[str], grid: Mapping[str, Any]) -> None:
        """Says which rows make the table, in its order."""
        record = {"format": 1, "grid": grid, "ids": list(ids)}
        write_durably(self.path / "sweep.json", json.dumps(record))

    def manifest(self) -> dict[str, Any]:
        """What `begin` has said.

        Raises:
          ValueError: if there is no sweep here.
        """
        try:
            record = json.loads((self.path / "sweep.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ValueError(f"There is no sweep in {self.path}.") from error
        if not isinstance(record, dict) or record.get("format") != 1:
            raise ValueError(f"The sweep in {self.path} is of a later spexjax.")
        return record

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


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

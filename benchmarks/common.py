"""What the benchmarks share: games, training and test masks, and result files that several runs may add to."""

import dataclasses
import fcntl
import json
import os
import platform
import shlex
import sys
import time
import zlib
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
RESULTS_FOLDER = Path(os.environ.get("SPEXJAX_RESULTS") or HERE / "results")
HELD_OUT_FOLDER = HERE / "games" / "held_out"
FOLDERS = (HERE.parent / "tests" / "games", HERE / "games", HELD_OUT_FOLDER)
HELD_OUT = frozenset(path.stem for path in HELD_OUT_FOLDER.glob("*.npz"))  # no method was developed on these
NUM_TEST = 1024
PACKAGES = ("jax", "lightgbm", "spectralexplain", "scikit-learn", "shapiq", "xgboost")


@dataclasses.dataclass(frozen=True, eq=False)
class Game:
    """Measured values of a value function; all 2^n of them if the game is exact."""

    name: str
    masks: np.ndarray
    values: np.ndarray

    @property
    def exact(self) -> bool:
        return self.name.startswith("exact_")

    @property
    def num_features(self) -> int:
        return self.masks.shape[1]

    @property
    def data(self) -> str:
        """A checksum, by which rows of results know the game they were measured on."""
        return f"{zlib.crc32(self.values.tobytes(), zlib.crc32(np.packbits(self.masks).tobytes())):08x}"

    def split(self, m: int, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows to train on and the rows to test on.

        Exact games: m random masks, tested on all others. Other games: the last 1,024 rows are for testing; draw 0
        trains on the first m rows, other draws on m random ones of the rest. Larger m contain smaller ones.
        """
        size = len(self.values)
        pool = size if self.exact else size - NUM_TEST
        order = np.arange(pool) if draw == 0 and not self.exact else np.random.default_rng(draw).permutation(pool)
        return order[:m], order[m:] if self.exact else np.arange(pool, size)

    def budgets(self, sizes: tuple[int, ...]) -> list[int]:
        """The sizes that leave enough masks for testing."""
        return [m for m in sizes if m <= len(self.values) - NUM_TEST]


def games(names: list[str] | None = None, prefix: str = "") -> list[Game]:
    """The games there are, smallest test set first; only those named, if names are given."""
    paths = {path.stem: path for folder in FOLDERS for path in sorted(folder.glob(f"{prefix}*.npz"))}
    unknown = set(names or ()) - set(paths)
    if unknown:
        raise SystemExit(f"No such games: {', '.join(sorted(unknown))}; there are {', '.join(paths)}.")
    found = []
    for name in names or paths:
        with np.load(paths[name]) as data:
            masks = np.unpackbits(data["masks"], axis=1, count=int(data["n"])).astype(bool)
            found.append(Game(name, masks, data["values"].astype(np.float32)))
    return sorted(found, key=lambda game: game.exact)


class Results:
    """Rows in a JSON file, one a key; each is written as soon as it is there, and other runs may add theirs.

    Rows of a game that has been measured anew since do not count.
    """

    def __init__(self, path: Path, keys: tuple[str, ...]):
        self.path, self.keys = path, keys

    def rows(self, games: list[Game]) -> list[dict]:
        """The rows of those games as they are now."""
        data = {game.name: game.data for game in games}
        return [row for row in self._read()["rows"] if row.get("data") == data.get(row["game"], "")]

    def has(self, game: Game, *key) -> bool:
        return any(self._key(row) == (game.name, *key) for row in self.rows([game]))

    def put(self, game: Game, row: dict) -> None:
        """Adds a row in place of an earlier one with its key."""
        row = row | {"game": game.name, "data": game.data}
        with self._locked():
            record = self._read()
            rows = [r for r in record["rows"] if self._key(r) != self._key(row)] + [row]
            packages = record["versions"] | versions()
            lines = ",\n".join("  " + json.dumps(r, default=_plain) for r in sorted(rows, key=self._key))
            commands = sorted({*record.get("commands", []), command()})
            about = {"versions": packages, "machine": machine(), "commands": commands}
            head = "".join(f" {json.dumps(name)}: {json.dumps(value)},\n" for name, value in about.items())
            text = f'{{\n{head} "rows": [\n{lines}\n ]\n}}\n'
            write_whole(self.path, text)

    def _read(self) -> dict:
        return json.loads(self.path.read_text()) if self.path.is_file() else {"versions": {}, "rows": []}

    def _key(self, row: dict) -> tuple:
        return tuple(row[k] for k in self.keys)

    @contextmanager
    def _locked(self):
        self.path.parent.mkdir(exist_ok=True)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def write_whole(path: Path, text: str) -> None:
    """Writes a file, of which a kill leaves the old or the new one."""
    draft = path.with_suffix(".tmp")
    draft.write_text(text)
    draft.replace(path)


def machine() -> str:
    """The processor and how many of its cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    return f"{len(os.sched_getaffinity(0))} cores of {model}"


def command() -> str:
    """How this script was called."""
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])


class Stopwatch:
    """Seconds since it was made: `seconds` passed, `cpu_seconds` used by all threads of this process.

    The latter are what a busy machine does not change.
    """

    def __init__(self):
        self.start, self.cpu_start = time.perf_counter(), time.process_time()

    def cpu(self) -> float:
        return time.process_time() - self.cpu_start

    def read(self) -> dict[str, float]:
        return {"seconds": round(time.perf_counter() - self.start, 3), "cpu_seconds": round(self.cpu(), 3)}


def _plain(x):
    return x.tolist() if hasattr(x, "tolist") else str(x)


def versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found

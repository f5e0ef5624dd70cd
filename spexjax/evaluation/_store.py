"""The store: a content-addressed, append-only record of the values of ablations, on a disk or in a bucket."""

import contextlib
import hashlib
import math
import os
import re
import stat
import warnings
from pathlib import Path

import numpy as np
import tensorstore as ts
from jaxtyping import Bool, Float, Float16, Float64

from spexjax.ablation import UNNAMED
from spexjax.evaluation._packs import LARGEST, LEAST, Group, each_row, grouped, is_pack, joined, pack, unpack
from spexjax.evaluation._record import (
    COUNT,
    COVALUE,
    HEADER,
    WITH_COVALUES,
    LaterFormatError,
    UnusableError,
    encode,
    name_of,
    sound,
)
from spexjax.spectrum import checked_masks

_READS = 256  # records read at once, which bounds the memory
_LARGE = 1 << 20  # bytes; the header of a larger file is checked before the file is read
_PROBE = hashlib.shake_256(b"spexjax").digest(8192)  # incompressible, so that writing it takes space
_WRITABLE = "writable"  # a file of _PROBE and the name of the folder, which older versions left out
_RECORD = re.compile("[0-9a-f]{40}")
_FAILURES = (ValueError, NotImplementedError)  # TensorStore raises these for any failure


class StoreError(OSError):
    """A store cannot be read or written."""


class Store:
    """Values of ablations that outlive the process: a second method, a larger budget or a resumed run reuses them.

    Each value function has a folder, with one record per batch of values. A record is written once, atomically, and is
    named by the hash of its bytes. So a batch is stored entirely or not at all, processes can write at the same time
    without coordination, and damage is detected. Nothing is ever changed or deleted.

    Two records may hold slightly different values for one mask, such as the same sum computed on two devices. Every
    process that reads both uses the record whose name sorts first.

    Example:
      >>> shelf = Store("memory://").shelf("game", num_features=3)
      >>> masks = np.array([[True, False, True], [False, False, True]])
      >>> shelf.add(masks[:1], np.float32([2.5]))
      >>> shelf.values(masks)
      array([2.5, nan])
    """

    def __init__(self, location: str | Path):
        """Sets the location; nothing is read or written yet.

        Args:
          location: a folder, which is created when the first batch is written; or the URL of a TensorStore key-value
            store, such as "gs://bucket/path" or "s3://bucket/path". The contents of "memory://" last as long as this
            object.

        Raises:
          ValueError: if TensorStore does not know the URL, or can only read from it.
        """
        url = str(location) if "://" in str(location) else None
        if url and re.match("https?:", url, re.IGNORECASE):
            raise ValueError(
                f"A store must be writable, and {url!r} can only be read; give a folder or a URL such as "
                "gs://bucket/path or s3://bucket/path."
            )
        try:
            if location == "":
                raise ValueError("it is empty")
            spec = url or {"driver": "file", "path": f"{Path(location).expanduser().absolute()}/"}
            self._kv = ts.KvStore.open(spec).result()
        except (ValueError, RuntimeError, TypeError) as error:  # no such home; no UTF-8; no path
            raise ValueError(
                f"A store is a folder or a URL such as gs://bucket/path; {str(location)!r} cannot be opened: {error}"
            ) from error

    def __repr__(self) -> str:
        return f"Store({self._kv.url!r})"

    def shelf(self, fingerprint: str, num_features: int, num_values: int | None = None) -> "Shelf":
        """Opens the shelf of one value function, and reads all its values.

        Args:
          fingerprint: identifies the value function, as `Ablation.fingerprint` does; any string.
          num_features: n.
          num_values: t, for a function of t values; None for a function of a single value.

        Warns:
          UserWarning: if records are ignored because they are damaged, for another n or t, or not regular files. Also
            if no other process can have the same fingerprint, so that the values will never be found again.

        Raises:
          OSError: if the store cannot be read.
          ValueError: if a record has a later format.
        """
        if fingerprint.startswith(UNNAMED) and not self._kv.url.startswith("memory:"):
            warnings.warn(
                "This ablation has no name, so after a restart its values in the store will not be found again: give "
                "fingerprint=... (or name=... for training_data), and change it whenever the function changes.",
                stacklevel=2,
            )
        return Shelf(self._kv / f"{_folder(fingerprint)}/", num_features, num_values)


class Shelf:
    """The values of one value function: those stored when the shelf was opened, and those added since.

    `len` counts the distinct masks whose values are known. Values that other processes add later are not seen. A mask
    takes n / 8 bytes of memory plus about 200.
    """

    def __init__(self, kv: ts.KvStore, num_features: int, num_values: int | None):
        self._kv, self._num_features = kv, num_features
        self._shape = () if num_values is None else (num_values,)
        self._disk = _folder_on_disk(kv)
        self._fresh: list[tuple[str, bytes]] = []  # records that are in no pack yet
        self._owner = Path(kv.path).name.encode()
        groups: list[Group] = []
        ignored: list[str] = []
        try:
            owner = kv.read(_WRITABLE).result().value[len(_PROBE) :]
            names, packs = self._names()
            there = set(names)
            for pack_name in packs:
                content = b"" if self._fault(pack_name, check=False) else kv.read(pack_name).result().value
                groups += unpack(pack_name, content, there, num_features, self._shape)
            loose = sorted(there.difference(name.hex() for group in groups for name in each_row(group.names)))
            for start in range(0, len(loose), _READS):
                groups += self._read(loose[start : start + _READS], ignored, len(loose) >= LEAST)
        except LaterFormatError as error:
            raise ValueError(f"{error} Read {kv.url} with that version, or choose another store.") from None
        except (*_FAILURES, OSError) as error:
            raise StoreError(f"The store {kv.url} cannot be read: {_reason(error)}.") from error
        if owner not in (b"", self._owner):
            raise StoreError(
                f"The folder {kv.url} was renamed or copied, and holds the values of another function: call it "
                f"{owner.decode(errors='replace')} again, or delete it."
            )
        self._known, self._others = joined(groups, self._shape)  # packed mask -> value, co-values
        if ignored:
            some = ", ".join(ignored[:5]) + (", ..." if len(ignored) > 5 else "")
            warnings.warn(
                f"{len(ignored)} of {len(names)} records in {kv.url} are ignored, and their masks will be evaluated "
                f"again unless other records hold them: {some}.",
                stacklevel=3,
            )

    def _read(self, names: list[str], ignored: list[str], many: bool) -> list[Group]:
        """What the files of records hold; those that cannot be used are added to `ignored`."""
        faults = {name: self._fault(name) for name in names}
        reads = {name: self._kv.read(name) for name, fault in faults.items() if fault is None}
        records = {name: read.result().value for name, read in reads.items()}
        whole = [name for name, record in records.items() if name_of(record) == name]
        keys = np.frombuffer(bytes.fromhex("".join(whole)), np.uint8).reshape(len(whole), 20)
        groups = grouped(keys, [records[name] for name in whole], self._num_features, self._shape)
        used = {key.hex() for group in groups for key in each_row(group.names)}
        for name, fault in faults.items():
            try:
                if fault is not None:
                    raise UnusableError(fault)
                if name not in used:
                    sound(name, records[name], self._num_features, self._shape)  # says why
                elif many:
                    self._pack_later(name, records[name])
            except UnusableError as error:
                ignored.append(f"{name} {error}")
        return groups

    def _pack_later(self, name: str, record: bytes) -> None:
        """Remembers a small record, and writes a pack once there are enough; without packs nothing is lost but time."""
        if len(record) <= LARGEST:
            self._fresh.append((name, record))
        if len(self._fresh) >= LEAST:
            fresh, self._fresh = self._fresh, []
            with contextlib.suppress(*_FAILURES, OSError):
                self._kv.write(*pack(fresh)).result()

    def __len__(self) -> int:
        return len(self._known)

    def values(self, masks: Bool[np.ndarray, "m n"]) -> Float64[np.ndarray, "m *t"]:
        """The value at each mask, NaN where it is unknown.

        Raises:
          ValueError: if the masks do not have n features.
        """
        found = np.full((len(masks), *self._shape), np.nan)
        for i, row in enumerate(self._pack(masks)):
            found[i] = self._known.get(row.tobytes(), np.nan)
        return found

    def covalues(self, masks: Bool[np.ndarray, "m n"]) -> Float16[np.ndarray, "m c"]:
        """The co-values at each mask, NaN where they are unknown; `[m, 0]` if no mask has any.

        Raises:
          ValueError: if the masks do not have n features.
        """
        rows = [self._others.get(row.tobytes()) for row in self._pack(masks)]
        count = max((len(row) for row in rows if row is not None), default=0)
        found = np.full((len(masks), count), np.nan, COVALUE)
        for i, row in enumerate(rows):
            if row is not None and len(row) == count:
                found[i] = row
        return found

    def check_writable(self) -> None:
        """Writes 8 kB and the folder's name to a file "writable", before anything is evaluated.

        This detects a store that cannot be written. The name tells, when the shelf is next opened, whether its folder
        was renamed or copied.

        Raises:
          OSError: if the store cannot be written, for example because the disk is full.
        """
        self._write(
            _WRITABLE, _PROBE + self._owner, "The store cannot be written", "Mend the cause, or choose another place."
        )

    def add(
        self,
        masks: Bool[np.ndarray, "m n"],
        values: Float[np.ndarray, "m *t"],
        covalues: Float16[np.ndarray, "m c"] | None = None,
    ) -> None:
        """Writes one batch as one record, and returns when it is durable.

        If the value of a mask is known already, this shelf keeps the known value.

        Args:
          masks: bool `[m, n]`.
          values: `[m]`, or `[m, t]`.
          covalues: `[m, c]`, if there are some; those that are not finite count as unknown.

        Raises:
          ValueError: if the masks do not have n features, or values are missing or not finite; nothing is written.
          OSError: if the batch cannot be written, for example because the disk is full. Earlier batches are kept.
        """
        packed = self._pack(masks)
        if values.shape != (len(masks), *self._shape) or not np.isfinite(values).all():
            wanted = f"{self._shape[0]} finite values" if self._shape else "one finite value"
            raise ValueError(
                f"A store takes {wanted} per mask; got {np.isfinite(values).sum()} finite values in shape "
                f"{values.shape} for {len(masks)} masks."
            )
        if not len(masks):
            return
        record = encode(packed, self._num_features, values, covalues)
        self._write(
            name_of(record),
            record,
            f"A batch of {len(masks)} values cannot be written",
            "All values before it are kept. Mend the cause, then call again with the same store to resume there.",
        )
        self._keep(packed, values, covalues)
        self._pack_later(name_of(record), record)

    def _write(self, name: str, content: bytes, complaint: str, remedy: str) -> None:
        try:
            self._kv.write(name, content).result()
        except _FAILURES as error:
            raise StoreError(f"{complaint} to {self._kv.url}: {_reason(error)}. {remedy}") from error

    def _names(self) -> tuple[list[str], list[str]]:
        """The names of all records, and of anything else that is named like one; and those of packs."""
        try:
            found = os.listdir(self._disk) if self._disk else [os.fsdecode(n) for n in self._kv.list().result()]
        except FileNotFoundError:
            return [], []
        packs = [name for name in found if name.startswith("pack-") and is_pack(name)]
        return list(filter(_RECORD.fullmatch, found)), packs

    def _fault(self, name: str, check: bool = True) -> str | None:
        """Why a file on the disk that is named like a record must not be opened or is too large to read; else None."""
        if self._disk is None:
            return None
        try:
            status = os.stat(self._disk / name)
            if not stat.S_ISREG(status.st_mode):
                return "is a folder" if stat.S_ISDIR(status.st_mode) else "is not a file"
            if status.st_size < _LARGE or not check:
                return None
            with (self._disk / name).open("rb") as file:
                _, version, n, m = HEADER.unpack(file.read(HEADER.size))
                (count,) = COUNT.unpack(file.read(COUNT.size)) if version > WITH_COVALUES else (0,)
        except OSError as error:
            return f"cannot be opened ({error.strerror})"
        most = HEADER.size + COUNT.size + m * (-(-n // 8) + 8 * math.prod(self._shape) + COVALUE.itemsize * count)
        return "is damaged" if status.st_size > most else None

    def _pack(self, masks: np.ndarray) -> np.ndarray:
        return np.packbits(checked_masks(masks, self._num_features), axis=1)

    def _keep(self, packed: np.ndarray, values: np.ndarray, covalues: np.ndarray | None = None) -> None:
        for row, value in zip(packed, np.array(values) if self._shape else values.tolist(), strict=True):
            self._known.setdefault(row.tobytes(), value)
        if covalues is not None:
            for row, others in zip(packed, np.array(covalues), strict=True):
                if np.isfinite(others).all():
                    self._others.setdefault(row.tobytes(), others)


def _folder_on_disk(kv: ts.KvStore) -> Path | None:
    spec = kv.spec().to_json()
    return Path(spec["path"]) if spec["driver"] == "file" else None


def _reason(error: Exception) -> str:
    """The message of TensorStore or the system, without source locations and without paths, which may be garbled."""
    return re.sub(r' *\[[^]]*\]|: "[^"]*"', "", str(error)).strip()


def _folder(fingerprint: str) -> str:
    """A folder name that is unique to the string: short and lower case, so that any disk can hold it."""
    if re.fullmatch("[a-z0-9_-]{1,128}", fingerprint):
        return fingerprint
    return "%" + name_of(fingerprint.encode("utf-8", "surrogatepass"))

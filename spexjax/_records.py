"""Converts frozen objects to JSON and back, field by field. Arrays are kept bit for bit; reading runs no code."""

import base64
import collections.abc
import dataclasses
import json
import math
import numbers
import types
import typing
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint32", "uint64", "float16", "float32", "float64")
_MAX_AXES = 32


class Records:
    """Turns objects of a few known types, dataclasses or named tuples, into records and back.

    A record holds the fields by name, so that a type may gain fields that have a default. Fields may hold numbers,
    strings, arrays of `DTYPES`, tuples of these, other objects of the known types, or None; one that is declared a
    Mapping holds plain JSON values. NaN and infinities are kept, except in a Mapping, where they become None.

    Example:
      >>> Point = typing.NamedTuple("Point", [("x", float), ("y", float)])
      >>> points = Records(Point)
      >>> points.to_record(Point(1.5, float("inf")))
      {'type': 'Point', 'x': 1.5, 'y': {'float': 'inf'}, 'arrays': []}
      >>> points.from_record({"type": "Point", "x": 1.5, "y": {"float": "inf"}, "arrays": []})
      Point(x=1.5, y=inf)
    """

    def __init__(self, *known: type):
        self._known = {cls.__name__: cls for cls in known}

    def to_record(self, value: Any) -> dict[str, Any]:
        """The object as JSON values, with the contents of its arrays, each once, under "arrays".

        Raises:
          ValueError: if it holds something that a record cannot.
        """
        arrays: dict[tuple, int] = {}
        record = self._write(value, arrays, type(value).__name__)
        keys = ("dtype", "shape", "jax", "base64")
        return record | {"arrays": [dict(zip(keys, array, strict=True)) | {"shape": [*array[1]]} for array in arrays]}

    def from_record(self, record: Mapping[str, Any]) -> Any:
        """The object of a record.

        Raises:
          ValueError: if the record is malformed; a field that is unknown here is named.
        """
        arrays = [_read_array(entry) for entry in _list(record.get("arrays"), "arrays")]
        try:
            return self._read({k: v for k, v in record.items() if k != "arrays"}, arrays)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None

    def _write(self, value: Any, arrays: dict[tuple, int], where: str) -> Any:
        if isinstance(value, jax.Array | np.ndarray | np.generic) and not isinstance(value, np.str_):
            return {"array": arrays.setdefault(_written_array(value, where), len(arrays))}
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": repr(value)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if type(value).__name__ in self._known:
            record = {"type": type(value).__name__}
            for name, hint, _ in _fields(type(value)):
                entry, place = getattr(value, name), f"{where}.{name}"
                record[name] = plain(entry, place) if _is_mapping(hint) else self._write(entry, arrays, place)
            return record
        if isinstance(value, tuple | list):
            return [self._write(entry, arrays, f"{where}[{i}]") for i, entry in enumerate(value)]
        raise ValueError(f"{where} is a {type(value).__name__}, which no record can hold")

    def _read(self, node: Any, arrays: list) -> Any:
        if isinstance(node, list):
            return tuple(self._read(entry, arrays) for entry in node)
        if not isinstance(node, dict):
            return node
        if node.keys() == {"float"} and node["float"] in ("nan", "inf", "-inf"):
            return float(node["float"])
        if node.keys() == {"array"}:
            if not (type(node["array"]) is int and 0 <= node["array"] < len(arrays)):
                raise ValueError("it names an array that is not there")
            return arrays[node["array"]]
        name = node.get("type")
        if not (isinstance(name, str) and name in self._known):
            raise ValueError(f"it holds a record of the unknown type {str(name)[:40]!r}")
        return self._object(self._known[name], node, arrays)

    def _object(self, cls: type, node: dict, arrays: list) -> Any:
        expected = _fields(cls)
        if unknown := sorted(node.keys() - {"type"} - {name for name, _, _ in expected}):
            raise ValueError(
                f"{cls.__name__} has no field {', '.join(repr(u[:40]) for u in unknown[:5])} in this version of spexjax"
            )
        values = {}
        for name, hint, required in expected:
            if name in node:
                values[name] = node[name] if _is_mapping(hint) else self._read(node[name], arrays)
                if not _fits(values[name], hint):
                    kind = type(values[name]).__name__
                    raise ValueError(f"{name} of {cls.__name__} is a {kind} that does not fit there")
            elif required:
                raise ValueError(f"{cls.__name__} lacks the field {name!r}")
        return cls(**values)


def checksum(record: Mapping[str, Any]) -> str:
    """A hash of JSON values that depends neither on the order of keys nor on white space."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=20).hexdigest()


def plain(value: Any, where: str) -> Any:
    """Converts a value to plain JSON: arrays of numpy and JAX become lists, NaN and the infinities None.

    Args:
      value: a number, a string, an array, None, or a list or mapping of these.
      where: what to call the value in the error.

    Raises:
      ValueError: if the value is something else.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(entry, f"{where}[{key!r}]") for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry, f"{where}[{i}]") for i, entry in enumerate(value)]
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return plain(value.tolist(), where)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{where} is a {type(value).__name__}; it must be a number, a string, a list or a mapping of them")


def check_notes(notes: Any, what: str) -> None:
    """Checks notes that an explanation will keep.

    Args:
      notes: what a lens, a design or a fit says of itself.
      what: what to call them in the error.

    Raises:
      ValueError: if they are not a mapping of plain JSON values.
    """
    if not isinstance(notes, Mapping):
        raise ValueError(f"{what} must be a dict of plain values, which may be empty; got {type(notes).__name__}.")
    plain(notes, what)


def strict_bytes(text: Any) -> bytes:
    """Decodes base64 text.

    Raises:
      ValueError: unless encoding the bytes gives the same text.
    """
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("it holds base64 with spare bits")
    return data


def _fields(cls: type[Any]) -> list[tuple[str, Any, bool]]:
    """The name and type of each field, and whether it is required."""
    hints = typing.get_type_hints(cls)
    if dataclasses.is_dataclass(cls):
        none = dataclasses.MISSING
        return [
            (f.name, hints[f.name], f.default is none and f.default_factory is none)
            for f in dataclasses.fields(cls)
            if f.init
        ]
    return [(name, hints[name], name not in cls._field_defaults) for name in cls._fields]


def _is_mapping(hint: Any) -> bool:
    return typing.get_origin(hint) is collections.abc.Mapping


def _fits(value: Any, hint: Any) -> bool:
    """Whether a field of this type may hold the value."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is tuple and arguments[1:] == (...,):
        return isinstance(value, tuple) and all(_fits(entry, arguments[0]) for entry in value)
    if hint is float:
        return isinstance(value, numbers.Real) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, numbers.Integral) and not isinstance(value, bool)
    checked = origin or hint
    return checked is Any or not isinstance(checked, type) or isinstance(value, checked)


def _written_array(value: Any, where: str) -> tuple:
    """The dtype, the shape, whether it is a JAX array, and the content in base64."""
    array = np.asarray(value)
    if array.dtype.name not in DTYPES:
        raise ValueError(f"{where} is an array of {array.dtype.name}, which no record can hold")
    if array.dtype == bool:
        data = np.packbits(array.ravel())
    else:
        data = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return array.dtype.name, array.shape, isinstance(value, jax.Array), base64.b64encode(data.tobytes()).decode()


def _read_array(entry: Any) -> np.ndarray | np.generic | jax.Array:
    if not isinstance(entry, dict) or entry.get("dtype") not in DTYPES:
        raise ValueError("it holds an array of an unknown type")
    shape, dtype, data = _list(entry.get("shape"), "a shape"), np.dtype(entry["dtype"]), entry.get("base64")
    if len(shape) > _MAX_AXES or not all(type(size) is int and 0 <= size < 1 << 62 for size in shape):
        raise ValueError("it holds an array of an impossible shape")
    count, data = math.prod(shape), strict_bytes(data)
    packed = dtype.kind == "b"
    if len(data) != (-(-count // 8) if packed else count * dtype.itemsize):
        raise ValueError(f"it holds {len(data)} bytes for an array of shape {tuple(shape)}")
    if packed:
        array = np.unpackbits(np.frombuffer(data, np.uint8), count=count).astype(bool)
    else:
        array = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype)
    array = array.reshape(shape)
    # JAX may not have the dtype under its current settings (float64, say); then the array stays one of numpy.
    return jnp.asarray(array) if entry.get("jax") and jax.dtypes.canonicalize_dtype(dtype) == dtype else array[()]


def _list(value: Any, what: str) -> list:
    if not isinstance(value, list):
        raise ValueError(f"it holds no list of {what}")
    return value

"""The file of an explanation: its record with a checksum, what must hold in it, and the formats before this one.

Format 3 is JSON: {"format": 3, "checksum": of all that follows, "summary": for other readers, the fields of
`Explanation`, "arrays": their contents}. Format 2 has no summary. docs/explanation.schema.json describes format 3.
"""

import json
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from spexjax._printable import printable
from spexjax._records import Records, checksum, strict_bytes
from spexjax.explanation._summary import summary
from spexjax.gp import Process, ProductKernel, Surrogate, neighbours
from spexjax.spectrum import Spectrum, mask_numbers

FORMAT = 3
_READ = (1, 2, FORMAT)
_LARGEST = 1 << 27  # entries of a support: a short list of sets could ask for more memory than there is
_MALFORMED = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError)


def encode(explanation: Any, *known: type) -> bytes:
    """The content of the file, which has been read back once.

    Args:
      explanation: an Explanation.
      known: its type, and that of its faithfulness.

    Raises:
      ValueError: if it cannot be saved; the sentence says which field is why.
    """
    try:
        record = _records(known).to_record(explanation)
        del record["type"]
        _explanation(json.loads(_written(record)), known)
        data = _written({"summary": summary(explanation), **record})
    except _MALFORMED as error:
        raise ValueError(f"This explanation cannot be saved: {_said(error)}.") from error
    return data


def _written(record: Mapping[str, Any]) -> bytes:
    whole = {"format": FORMAT, "checksum": checksum(record), **record}
    text = json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")  # a lone surrogate as JSON's \udXXX, which reads back


def decode(data: bytes, *known: type) -> Any:
    """The explanation in a file.

    Args:
      data: the content of the file.
      known: as in `encode`.

    Raises:
      ValueError: if that is no explanation, is damaged, or is of a later format.
    """
    try:
        whole = json.loads(data.decode("utf-8"))
        found = whole.get("format")
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is not an explanation that spexjax wrote: {_said(error)}") from error
    if type(found) is not int or found not in _READ:
        raise ValueError(f"it has format {printable(repr(found)[:40])}; this spexjax reads formats 1 to {FORMAT}")
    try:
        return _explanation(whole, known)
    except _MALFORMED as error:
        raise ValueError(f"it is damaged, or not an explanation that spexjax wrote: {_said(error)}") from error


def _explanation(whole: Mapping[str, Any], known: tuple[type, ...]) -> Any:
    if whole["format"] == 1:
        explanation = _of_format_1(whole, *known)
    else:
        record = {k: v for k, v in whole.items() if k not in ("format", "checksum")}
        if whole["checksum"] != checksum(record):
            raise ValueError("its content does not match its checksum")
        record.pop("summary", None)
        if "details" in record:  # as versions before 0.2 called it
            record["diagnostics"] = record.pop("details")
        record["faithfulness"] = _present(record)
        explanation = _records(known).from_record({"type": known[0].__name__, **record})
    _check(explanation)
    return explanation


def _present(record: Mapping[str, Any]) -> Any:
    """The record of the faithfulness with the fields it has today: `rows` were `masks`, and `exact` was not one."""
    faithfulness = record.get("faithfulness")
    if not isinstance(faithfulness, dict):
        return faithfulness
    renamed = {"rows" if name == "masks" else name: entry for name, entry in faithfulness.items()}
    return {"exact": _was_exact(record)} | renamed


def _was_exact(record: Mapping[str, Any]) -> bool:
    """Whether a file says that all masks were evaluated, where only the name of the method tells."""
    return record.get("method") == "exact" and record.get("surrogate") is None


def _records(known: tuple[type, ...]) -> Records:
    return Records(*known, Surrogate, Process, ProductKernel, Spectrum)


def _said(error: Exception) -> str:
    """What went wrong, short, and with nothing in it that steers a terminal."""
    text = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
    return printable(text if len(text) < 400 else text[:400] + "...").rstrip(".")


def _check(explanation: Any) -> None:
    """Raises ValueError unless everything fits together, so that nothing fails later, or silently."""
    names, (m, n) = explanation.feature_names, np.shape(explanation.masks)
    values, faithfulness = explanation.values, explanation.faithfulness
    rows = faithfulness.rows
    _require(not faithfulness.r2 > 1, "an R2 is above 1")
    _require(not faithfulness.error < 0, "a standard error is below 0")
    if faithfulness.exact:
        _require(explanation.surrogate is None, "what is exact has no surrogate")
        every = m == 1 << n and len(np.unique(mask_numbers(explanation.masks))) == m
        _require(every, f"what is exact has each of the 2^{n} masks once")
    _require(all(isinstance(name, str) for name in names), "a feature name is no string")
    _require(len(names) == n, f"there are {len(names)} feature names for masks of {n} features")
    _require(np.shape(values) == (m,), f"values are of shape {np.shape(values)} for {m} masks")
    _require_finite(values, "values")
    rows_fit = rows.ndim == 1 and np.issubdtype(rows.dtype, np.integer) and ((rows >= 0) & (rows < m)).all()
    _require(rows_fit, "faithfulness names masks that are not there")
    _check_spectrum(explanation.spectrum, n)
    if explanation.surrogate is not None:
        _check_surrogate(explanation.surrogate, n)


def _check_spectrum(spectrum: Spectrum, n: int) -> None:
    support, coefficients = np.asarray(spectrum.support), np.asarray(spectrum.coefficients)
    _require(spectrum.num_features == n, f"a spectrum of {spectrum.num_features} features, not {n}")
    _require(
        support.ndim == 2 and np.issubdtype(support.dtype, np.integer) and coefficients.shape == support.shape[:1],
        "a spectrum whose support and coefficients do not match",
    )
    _require_finite(coefficients, "coefficients")
    left, right = support[:, :-1], support[:, 1:]
    increasing = (left < right) | ((left == n) & (right == n))
    _require(
        ((support >= 0) & (support <= n)).all() and increasing.all(),
        "a set of a spectrum is not in increasing order, or names features that are not there",
    )


def _check_surrogate(surrogate: Surrogate, n: int) -> None:
    masks, deviation = np.asarray(surrogate.masks), np.asarray(surrogate.deviation)
    _require(masks.ndim == 2 and masks.dtype == bool and masks.shape[1] == n, "a surrogate of other masks")
    real = deviation.ndim == 0 and np.issubdtype(deviation.dtype, np.floating) and not deviation < 0
    _require(real, "a surrogate's deviation is no number, or below 0")
    _require(len(surrogate.processes) > 0, "a surrogate without a process")
    _require(surrogate.by_size is None or np.shape(surrogate.by_size) == (n + 1,), "a surrogate of other sizes")
    for process in surrogate.processes:
        _check_process(process, len(masks), n)
    for name, part in vars(surrogate).items():
        if isinstance(part, Spectrum):
            _check_spectrum(part, n)
        elif name != "deviation" and np.issubdtype(np.asarray(part).dtype, np.floating):
            _require_finite(part, f"{name} of a surrogate")


def _check_process(process: Process, m: int, n: int) -> None:
    kernels, e = process.kernels, np.shape(process.shares)[:1]
    r, near = np.shape(kernels.scales)[1:], np.shape(kernels.near)[1:]
    expected = {
        "shares": (process.shares, e),
        "alphas": (process.alphas, (*e, m)),
        "scales": (kernels.scales, (*e, *r)),
        "rates": (kernels.rates, (*e, *r, n)),
        "linear": (kernels.linear, (*e, n)),
        "near": (kernels.near, (*e, *near)),
        "noise": (kernels.noise, e),
    }
    _require(len(e) == len(r) == len(near) == 1 and e[0] > 0, "a process without members")
    _require(near[0] in (0, len(neighbours(n))), f"a kernel of {near[0]} neighbours")
    for name, (leaf, shape) in expected.items():
        _require(np.shape(leaf) == shape, f"{name} of a process are of shape {np.shape(leaf)}, not {shape}")
        _require_finite(leaf, f"{name} of a process")


def _require_finite(array: Any, name: str) -> None:
    array = np.asarray(array)
    _require(np.issubdtype(array.dtype, np.floating), f"{name} are no real numbers")
    bad = int((~np.isfinite(array)).sum())
    _require(bad == 0, f"{bad} of the {array.size} {name} are not finite")


def _require(condition: bool | np.bool_, otherwise: str) -> None:
    if not condition:
        raise ValueError(otherwise)


def _of_format_1(record: Mapping[str, Any], explanation: type, faithfulness: type) -> Any:
    """What spexjax 0.1 wrote: no checksum, sets and values as lists, and the surrogate's arrays in a fixed order."""
    names, faith = tuple(record["feature_names"]), record["faithfulness"]
    with np.errstate(over="ignore"):  # what overflows is not finite, and so is refused
        values = np.asarray(record["values"], np.float32)
    packed = np.frombuffer(strict_bytes(record["masks"]), np.uint8)
    masks = np.unpackbits(packed.reshape(len(values), -(-len(names) // 8)), axis=1, count=len(names)).astype(bool)
    _require(all(isinstance(record[key], dict) for key in ("details", "provenance")), "its details are no mapping")
    _require(isinstance(record["method"], str) and isinstance(faith["scheme"], str), "a name is no string")
    return explanation(
        spectrum=_terms(record["terms"], len(names)),
        faithfulness=faithfulness(
            r2=_number(faith["r2"]),
            rows=np.asarray([_count(row) for row in faith["masks"]], np.int64),
            scheme=faith["scheme"],
            error=_number(faith.get("error", 0.0)),
            exact=_was_exact(record),
        ),
        feature_names=names,
        method=record["method"],
        masks=masks,
        values=values,
        diagnostics=record["details"],
        provenance=record["provenance"],
        surrogate=_surrogate(record["surrogate"], masks) if record.get("surrogate") else None,
    )


def _number(value: Any) -> float:
    """A number as JSON has it, where None stood for NaN."""
    _require(value is None or type(value) in (int, float), "a number is none")
    return float("nan") if value is None else float(value)


def _count(value: Any) -> int:
    _require(type(value) is int and value >= 0, "a number of something is none")
    return value


def _terms(terms: list, n: int) -> Spectrum:
    sets = [tuple(_count(i) for i in term["features"]) for term in terms]
    _require(len(sets) * max(map(len, sets), default=0) <= _LARGEST, "its sets are too many and too large")
    _require(len(set(sets)) == len(sets), "a set is there twice")
    return Spectrum.from_dict({s: _number(t["coefficient"]) for s, t in zip(sets, terms, strict=True)}, n)


def _surrogate(record: Mapping[str, Any], masks: np.ndarray) -> Surrogate:
    processes, unit = [], _number(record["unit"])
    _require(not unit < 0, "a variance is below 0")
    for leaves in record["processes"]:
        arrays = [
            np.frombuffer(strict_bytes(leaf["float32"]), "<f4").reshape([_count(size) for size in leaf["shape"]])
            for leaf in leaves
        ]
        _require(len(arrays) == 7, f"a process of {len(arrays)} arrays")
        scales, rates, linear, near, noise, alphas, shares = map(jnp.asarray, arrays)
        kernels = ProductKernel(scales=scales, rates=rates, linear=linear, near=near, noise=noise)
        processes.append(Process(kernels=kernels, alphas=alphas, shares=shares))
    return Surrogate(
        masks=masks,
        processes=tuple(processes),
        rest=_terms(record["rest"], masks.shape[1]),
        deviation=np.float32(np.sqrt(unit)),
    )

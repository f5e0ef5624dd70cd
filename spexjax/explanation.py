"""The Explanation: a spectrum, how faithful it is, and where it comes from."""

import base64
import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import ArrayLike

from spexjax.ends import end_rows
from spexjax.indices import Ends, Interactions, interactions, standard_errors, surrogate_interactions, with_ends
from spexjax.influence import Subset
from spexjax.spectrum import Spectrum, checked_masks
from spexjax.subsets import check_count, optimum
from spexjax.surrogate import Process, ProductKernel, Surrogate
from spexjax.typing import Masks, Values

_ROUNDING = 1e-6  # of the range of values: what evaluating a spectrum in single precision may lose
_FILE, _FORMAT = "explanation.json", 1  # a reader may ignore what it does not know


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """R2 on masks that the fit never saw, and its standard error.

    `masks` are the rows of `Explanation.masks` it was measured on; `scheme` says how they were kept from the fit.
    """

    r2: float
    masks: Int[np.ndarray, " h"]
    scheme: str
    error: float = 0.0

    def __float__(self) -> float:
        return self.r2

    def __str__(self) -> str:
        uncertainty = f" ± {self.error:.3f}" if self.error else ""
        return f"R2 = {self.r2:.3f}{uncertainty} ({self.scheme})"


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """Which combinations of features drive a value function.

    Where the method has a `surrogate`, the spectrum is its truncation: predictions, faithfulness and indices are the
    surrogate's. `details` is what the method says of its fit, `provenance` what was explained and what it cost; both
    are plain JSON values.
    """

    spectrum: Spectrum
    faithfulness: Faithfulness
    feature_names: tuple[str, ...]
    method: str
    masks: Bool[np.ndarray, "m n"]
    values: Float[np.ndarray, " m"]
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    surrogate: Surrogate | None = None

    def __str__(self) -> str:
        return (
            f"{self.method} on {len(self.values)} ablations of {len(self.feature_names)} features: "
            f"{self.faithfulness}, {len(self.spectrum)} Fourier terms"
        )

    def predict(self, masks: ArrayLike) -> Values:
        """What the explanation says of the value function at any masks, `Float[l]`.

        Where everything is kept, and where nothing is, the true value if it was evaluated.

        Args:
          masks: `[l, n]`, True or 1 = kept.

        Raises:
          ValueError: if they have another shape, or other numbers than 0 and 1.
        """
        masks = checked_masks(masks, len(self.feature_names))
        return self._function(masks) + self._ends(self._function).at(masks)

    def prediction_errors(self, masks: ArrayLike) -> Values:
        """The standard error of `predict` at each mask: 0 for an exact explanation, NaN if the method has none.

        Raises:
          ValueError: as `predict`.
        """
        masks = checked_masks(masks, len(self.feature_names))
        return self._without_surrogate(len(masks)) if self.surrogate is None else self.surrogate.standard_error(masks)

    def interactions(self, index: str = "FSII", max_order: int | None = None) -> Interactions:
        """An interaction index of the explained function; see `spexjax.indices.interactions` for the names.

        Taken from the surrogate in closed form where there is one, true values being used at every mask that was
        evaluated; else read off the truncated spectrum, corrected to the true values where everything is kept and
        where nothing is. `spexjax.indices.surrogate_interactions` says which index is which, and that in an order of
        more than 20,000 sets only those that the spectrum names get a value.

        Raises:
          ValueError: if the index is unknown, or `max_order` no whole number, 1 or more.
        """
        ends = self._ends(self.spectrum)
        if self.surrogate is None:
            return with_ends(interactions(self.spectrum, index, max_order, self.feature_names), ends)
        return surrogate_interactions(
            self.surrogate, self._residuals, self.spectrum, ends, index, max_order, self.feature_names
        )

    def standard_errors(self, table: Interactions) -> Float[np.ndarray, " k"]:
        """The standard error of each value of a table from `interactions`; 0 or NaN as in `prediction_errors`."""
        return self._without_surrogate(len(table)) if self.surrogate is None else standard_errors(self.surrogate, table)

    def remove(self, r: int, *, goal: str = "farthest", method: str = "auto", time_limit: float = 60.0) -> Subset:
        """The r features whose removal changes the output most: `argmax |g(1) - g(x)|` over x that remove exactly r.

        g is the spectrum, not the untruncated surrogate, for only a sparse g can be searched with a certificate;
        `Subset.verify` says what truly happens.

        Args:
          r: how many features are removed, neither more nor fewer.
          goal: "farthest"; or "largest" or "smallest" for the x of largest or smallest g(x), "nearest" for the r
            features that can go with the least change.
          method: "auto" certifies by mixed-integer programming or, where choices are few, by trying all, unless the
            spectrum is too large; "exact" insists on it; "local" is a local search alone, which takes milliseconds.
          time_limit: seconds; `Subset.status` is "timeout" where they were not enough, and its `gap` what is left open.

        Raises:
          ValueError: if there are no r features, an option is unknown, or the spectrum is too large for "exact".
        """
        found = optimum(self.spectrum, r, goal=goal, method=method, time_limit=time_limit)
        return Subset(**vars(found), feature_names=self.feature_names)

    def keep(self, r: int, *, goal: str = "nearest", method: str = "auto", time_limit: float = 60.0) -> Subset:
        """The r features that, kept alone, hold the output nearest to its full value: `argmin |g(1) - g(x)|`.

        The same as `remove` of all but r, with another goal; where a high output is what counts (an accuracy, say),
        ask for the goal "largest".
        """
        check_count(r, len(self.feature_names), "kept")
        return self.remove(len(self.feature_names) - r, goal=goal, method=method, time_limit=time_limit)

    def _without_surrogate(self, count: int) -> Float[np.ndarray, " _"]:
        return np.full(count, 0.0 if self.method == "exact" else np.nan)

    @property
    def _function(self) -> Surrogate | Spectrum:
        return self.surrogate or self.spectrum

    def _ends(self, function: Callable[[Masks], Values]) -> Ends:
        """What a function misses at the two ends, as far as they were evaluated."""
        rows = end_rows(self.masks)
        missed = self.values[rows] - np.asarray(function(self.masks[rows]), np.float64)
        missed[np.abs(missed) <= _ROUNDING * np.ptp(self.values)] = 0  # exact already
        kept = self.masks[rows].all(1)
        return Ends(float(missed[kept].sum()), float(missed[~kept].sum()))

    @cached_property
    def _residuals(self) -> Values:
        return self.values - self.surrogate(self.masks)

    def save(self, folder: str | Path) -> Path:
        """Writes everything, the evaluated masks and values included, to `folder`/explanation.json.

        Returns:
          The file's path; `load` reads it back.
        """
        record = {
            "format": _FORMAT,
            "method": self.method,
            "faithfulness": {
                "r2": self.faithfulness.r2,
                "error": self.faithfulness.error,
                "scheme": self.faithfulness.scheme,
                "masks": self.faithfulness.masks.tolist(),
            },
            "feature_names": list(self.feature_names),
            "terms": _terms(self.spectrum),
            "surrogate": None if self.surrogate is None else _surrogate_record(self.surrogate),
            "details": self.details,
            "provenance": self.provenance,
            "masks": base64.b64encode(np.packbits(self.masks, axis=1).tobytes()).decode(),
            "values": self.values.tolist(),
        }
        path = Path(folder) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_plain(record), ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")
        return path


def load(folder: str | Path) -> Explanation:
    """Reads what `Explanation.save` wrote, from the folder or the file itself.

    Raises:
      ValueError: if there is no explanation there, it is damaged, or a newer spexjax wrote it.
    """
    path = Path(folder)
    path = path / _FILE if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"There is no explanation at {path}.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        found = record.get("format")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is not an explanation that spexjax wrote: {error}.") from error
    if found != _FORMAT:
        raise ValueError(f"{path} has format {found!r}; this spexjax reads format {_FORMAT}.")
    try:
        return _explanation(record)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged, or not an explanation that spexjax wrote: {error!r}.") from error


def _explanation(record: dict) -> Explanation:
    names, faith = tuple(record["feature_names"]), record["faithfulness"]
    values = np.asarray(record["values"], np.float32)
    packed = np.frombuffer(base64.b64decode(record["masks"]), np.uint8).reshape(len(values), -1)
    masks = np.unpackbits(packed, axis=1, count=len(names)).astype(bool)
    return Explanation(
        spectrum=_spectrum(record["terms"], len(names)),
        faithfulness=Faithfulness(
            _number(faith["r2"]),
            np.asarray(faith["masks"], np.int64),
            faith["scheme"],
            _number(faith.get("error", 0.0)),
        ),
        feature_names=names,
        method=record["method"],
        masks=masks,
        values=values,
        details=record["details"],
        provenance=record["provenance"],
        surrogate=_surrogate(record["surrogate"], masks) if record.get("surrogate") else None,
    )


def _plain(value: Any) -> Any:
    """What JSON can hold: numbers and lists for those of numpy and JAX, None for NaN and the infinities."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, jax.Array | np.ndarray | np.generic):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _terms(spectrum: Spectrum) -> list[dict]:
    return [{"features": list(s), "coefficient": c} for s, c in spectrum.to_dict().items()]


def _spectrum(terms: list[dict], n: int) -> Spectrum:
    return Spectrum.from_dict({tuple(t["features"]): t["coefficient"] for t in terms}, n)


def _surrogate_record(surrogate: Surrogate) -> dict:
    """All but the masks, which are the explanation's."""
    leaves = {"unit": float(surrogate.deviation) ** 2, "rest": _terms(surrogate.rest)}
    return leaves | {"processes": [[_array(leaf) for leaf in jax.tree.leaves(p)] for p in surrogate.processes]}


def _surrogate(record: dict, masks: Bool[np.ndarray, "m n"]) -> Surrogate:
    processes = []
    for leaves in record["processes"]:
        *kernel, alphas, shares = [
            jnp.asarray(np.frombuffer(base64.b64decode(leaf["float32"]), np.float32).reshape(leaf["shape"]))
            for leaf in leaves
        ]
        processes.append(Process(ProductKernel(*kernel), alphas, shares))
    rest = _spectrum(record["rest"], masks.shape[1])
    return Surrogate(masks, tuple(processes), rest, np.float32(np.sqrt(_number(record["unit"]))))


def _array(leaf: Float[Any, "..."]) -> dict:
    leaf = np.asarray(leaf, np.float32)
    return {"shape": list(leaf.shape), "float32": base64.b64encode(leaf.tobytes()).decode()}

"""The Explanation: a spectrum, how faithful it is, and where it comes from."""

import base64
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax.indices import Interactions, interactions
from spexjax.spectrum import Spectrum

_FILE, _FORMAT = "explanation.json", 1


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """R2 on masks that the fit never saw.

    `masks` are the rows of `Explanation.masks` it was measured on; `scheme` says how they were kept from the fit.
    """

    r2: float
    masks: Int[np.ndarray, " h"]
    scheme: str

    def __float__(self) -> float:
        return self.r2

    def __str__(self) -> str:
        return f"R2 = {self.r2:.3f} ({self.scheme})"


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """Which combinations of features drive a value function.

    `details` is what the method says of its fit, `provenance` what was explained and what it cost; both are plain
    JSON values.
    """

    spectrum: Spectrum
    faithfulness: Faithfulness
    feature_names: tuple[str, ...]
    method: str
    masks: Bool[np.ndarray, "m n"]
    values: Float[np.ndarray, " m"]
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{self.method} on {len(self.values)} ablations of {len(self.feature_names)} features: "
            f"{self.faithfulness}, {len(self.spectrum)} Fourier terms"
        )

    def interactions(self, index: str = "FSII", max_order: int | None = None) -> Interactions:
        """Reads an interaction index off the spectrum; see `spexjax.indices.interactions` for the names.

        Raises:
          ValueError: if the index is unknown or `max_order` is below 1.
        """
        return interactions(self.spectrum, index, max_order, self.feature_names)

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
                "scheme": self.faithfulness.scheme,
                "masks": self.faithfulness.masks.tolist(),
            },
            "feature_names": list(self.feature_names),
            "terms": [{"features": list(s), "coefficient": c} for s, c in self.spectrum.to_dict().items()],
            "details": dict(self.details),
            "provenance": dict(self.provenance),
            "masks": base64.b64encode(np.packbits(self.masks, axis=1).tobytes()).decode(),
            "values": self.values.tolist(),
        }
        path = Path(folder) / _FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        return path


def load(folder: str | Path) -> Explanation:
    """Reads what `Explanation.save` wrote, from the folder or the file itself.

    Raises:
      ValueError: if there is no explanation there, or a newer spexjax wrote it.
    """
    path = Path(folder)
    path = path / _FILE if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"There is no explanation at {path}.")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not an explanation that spexjax wrote: {error}.") from error
    if record.get("format") != _FORMAT:
        raise ValueError(f"{path} has format {record.get('format')!r}; this spexjax reads format {_FORMAT}.")
    names, faith = tuple(record["feature_names"]), record["faithfulness"]
    values = np.asarray(record["values"], np.float32)
    packed = np.frombuffer(base64.b64decode(record["masks"]), np.uint8).reshape(len(values), -1)
    spectrum = Spectrum.from_dict({tuple(t["features"]): t["coefficient"] for t in record["terms"]}, len(names))
    return Explanation(
        spectrum=spectrum,
        faithfulness=Faithfulness(faith["r2"], np.asarray(faith["masks"], np.int64), faith["scheme"]),
        feature_names=names,
        method=record["method"],
        masks=np.unpackbits(packed, axis=1, count=len(names)).astype(bool),
        values=values,
        details=record["details"],
        provenance=record["provenance"],
    )

"""Makes the explanations of a batch, and their rows of the table; a failure is a row, too."""

import functools
import hashlib
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from spexjax._printable import labels, one_line
from spexjax._road import travel
from spexjax.ablation import Ablation
from spexjax.ablations import text
from spexjax.evaluation import Store
from spexjax.explanation import Explanation
from spexjax.models import load_model
from spexjax.sweep._inputs import Input
from spexjax.sweep._sweep import Batch, Sweep, Variant
from spexjax.typing import Key

_LONGEST = 300  # characters of the sentence of a failure
COSTS = ("evaluations", "reused", "seconds", "seconds_evaluating", "seconds_fitting", "seconds_compiling")


class Finished(NamedTuple):
    """A row of the table, and its explanation unless it failed."""

    row: dict[str, Any]
    explanation: Explanation | None


class Worker:
    """Explains batches of one sweep in this process; it keeps the ablations of the last block."""

    def __init__(self, sweep: Sweep, store: Store | None, mesh: Mesh | None = None):
        """Loads nothing yet.

        Args:
          sweep: whose batches.
          store: where values are looked up and kept.
          mesh: devices, as in `explain`.
        """
        self._sweep, self._store, self._mesh = sweep, store, mesh
        self._last: tuple[Any, dict[int, Ablation | str]] = None, {}

    def ablations(self, batch: Batch) -> dict[int, Ablation | str]:
        """The ablation of each input, by its number; or a sentence that says why there is none."""
        key = batch.model, batch.inputs[0].number
        if self._last[0] != key or any(each.number not in self._last[1] for each in batch.inputs):
            self._last = key, {each.number: self._ablation(batch.model, each) for each in batch.inputs}
        return self._last[1]

    def __call__(self, batch: Batch) -> list[Finished]:
        """The explanations of a batch, in the order of its inputs."""
        lenses = self.ablations(batch)
        sound = [each for each in batch.inputs if not isinstance(lenses[each.number], str)]
        found: dict[int, Explanation | str] = {n: why for n, why in lenses.items() if isinstance(why, str)}
        found |= self._explained(batch, {each.number: lenses[each.number] for each in sound})
        return [self._finished(batch, each, found[each.number]) for each in batch.inputs]

    def _ablation(self, model: str, each: Input) -> Ablation | str:
        given, lens = self._sweep.models[model], self._sweep.lens  # type: ignore[index, call-overload]
        try:
            if lens is not None:
                return lens(each.given, given)
            if isinstance(each.given, Ablation):
                return each.given
            return text(_loaded(given) if isinstance(given, str) else given, **{**self._sweep.asked, **each.given})
        except Exception as error:
            return sentence(error)

    def _explained(self, batch: Batch, ablations: dict[int, Any]) -> dict[int, Explanation | str]:
        """Explains all together; if that fails, each alone, to see which one is at fault."""
        try:
            return dict(zip(ablations, self._travel(batch.variant, ablations), strict=True))
        except Exception as error:
            if len(ablations) == 1:
                return dict.fromkeys(ablations, sentence(error))
        found: dict[int, Explanation | str] = {}
        for number, ablation in ablations.items():
            found |= self._explained(batch, {number: ablation})
        return found

    def _travel(self, variant: Variant, ablations: dict[int, Any]) -> list[Explanation]:
        keys = [key_of(variant, number) for number in ablations]
        options = how(self._sweep, variant)
        shared: dict[str, Any] = {"mesh": self._mesh, "store": self._store, "progress": False}
        return travel(list(ablations.values()), keys, **shared, **options)

    def _finished(self, batch: Batch, each: Input, found: Explanation | str) -> Finished:
        if not isinstance(found, str):
            try:
                measured = measures(found, batch.variant.index, self._sweep.max_order)
                return Finished({**_named(self._sweep, batch, each), **measured}, found)
            except ValueError as error:
                found = sentence(error)
        return failed(self._sweep, batch, each, found)


def key_of(variant: Variant, number: int) -> Key:
    """The key of an explanation.

    Args:
      variant: whose seed.
      number: of the input.
    """
    return jax.random.fold_in(jax.random.key(variant.seed), number)


def how(sweep: Sweep, variant: Variant) -> dict[str, Any]:
    """The options of the road, but for devices, store and progress.

    Args:
      sweep: whose methods.
      variant: of the explanation.
    """
    return {
        "budget": variant.budget,
        "target_faithfulness": None,
        "max_budget": None,
        "method": sweep.methods[variant.method],  # type: ignore[call-overload]
        "index": variant.index,
        "keep": None,
        "like": (),
        "prior": None,
        "gradient": "auto",
        "relevances": "auto",
    }


def failed(sweep: Sweep, batch: Batch, each: Input, why: str) -> Finished:
    """The row of an explanation that failed.

    Args:
      sweep: of the batch.
      batch: in which it failed.
      each: the input.
      why: a sentence.
    """
    return Finished({**_named(sweep, batch, each), **NOTHING, "error": why}, None)


def _named(sweep: Sweep, batch: Batch, each: Input) -> dict[str, Any]:
    """What a row says of an explanation before it is made."""
    row_id = sweep.row_id(batch.model, batch.variant, each)
    return {
        "id": row_id,
        "input": each.number,
        "text": each.text,
        "model": batch.model,
        **vars(batch.variant),
    }


@functools.lru_cache(maxsize=1)  # a worker goes from one model to the next
def _loaded(name: str) -> Any:
    return load_model(name)


def sentence(error: BaseException) -> str:
    """What a failure's row says."""
    said = f"{error}" if isinstance(error, ValueError | ImportError | OSError) else f"{type(error).__name__}: {error}"
    return one_line(said or type(error).__name__, _LONGEST)


def measures(explanation: Explanation, index: str, max_order: int) -> dict[str, Any]:
    """What a row says of an explanation; `digest` hashes its masks, values, spectrum and R2 bit for bit.

    Args:
      explanation: that was found.
      index: whose strongest interaction is shown.
      max_order: of the index.
    """
    provenance, faithfulness = explanation.provenance, explanation.faithfulness
    table, names = explanation.interactions(index, max_order).top(1), labels(explanation.feature_names)
    members, value = next(iter(table), ((), math.nan))
    arrays = (explanation.masks, explanation.values, explanation.spectrum.support, explanation.spectrum.coefficients)
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays) + repr(faithfulness.r2).encode()
    seconds = provenance["seconds"]
    return {
        "features": len(names),
        "ablations": provenance["ablations"],
        "r2": float(faithfulness.r2),
        "r2_error": float(faithfulness.error),
        "exact": bool(faithfulness.exact),
        "used": explanation.method,
        "terms": len(explanation.spectrum),
        "strongest": " × ".join(names[i] for i in members),
        "strongest_value": float(value),
        "fingerprint": provenance["fingerprint"],
        "digest": hashlib.blake2b(content, digest_size=16).hexdigest(),
        "evaluations": provenance["evaluations"],
        "reused": provenance["reused"],
        "seconds": float(sum(seconds.values())),
        "seconds_evaluating": float(seconds["ablations"]),
        "seconds_fitting": float(seconds["fit"]),
        "seconds_compiling": float(seconds["compile"]),
        "error": "",
    }


NOTHING: dict[str, Any] = {
    "features": 0,
    "ablations": 0,
    "r2": math.nan,
    "r2_error": math.nan,
    "exact": False,
    "used": "",
    "terms": 0,
    "strongest": "",
    "strongest_value": math.nan,
    "fingerprint": "",
    "digest": "",
    "evaluations": 0,
    "reused": 0,
    **{name: 0.0 for name in COSTS if name.startswith("seconds")},
    "error": "",
}

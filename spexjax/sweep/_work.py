"""Makes the explanations of a batch, and their rows of the table; a failure is a row, too."""

import contextlib
import hashlib
import math
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from spexjax._printable import labels, one_line
from spexjax._road import travel
from spexjax.ablation import UNNAMED, Ablation, checked_ablation
from spexjax.ablations import text
from spexjax.evaluation import Store, StoreError
from spexjax.explanation import Explanation
from spexjax.models import load_model
from spexjax.sweep._inputs import Input
from spexjax.sweep._sweep import Batch, Sweep, Variant
from spexjax.typing import Key

_LONGEST = 300  # characters of the sentence of a failure
_REMOVALS = ("delete", "replace", "hide")  # those of spexjax, which stay what they are
COSTS = ("evaluations", "reused", "seconds", "seconds_evaluating", "seconds_fitting", "seconds_compiling")


class Finished(NamedTuple):
    """A row of the table, and its explanation unless it failed. Its `basis` is no column; see `stamp`."""

    row: dict[str, Any]
    explanation: Explanation | None


def stamp(basis: str) -> float:
    """A whole number from 1 that tells what a row rests on, and that a float holds.

    Args:
      basis: the fingerprint of an ablation or of a model.
    """
    digest = hashlib.blake2b(basis.encode("utf-8", "surrogatepass"), digest_size=6).digest()
    return 1.0 + int.from_bytes(digest, "big")


class Worker:
    """Explains batches of one sweep in this process; it keeps the last model, and the ablations of the last block."""

    def __init__(self, sweep: Sweep, store: Store | None, mesh: Mesh | None = None, *, check_spelling: bool = True):
        """Loads nothing yet.

        Args:
          sweep: whose batches.
          store: where values are looked up and kept.
          mesh: devices, as in `explain`.
          check_spelling: as in `ablations.text`.
        """
        self._check_spelling = check_spelling
        self._sweep, self._store, self._mesh = sweep, store, mesh
        self._loaded: tuple[str, Any] = "", None  # name and model
        self._last: tuple[Any, dict[int, Ablation | str]] = None, {}

    def left(self, batch: Batch) -> dict[int, Ablation | str]:
        """The ablations of the inputs, by their numbers, whose rows are not there or rest on another model or lens.

        A string says why there is no ablation. A row that cannot be held against its ablation any more is left alone.
        """
        self._turn_to(batch)
        known = batch.known or (0.0,) * len(batch.inputs)
        return {
            each.number: self._ablation(batch.model, each)
            for each, row in zip(batch.inputs, known, strict=True)
            if not (row and self._holds(batch.model, each, row))
        }

    def __call__(self, batch: Batch) -> list[Finished]:
        """The explanations of a batch that are left, in the order of its inputs."""
        left = self.left(batch)
        found: dict[int, Explanation | str] = {number: why for number, why in left.items() if isinstance(why, str)}
        found |= self._explained(batch, {n: ablation for n, ablation in left.items() if not isinstance(ablation, str)})
        return [self._finished(batch, each, found[each.number]) for each in batch.inputs if each.number in found]

    def _turn_to(self, batch: Batch) -> None:
        """Forgets the ablations of other blocks."""
        block = batch.model, batch.inputs[0].number // self._sweep.batch
        if self._last[0] != block:
            self._last = block, {}

    def _ablation(self, model: str, each: Input) -> Ablation | str:
        made = self._last[1]
        if each.number not in made:
            try:
                made[each.number] = self._made(model, each)
            except Exception as error:
                made[each.number] = sentence(error)
        return made[each.number]

    def _made(self, model: str, each: Input) -> Ablation:
        if self._sweep.lens is None and not isinstance(each.given, Ablation):
            return text(self._model(model), **{**self._sweep.asked, **each.given}, check_spelling=self._check_spelling)
        if self._sweep.lens is None:
            return each.given
        given = self._sweep.models[model]  # type: ignore[index, call-overload]
        found = checked_ablation(self._sweep.lens(each.given, given))
        if found.fingerprint.startswith(UNNAMED):
            raise ValueError("The lens gives ablations without a fingerprint, so no restart would know their values.")
        return found

    def _model(self, name: str) -> Any:
        given = self._sweep.models[name]  # type: ignore[index, call-overload]
        if not isinstance(given, str):
            return given
        if self._loaded[0] != name:  # from one model to the next
            self._loaded = "", None  # there may not be room for both
            self._loaded = name, load_model(given)
        return self._loaded[1]

    def _holds(self, model: str, each: Input, row: float) -> bool:
        """Whether a row rests on the model and the lens of today; also True where that cannot be told any more."""
        basis = self._basis(model, each)
        return not basis or stamp(basis) == row

    def _basis(self, model: str, each: Input) -> str:
        """What a row rests on beside what was asked for; empty if it cannot be told.

        Of a text it is the model and its chat template, so that no prompt has to be read once more.
        """
        of_text = self._sweep.lens is None and not isinstance(each.given, Ablation)
        if of_text and {**self._sweep.asked, **each.given}.get("removal", "delete") in _REMOVALS:
            with contextlib.suppress(Exception):
                found = self._model(model)
                return f"{found.fingerprint} {getattr(found.tokenizer, 'chat_template', None)}"
        found = self._ablation(model, each)
        return "" if isinstance(found, str) else found.fingerprint

    def _explained(self, batch: Batch, ablations: dict[int, Any]) -> dict[int, Explanation | str]:
        """Explains all together; if that fails, each alone, to see which one is at fault."""
        try:
            return dict(zip(ablations, self._travel(batch.variant, ablations), strict=True))
        except StoreError:  # every other explanation would fail, too
            raise
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
        no_ablation = isinstance(self._ablation(batch.model, each), str)  # so do not load its model in vain once more
        basis = "" if no_ablation else self._basis(batch.model, each)
        if not isinstance(found, str):
            try:
                measured = measures(found, batch.variant.index, self._sweep.max_order)
                return Finished({**_named(self._sweep, batch, each), **measured, "basis": basis}, found)
            except ValueError as error:
                found = sentence(error)
        return failed(self._sweep, batch, each, found, basis)


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


def failed(sweep: Sweep, batch: Batch, each: Input, why: str, basis: str = "") -> Finished:
    """The row of an explanation that failed.

    Args:
      sweep: of the batch.
      batch: in which it failed.
      each: the input.
      why: a sentence.
      basis: what it rests on, if that is known; it is tried again where that has changed.
    """
    return Finished({**_named(sweep, batch, each), **NOTHING, "error": why, "basis": basis}, None)


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

"""The Explanation: a spectrum, how faithful it is, and where it comes from."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from spexjax._compilation_cache import keep_programs
from spexjax._deprecation import renamed
from spexjax._durable import write_durably
from spexjax._ends import end_rows
from spexjax._listing import Listing
from spexjax._printable import printable
from spexjax.explanation import _saved as saved
from spexjax.explanation._combination import Linear, strongest
from spexjax.explanation._faithfulness import Faithfulness
from spexjax.explanation._subset import Subset
from spexjax.explanation._verdict import verdict
from spexjax.gp import Surrogate
from spexjax.indices import (
    Ends,
    Interactions,
    full_name,
    get,
    interactions,
    standard_errors,
    surrogate_interactions,
    with_ends,
)
from spexjax.spectrum import Spectrum, checked_masks, mask_numbers
from spexjax.subsets import check_count, optimum
from spexjax.typing import Values

_FILE = "explanation.json"
_ROUNDING = 1e-6  # of the range of values: what a spectrum in single precision may lose


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Explanation(Linear):
    """Which combinations of features drive a value function.

    It shows itself: its `repr` and what a notebook shows are the answer, the faithfulness and the strongest
    interactions. Explanations of the same features can be added and subtracted: see `Combination`.

    Attributes:
      spectrum: the strongest Fourier terms. Where there is a surrogate, they are its truncation.
      faithfulness: R2 on masks that the fit never saw.
      feature_names: n names.
      method: the name of the method.
      masks: bool `[m, n]`, the masks that were evaluated.
      values: `[m]`, their values.
      diagnostics: what the method says of its fit, as plain JSON values.
      provenance: what was explained and what it cost, as plain JSON values.
      surrogate: where the method has one, predictions, faithfulness and indices are the surrogate's.
    """

    spectrum: Spectrum
    faithfulness: Faithfulness
    feature_names: tuple[str, ...]
    method: str
    masks: Bool[np.ndarray, "m n"]
    values: Float[np.ndarray, " m"]
    diagnostics: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    provenance: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    surrogate: Surrogate | None = None

    def __str__(self) -> str:
        return (
            f"{printable(self.method)} on {len(self.values)} ablations of {len(self.feature_names)} features: "
            f"{self.faithfulness}, {len(self.spectrum)} Fourier terms"
        )

    def _listing(self) -> Listing:
        title = f"{printable(self.method)} on {len(self.values):,} ablations of {len(self.feature_names):,} features"
        doubts = [doubt for doubt in (self.faithfulness.unlearned,) if doubt]
        return strongest(self, title, (*verdict(self), f"{self.faithfulness}.", *doubts))

    @property
    def details(self) -> Mapping[str, Any]:
        """The old name of `diagnostics`; warns."""
        renamed("Explanation.details", "diagnostics")
        return self.diagnostics

    @property
    def keep_probability(self) -> float | None:
        """The p of `explain(keep=p)`, with which its ablations kept each feature; None if they were drawn otherwise."""
        keep, design = (self.provenance.get(entry) for entry in ("keep", "design"))
        return keep if isinstance(keep, float) and design == "biased" else None

    def predict(self, masks: ArrayLike) -> Values:
        """Predicts the value function at any masks.

        An exact explanation returns true values. Others do so at the full and the empty mask, which were evaluated.

        Args:
          masks: `[l, n]`, True or 1 = kept.

        Returns:
          `Float[l]`.

        Raises:
          ValueError: if the masks have another shape, or hold other numbers than 0 and 1.
        """
        masks = checked_masks(masks, len(self.feature_names))
        if self.faithfulness.exact:
            return self._table[mask_numbers(masks)]
        predictions = np.array((self.surrogate or self.spectrum)(masks), np.float64)
        for row in end_rows(self.masks):
            predictions[(np.asarray(masks) == self.masks[row]).all(1)] = self.values[row]
        return predictions

    def prediction_errors(self, masks: ArrayLike) -> Values:
        """The standard error of `predict` at each mask: 0 for an exact explanation, NaN if there is no surrogate.

        Args:
          masks: as in `predict`.

        Raises:
          ValueError: as `predict`.
        """
        masks = checked_masks(masks, len(self.feature_names))
        return self._without_surrogate(len(masks)) if self.surrogate is None else self.surrogate.standard_error(masks)

    def interactions(
        self, index: str | None = None, max_order: int | None = None, *, keep: float | None = None
    ) -> Interactions:
        """Computes an interaction index of the explained function.

        With a surrogate, indices that have a closed form are the surrogate's, corrected by the true value at every
        mask that was evaluated. All others are read off the truncated spectrum, corrected by the true values at the
        full and the empty mask. An order with more than 20,000 sets gets values for the sets of the spectrum only,
        which `Interactions.note` says.

        Args:
          index: a name from `indices.INDICES`, such as SV, SII, FSII or Moebius. By default FSII, or WBII where
            `explain(keep=...)` drew the masks. The other indices then weigh masks that no ablation came near, which
            `Interactions.note` says.
          max_order: the size of the largest interaction; by default 2, or all orders for Fourier and Moebius. SV, BV
            and WBV are of order 1 whatever is given.
          keep: for WBV and WBII, the probability with which every other feature is kept; by default that of the masks,
            1/2 unless `explain(keep=...)` drew them.

        Raises:
          ValueError: if the index is unknown, `keep` is not for it, or `max_order` is not a whole number of at least 1.
        """
        return self._indexed(index, max_order, keep)

    def _indexed(
        self, index: str | None, max_order: int | None = None, keep: float | None = None, **bound: int
    ) -> Interactions:
        """As `interactions`; computed once, because a page, pictures, files and the `repr` ask for the same tables."""
        name = full_name(self.default_index if index is None else index, keep, self.keep_probability)
        key: tuple = name, max_order, *bound.items()
        if key not in self._tables:
            self._tables[key] = self._computed(name, max_order, **bound)
        return self._tables[key]

    def _computed(self, index: str, max_order: int | None, **bound: int) -> Interactions:
        names, ends = self.feature_names, self._missed_ends
        if self.surrogate is None:
            table = with_ends(interactions(self.spectrum, index, max_order, names), ends)
        else:
            residuals, spectrum = self._residuals, self.spectrum
            table = surrogate_interactions(self.surrogate, residuals, spectrum, ends, index, max_order, names, **bound)
        for array in (table.support, table.values):
            array.setflags(write=False)  # others get the same table
        notes = self._extrapolated(table), self._incomplete(table)
        return dataclasses.replace(table, errors_of=self.standard_errors, note=" ".join(filter(None, notes)))

    def _incomplete(self, table: Interactions) -> str:
        """That sets without a value would have one other than 0, and at which order."""
        n, nothing_left = table.num_features, self.surrogate is None and not any(self._missed_ends)
        if table.max_order is None or nothing_left:
            return ""
        sizes = range(1, min(table.max_order, n) + 1)
        cut = [(int((table.orders == order).sum()), comb(n, order), order) for order in sizes]
        said = [f"{known:,} of {all_sets:,} sets of {order}" for known, all_sets, order in cut if known < all_sets]
        return f"Only {' and '.join(said)} have a value; the others count as 0, so sums are not exact." if said else ""

    def _extrapolated(self, table: Interactions) -> str:
        """That an index is not the derivative at the p of the masks, and these are not uniform."""
        keep, n = self.keep_probability, table.num_features
        if keep in (None, 0.5) or self.faithfulness.exact:
            return ""
        index, k = get(table.index), table.max_order or n
        measures = [index.measure(order, k, n) for order in range(1, min(k, n) + 1)] if table.max_order else [None]
        if all(measure is not None and (measure[0] == keep).all() for measure in measures):
            return ""
        return (
            f"Extrapolated: the ablations keep each feature with probability {keep:g}, but {index.name} also rests on "
            "masks far from these; WBV and WBII do not."
        )

    def standard_errors(self, table: Interactions) -> Float[np.ndarray, " k"]:
        """The standard error of each value of a table from `interactions`; 0 or NaN as in `prediction_errors`.

        Raises:
          ValueError: if it is no table.
        """
        if not isinstance(table, Interactions):
            raise ValueError(f"standard_errors takes a table, such as explanation.interactions('SV'); got {table!r}.")
        return self._without_surrogate(len(table)) if self.surrogate is None else standard_errors(self.surrogate, table)

    def plot(self, **options: Any) -> Any:
        """Draws the picture that suits this explanation, by `plots.plot`: a text, heads of a model, or bars.

        Args:
          **options: of that picture, such as `index`, `max_order`, `top` and `ax`.

        Returns:
          The matplotlib axes.

        Raises:
          ImportError: if matplotlib is not installed.
          ValueError: as the picture does.
        """
        return import_module("spexjax.plots").plot(self, **options)  # a room above this one, so only when asked for

    def remove(self, r: int, *, goal: str = "farthest", method: str = "auto", time_limit: float = 60.0) -> Subset:
        """Finds the r features whose removal changes the output most: `argmax |g(1) - g(x)|` over x that remove r.

        g is the spectrum, not the surrogate: only a sparse g can be searched with a certificate. `Subset.verify`
        evaluates what the removal truly does.

        Args:
          r: how many features to remove, exactly.
          goal: "farthest"; "largest" or "smallest" for the x with the largest or smallest g(x); "nearest" for the r
            features whose removal changes the least.
          method: "auto" certifies the optimum by enumeration or mixed-integer programming, unless the spectrum is too
            large. "exact" insists on a certificate. "local" is a local search, which takes milliseconds.
          time_limit: seconds. If they run out, `Subset.status` is "timeout" and `Subset.gap` bounds what was missed.

        Raises:
          ValueError: if there are no r features, an option is unknown, or the spectrum is too large for "exact".
        """
        found = optimum(self.spectrum, r, goal=goal, method=method, time_limit=time_limit)
        true = self._evaluated(np.ones_like(found.mask)), self._evaluated(found.mask)
        return Subset(**vars(found), feature_names=self.feature_names, true_full=true[0], true_value=true[1])

    def keep(self, r: int, *, goal: str = "nearest", method: str = "auto", time_limit: float = 60.0) -> Subset:
        """Finds the r features that alone hold the output nearest to its full value: `argmin |g(1) - g(x)|`.

        This is `remove` of all but r, with another default goal. If a high output is what counts, such as an accuracy,
        ask for the goal "largest".

        Args:
          r: how many features to keep, exactly.
          goal: as in `remove`.
          method: as in `remove`.
          time_limit: as in `remove`.

        Raises:
          ValueError: as `remove`.
        """
        check_count(r, len(self.feature_names), "kept")
        return self.remove(len(self.feature_names) - r, goal=goal, method=method, time_limit=time_limit)

    def _evaluated(self, mask: Bool[np.ndarray, " n"]) -> float | None:
        """The true value at a mask; None if it was not evaluated."""
        rows = (self.masks == mask).all(1)
        return float(self.values[rows].mean()) if rows.any() else None

    def _without_surrogate(self, count: int) -> Float[np.ndarray, " _"]:
        return np.full(count, 0.0 if self.faithfulness.exact else np.nan)

    @cached_property
    def _tables(self) -> dict[tuple, Interactions]:
        return {}

    @cached_property
    def _table(self) -> Values:
        """The value of each of the 2^n masks, by its number."""
        values = np.empty(len(self.values))
        values[mask_numbers(self.masks)] = self.values
        return values

    @cached_property
    def _missed_ends(self) -> Ends:
        """What the spectrum misses at the two ends, as far as they were evaluated.

        A term is `(-1)^|S| F(S)` at the full mask and F(S) at the empty one. The sums are in double precision: the
        rounding of many terms would otherwise enter the indices.
        """
        rows, terms = end_rows(self.masks), np.asarray(self.spectrum.coefficients, np.float64)
        kept, signs = self.masks[rows].all(1), 1 - 2.0 * (np.asarray(self.spectrum.orders) % 2)
        missed = self.values[rows] - np.where(kept, signs @ terms, terms.sum())
        missed[np.abs(missed) <= _ROUNDING * np.ptp(self.values)] = 0  # exact already
        return Ends(float(missed[kept].sum()), float(missed[~kept].sum()))

    @cached_property
    def _residuals(self) -> Values:
        return self.values - (self.surrogate or self.spectrum)(self.masks)

    def save(self, folder: str | Path) -> Path:
        """Writes everything, masks and values included, to `folder`/explanation.json.

        An earlier file is replaced in one step: after a crash, either the old file or the new one is there, whole.

        Args:
          folder: made if it is not there.

        Returns:
          The file's path; `load` reads it back.

        Raises:
          ValueError: if there is something that a file cannot hold, such as an object in `diagnostics`.
          OSError: if the file cannot be written.
        """
        return write_durably(Path(folder) / _FILE, saved.encode(self, Explanation, Faithfulness))


def load(folder: str | Path) -> Explanation:
    """Reads what `Explanation.save` wrote, from the folder or the file itself.

    Raises:
      ValueError: if there is no explanation there, it is damaged, or a newer spexjax wrote it.
    """
    keep_programs()
    path = Path(folder)
    path = path / _FILE if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"There is no explanation at {path}.")
    try:
        return saved.decode(path.read_bytes(), Explanation, Faithfulness)
    except ValueError as error:
        raise ValueError(f"The file {path} cannot be read: {error}.") from error

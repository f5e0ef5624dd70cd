"""SPEX as a method: the largest design that a budget buys, and what is made of its values."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from spexjax import proxies
from spexjax._ends import end_rows, inner_rows
from spexjax._random import split_key
from spexjax._values import standardise
from spexjax.codes import MAX_DEGREE
from spexjax.decoder import Decoded, Status, decode
from spexjax.designs import Subsampled, subsampled, subsampled_size, uniform
from spexjax.evaluation import Evaluation
from spexjax.indices import Index
from spexjax.methods._exact import exact_fit
from spexjax.methods._from_proxy import fit_proxy
from spexjax.methods._method import Design, covers_all, draw
from spexjax.proxies import Fit
from spexjax.spectrum import Spectrum
from spexjax.typing import Key, Masks, Values

_LEAST_BINS = 4  # log2; fewer hardly keep two coefficients apart
_CHECKS = (64, 1024)  # uniform masks besides the design's: an eighth of them, within these bounds
_NUM_FOLDS = 5
_IMPUTATIONS = 3  # of the values at the ends
_EXPLAINED = 1e-6  # residual energy that no outlier leaves


@dataclasses.dataclass(frozen=True)
class Spex:
    """SPEX as a method; made by `spex`."""

    max_order: int
    num_groups: int
    mode: str
    name: str = "spex"

    def design(self, key: Key, num_features: int, budget: int, index: Index | None) -> Design:
        """The masks of the largest plan that the budget covers, or all masks if it covers them.

        Raises:
          ValueError: as `plan`.
        """
        if covers_all(budget, num_features):
            return dataclasses.replace(draw(key, num_features, budget, None), nested=False)
        return self.plan(key, budget, num_features).as_design()

    def fit(self, design: Design, evaluation: Evaluation, key: Key) -> Fit:
        """What the decoder finds, lasso, or a mixture of them, by held-out error; the exact spectrum of all masks.

        Raises:
          ValueError: if the masks are not those of `design`.
        """
        if design.plan is None and not design.complete:
            raise ValueError(
                "SPEX decodes masks of its own: use explain(method='spex'), or designs.subsampled and decoder.decode."
            )
        if design.plan is None:
            return exact_fit(design.masks, evaluation.values)
        proxy = proxies.select({"lasso": proxies.lasso(), "spex": design.plan})
        return fit_proxy(proxy, self.name, design.masks, evaluation, key)

    def size(self, num_features: int, bins_log2: int, known: int = 0) -> int:
        """An upper bound on the ablations of a plan with 2^b bins.

        It counts the masks of the design, less those that every group repeats (the delays, at l = 0), plus uniform
        masks to check the fit: an eighth as many, between 64 and 1,024. For small n more masks repeat by chance.

        Args:
          num_features: n.
          bins_log2: b.
          known: how many uniform masks have been evaluated already; they serve as checks.

        >>> spex().size(63, 4), spex().size(63, 8), spex(max_order=3).size(63, 4)
        (1449, 22472, 983)
        """
        size = subsampled_size(num_features, bins_log2, self.max_order, self.num_groups)
        size -= (size // self.num_groups >> bins_log2) * (self.num_groups - 1)
        return size + max(_num_checks(size), known)

    def affords(self, budget: int, num_features: int, known: int = 0) -> bool:
        """True if the budget covers the smallest plan.

        Args:
          budget: how many ablations may be spent.
          num_features: n.
          known: as in `size`.
        """
        fits = _LEAST_BINS <= num_features < 1 << MAX_DEGREE
        return fits and budget >= self.size(num_features, _LEAST_BINS, known)

    def plan(self, key: Key, budget: int, num_features: int, known: Masks | None = None) -> "SpexPlan":
        """The plan with the most bins whose distinct masks the budget covers.

        Args:
          key: PRNG key, consumed.
          budget: how many ablations may be spent, fewer than 2^n.
          num_features: n.
          known: distinct uniform masks that have been evaluated: the plan begins with them, and they serve as checks.

        Raises:
          ValueError: if not even 2^4 bins are covered; the message says what is needed and what would work instead.
        """
        n, design_key, check_key = num_features, *split_key(key, 2)
        known = np.packbits(np.zeros((0, n), bool) if known is None else known, axis=1)
        for b in range(min(n, 40), _LEAST_BINS - 1, -1):
            space, size = 2.0 ** min(n, 60), self.size(n, b, len(known))
            if 0.9 * space * -math.expm1(-size / space) <= budget:  # so many random masks would be distinct
                plan = self._draw(design_key, check_key, n, b, known)
                if len(plan.masks) <= budget:
                    return plan
        least = f"{min(self.size(n, _LEAST_BINS, len(known)), 2**n):,}" if n >= _LEAST_BINS else f"2^{n}"
        raise ValueError(
            f"SPEX needs {least} ablations for {n} features and interactions up to order {self.max_order}, but the "
            f"budget is {budget:,}. Raise it, ask for lower orders with method=sx.methods.spex(max_order=...), or "
            "use method='proxyspex-gp', which learns from any budget."
        )

    def _draw(self, design_key: Key, check_key: Key, n: int, b: int, known: np.ndarray) -> "SpexPlan":
        design = subsampled(design_key, n, b, self.max_order, self.num_groups)
        packed = np.concatenate([*design.packed()])
        wanted = drawn = _num_checks(len(np.unique(packed, axis=0)))
        while True:
            rows = np.concatenate([known, np.packbits(uniform(check_key, drawn, n), axis=1), packed])
            _, first, same = np.unique(rows, axis=0, return_index=True, return_inverse=True)
            old, new, ours = np.split(same.ravel(), [len(known), len(rows) - len(packed)])
            new, missing = new[~np.isin(new, np.concatenate([old, ours]))], wanted - (~np.isin(old, ours)).sum()
            if len(new) >= missing or drawn >= 1 << n:
                break
            drawn *= 4
        kept = np.concatenate([old, new[: max(0, missing)], np.setdiff1d(ours, old)])
        place = np.empty(len(first), np.int64)
        place[kept] = np.arange(len(kept))
        masks = np.unpackbits(rows[first[kept]], axis=1, count=n).view(bool)
        return SpexPlan(design, masks, place[ours], np.flatnonzero(~np.isin(kept, ours)), self.mode)


def spex(max_order: int = 5, num_groups: int = 3, mode: str = "soft") -> Spex:
    """SPEX: a sparse Walsh-Hadamard transform of few, structured ablations; `explain(method=sx.methods.spex(...))`.

    `explain` evaluates the masks of `designs.subsampled` with as many bins as the budget covers, and some uniform masks
    besides. `decoder.decode` finds the support from the former. Cross-validation on the latter, which the decoder never
    saw, decides how many terms to keep, how far their refit may move the coefficients, and whether lasso or a mixture
    with it is better.

    Source: SPEX (Kang et al., arXiv 2502.13870).

    Args:
      max_order: t, the largest interaction that can be found; lower orders need fewer masks.
      num_groups: C; three work best.
      mode: of the decoder; "soft" tolerates more noise than "hard".

    Raises:
      ValueError: if an order or a number of groups is below 1, or the mode is neither.
    """
    if max_order < 1 or num_groups < 1:
        raise ValueError(f"SPEX needs max_order and num_groups of at least 1; got {max_order} and {num_groups}.")
    if mode not in ("hard", "soft"):
        raise ValueError(f"The mode is 'hard' or 'soft', not {mode!r}.")
    return Spex(max_order, num_groups, mode)


@dataclasses.dataclass(frozen=True, eq=False)
class SpexPlan:
    """Distinct masks to evaluate, uniform ones first, and the proxy that explains their values.

    Mask k of the design is `masks[rows[k]]`; `checks` are the uniform masks that are none of the design's.
    """

    design: Subsampled
    masks: np.ndarray  # Bool[m, n]
    rows: np.ndarray  # Int[design]
    checks: np.ndarray  # Int[c]
    mode: str

    def describe(self) -> dict[str, int | str]:
        """What was drawn, as plain JSON values."""
        design = self.design
        return {
            "bins_log2": design.bins_log2,
            "max_order": design.max_order,
            "num_groups": design.num_groups,
            "delays": len(design.delays),
            "mode": self.mode,
            "design_masks": len(self.masks) - len(self.checks),
            "uniform_masks": len(self.checks),
        }

    def as_design(self) -> Design:
        """These masks for `explain`; their uniform ones come first."""
        notes = {"subsampled": self.describe()}
        return Design("subsampled", self.masks, self.checks, nested=False, notes=notes, plan=self)

    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit:
        """What the decoder and the refit make of the values at `self.masks`; see `spex`."""
        inner = inner_rows(masks)
        _, centre, spread = standardise(np.asarray(values)[inner])
        y = (np.asarray(values, np.float64) - centre) / (spread or 1.0)
        decoded = self._decoded(masks, y)
        coefficients = np.asarray(decoded.spectrum.coefficients)
        found = coefficients != 0
        spectrum = Spectrum(np.asarray(decoded.spectrum.support)[found], coefficients[found], masks.shape[1])
        checks = np.intersect1d(self.checks, inner)
        fold = np.full(len(masks), -1)  # the design's masks, which the decoder has seen, are in no fold
        fold[checks] = proxies.folds(key, masks[checks], _NUM_FOLDS)
        fit = proxies.refit(spectrum, [spectrum] * _NUM_FOLDS, masks[inner], y[inner], fold[inner])
        fit = fit.spread_over(inner, masks).rescaled(centre, spread)
        diagnostics = {
            "status": Status(int(decoded.status)).name,
            "found": int((np.asarray(spectrum.orders) > 0).sum()),
            "rounds": int(decoded.rounds),
            "residual": round(float(decoded.residual), 6),
        }
        return fit._replace(diagnostics=diagnostics | fit.diagnostics, held_out_rows=checks)

    def _decoded(self, masks: Masks, y: Values) -> Decoded:
        """The decoder's result on the values, or on those without an outlier at an end, whichever leaves less over.

        In the latter the ends start at the mean, 0, and then take the value that the other masks predict for them.
        """
        best = decode(self.design, jnp.asarray(y[self.rows], jnp.float32), mode=self.mode)
        ends = np.intersect1d(end_rows(masks), self.rows)
        predicted = np.zeros(len(ends))
        for _ in range(_IMPUTATIONS if len(ends) and best.residual > _EXPLAINED else 0):
            y = np.array(y)
            y[ends] = predicted
            decoded = decode(self.design, jnp.asarray(y[self.rows], jnp.float32), mode=self.mode)
            predicted = np.asarray(decoded.spectrum(masks[ends]))
            best = min(best, decoded, key=lambda d: float(d.residual))
        return best


def _num_checks(num_masks: int) -> int:
    return int(np.clip(num_masks // 8, *_CHECKS))

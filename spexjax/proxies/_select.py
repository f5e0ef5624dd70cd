"""Choosing among proxies, and mixing them, by held-out error: the default method."""

import dataclasses
from collections.abc import Iterable, Mapping
from itertools import permutations

import numpy as np
from jaxtyping import Float, Int

from spexjax._ends import inner_rows
from spexjax._random import split_key
from spexjax._values import standardise
from spexjax.metrics import r2
from spexjax.proxies._cross_validation import folds, leave_fold_selection, surely_better
from spexjax.proxies._proxy import Fit, Proxy, call_proxy, checked_kind
from spexjax.spectrum import Spectrum
from spexjax.typing import CoValues, Key, Masks, Relevances, Values

_ENOUGH = 0.9  # held-out R2 from which on further proxies are spared, if there are co-values
_NUM_FOLDS = 5
_SHARES = (0.75, 0.5)  # of the first of two proxies


@dataclasses.dataclass(frozen=True, eq=False)
class Select:
    """The proxy made by `select`."""

    proxies: Mapping[str, Proxy]
    spared: tuple[str, ...] = ()
    uses_covalues = uses_structure = uses_relevances = True  # for those of the proxies that do; not fields

    def __call__(
        self,
        masks: Masks,
        values: Values,
        key: Key,
        covalues: CoValues | None = None,
        *,
        structure: str | None = "auto",
        relevances: Relevances | None = None,
    ) -> Fit:
        """Fits every proxy, and keeps the best or a mixture; see `select`."""
        masks = np.asarray(masks)
        names, inner = list(self.proxies), inner_rows(masks)
        _, centre, spread = standardise(np.asarray(values)[inner])
        f = (np.asarray(values, np.float64) - centre) / (spread or 1.0)
        fold_key, *keys = split_key(key, len(names) + 1)
        fits: dict[str, Fit] = {}
        for name, each in zip(names, keys, strict=True):
            if name not in self.spared or covalues is None or not _enough(fits.values(), values, inner):
                fit = call_proxy(self.proxies[name], masks, values, each, covalues, structure, relevances)
                fits[name] = checked_kind(fit, name, len(f))
        rows = _rows(fits.values(), len(f))
        not_tried = [name for name in names if name not in fits]
        left_out = [name for name, fit in fits.items() if not np.isfinite(np.asarray(fit.held_out)[rows]).all()]
        fits = {name: fit for name, fit in fits.items() if name not in left_out}
        others = [(np.asarray(fit.held_out, np.float64) - centre) / (spread or 1.0) for fit in fits.values()]
        held_out = np.stack([-f / (len(inner) - 1), *others])  # the mean of the other inner values, that of all being 0
        fold = folds(fold_key, masks[rows], min(_NUM_FOLDS, len(rows)))
        everywhere, f, held_out = held_out, f[rows], held_out[:, rows]
        shares = _candidates(len(held_out))
        chosen = leave_fold_selection(shares @ held_out, f, fold)
        best, predictions = shares[chosen.best], chosen.held_out
        if not surely_better(shares[chosen.best] @ held_out, f.mean(), f, 1.0):
            best, predictions = shares[0], held_out[0]

        used = {name: float(share) for name, share in zip(["constant", *fits], best, strict=True) if share}
        scores = {name: round(r2(f, h), 4) for name, h in zip(fits, held_out[1:], strict=True)}
        details = {name: fit.diagnostics for name, fit in fits.items() if name in used}
        fit = _mixture(best, [Fit(Spectrum.constant(centre, masks.shape[1]), np.zeros(0), {}), *fits.values()])
        terms = {"terms": int((fit.spectrum.orders > 0).sum())}
        diagnostics = {"chosen": used, "reason": _reason(used, scores), "held_out_r2": scores, **terms, **details}
        more = {"not_finite": left_out, "not_tried": not_tried}
        diagnostics |= {why: some for why, some in more.items() if some}
        everywhere = sum(share * p for share, p in zip(best, everywhere, strict=True) if share)
        everywhere[rows] = predictions
        return fit._replace(held_out=centre + spread * everywhere, diagnostics=diagnostics, held_out_rows=rows)


def select(proxies: Mapping[str, Proxy], spared: Iterable[str] = ()) -> Select:
    """The best of several proxies, or a mixture of two of them, by held-out error.

    Every proxy predicts each mask, or each of its `held_out_rows`, without having seen it. Compared are the mean, each
    proxy, and each pair of them in shares of 1/4, 1/2 and 3/4; spectra and surrogates add. The first of those whose
    errors are within 0.1 % of the least is taken, so give the simplest proxy first. Where the best is not better than
    the mean of the values by more than the standard error of that difference, nothing can be learned at this budget,
    and the fit is the constant.

    Args:
      proxies: by name; the names appear in the diagnostics, with the held-out R2 of each and the reason of the choice.
        One whose predictions are not finite is left out, and named there.
      spared: names of proxies that are not tried where there are co-values and one before them reaches a held-out R2 of
        0.9; the diagnostics name them as "not_tried".

    Returns:
      A proxy. Calling it raises what its proxies raise, and ValueError if one of them returns no `Fit` to the masks.
    """
    return Select(dict(proxies), tuple(spared))


def _enough(fits: Iterable[Fit], values: Values, rows: Int[np.ndarray, " h"]) -> bool:
    """Whether one of the fits predicts almost all of the variance."""
    f = np.asarray(values)[rows]
    return any(r2(f, np.asarray(fit.held_out)[rows]) >= _ENOUGH for fit in fits)


def _rows(fits: Iterable[Fit], num_masks: int) -> Int[np.ndarray, " h"]:
    """The masks that every fit predicts without having seen them."""
    rows = np.arange(num_masks)
    for fit in fits:
        rows = rows if fit.held_out_rows is None else np.intersect1d(rows, fit.held_out_rows)
    return rows


def _candidates(count: int) -> Float[np.ndarray, "c p"]:
    """Shares of the constant and the proxies: each alone, then mixtures of two proxies."""
    mixed = []
    for share in _SHARES:
        for i, j in permutations(range(1, count), 2):
            if i < j or share != 0.5:
                row = np.zeros(count)
                row[i], row[j] = share, 1 - share
                mixed.append(row)
    return np.array([*np.eye(count), *mixed])


def _reason(used: dict[str, float], scores: dict[str, float]) -> str:
    if "constant" in used:
        return "not learnable at this budget: nothing predicts a mask it has not seen better than the mean does"
    what = "the least held-out error" if len(used) == 1 else "less held-out error together than either alone"
    return f"{' + '.join(used)}: {what} of " + ", ".join(f"{name} (R2 {score:.3f})" for name, score in scores.items())


def _mixture(shares: Float[np.ndarray, " p"], fits: list[Fit]) -> Fit:
    """The sum of shares of fits to the same masks."""
    used = [(float(share), fit) for share, fit in zip(shares, fits, strict=True) if share]
    if len(used) == 1:
        return used[0][1]
    first, *rest = [fit.spectrum.scale(share) for share, fit in used]
    spectrum, surrogate = first.merge(*rest), None
    smooth = [(share, fit.surrogate) for share, fit in used if fit.surrogate is not None]
    if smooth:
        # Shares of one function, not scaled ones: its standard error is the mean over the shares.
        spread = smooth[0][1].spread
        processes = tuple(
            dataclasses.replace(p, shares=p.shares * share, alphas=p.alphas * np.float32(s.spread / spread))
            for share, s in smooth
            for p in s.processes
        )
        sparse = [fit.spectrum.scale(share) for share, fit in used if fit.surrogate is None]
        first, *others = [s.rest.scale(share) for share, s in smooth]
        surrogate = dataclasses.replace(smooth[0][1], processes=processes, rest=first.merge(*others, *sparse))
    return Fit(spectrum.truncate(len(spectrum)), np.zeros(0), {}, surrogate)

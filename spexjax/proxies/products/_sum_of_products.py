"""A parametric proxy for very many masks: sums of products, trained on minibatches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._values import standardise
from spexjax.proxies._cross_validation import folds, leave_fold_selection
from spexjax.proxies._proxy import Fit, without_ends
from spexjax.proxies.products._products import BATCH, ORDER, Products, coefficients, fit_products, products_spectrum
from spexjax.spectrum import Spectrum, characters, padded_support
from spexjax.typing import Array, Key, Masks, Values

_STEPS, _EPOCHS = 1600, 10  # the least numbers of steps and of epochs
_PENALTIES = (10.0, 3.0)  # the cost of a unit of weight, in squared errors of one mask
_SIZES = (0, 30, 100, 300, 1000, 2000, 4000, 8000)  # numbers of terms to try, without the constant
_ROWS = 512  # masks predicted at a time


@dataclasses.dataclass(frozen=True)
class SumOfProducts:
    """The proxy made by `sum_of_products`."""

    rank: int = 96
    num_folds: int = 3

    @without_ends
    def __call__(self, masks: Masks, values: Values, key: Key) -> Fit:
        """Trains one model without each fold, and averages them; see `sum_of_products`."""
        y, centre, spread = standardise(values)
        (m, n), (fold_key, *keys) = masks.shape, jax.random.split(key, self.num_folds + 1)
        fold = folds(fold_key, masks, min(self.num_folds, m))
        num_folds, constant = int(fold.max()) + 1, Spectrum.constant(centre, n)
        if not spread:
            return Fit(constant, np.full(m, centre), {"folds": num_folds, "terms": 0})
        size = m - int(np.bincount(fold).max())  # the same number of masks without each fold: one shape
        steps = max(_STEPS, _EPOCHS * size // BATCH)

        def trained(k: int, penalty: float) -> tuple[Products, Spectrum]:
            rows = np.flatnonzero(fold != k)[:size]
            target = jnp.asarray(y[rows], jnp.float32)
            model = fit_products(keys[k], masks[rows], target, jnp.float32(penalty), self.rank, steps)
            return model, products_spectrum(model, _SIZES[-1])

        tried = [[trained(k, penalty) for penalty in _PENALTIES] for k in range(2)]
        predictions = np.empty((len(_PENALTIES) * len(_SIZES), m))
        for k, fits in enumerate(tried):
            predictions[:, fold == k] = np.concatenate([_truncations(each, masks[fold == k]) for _, each in fits])
        rows, held_out = fold < 2, np.empty(m)
        chosen = leave_fold_selection(predictions[:, rows], y[rows], fold[rows])
        held_out[rows], (best, size_index) = chosen.held_out, divmod(chosen.best, len(_SIZES))
        fits = [each[best] for each in tried] + [trained(k, _PENALTIES[best]) for k in range(2, num_folds)]
        for k in range(2, num_folds):
            held_out[fold == k] = _truncations(fits[k][1], masks[fold == k])[size_index]

        models, (first, *others) = zip(*fits, strict=True)
        support = np.asarray(first.merge(*others).support)
        mean = Spectrum(support, np.mean([coefficients(model, support) for model in models], axis=0), n)
        spectrum = constant.merge(mean.truncate(_SIZES[size_index] + 1).scale(spread))
        settings = {"rank": self.rank, "steps": steps, "penalty": _PENALTIES[best]}
        diagnostics = {"folds": num_folds, **settings, "terms": len(spectrum) - 1}
        return Fit(spectrum.truncate(len(spectrum)), held_out * spread + centre, diagnostics)


def _truncations(spectrum: Spectrum, masks: Masks) -> Float[np.ndarray, "q t"]:
    """Predictions of the constant and the strongest terms, for each number of terms."""
    n, terms = spectrum.num_features, _SIZES[-1] + 1
    support = padded_support(spectrum.support, n, ORDER, terms)  # one shape, one program
    padded = np.pad(masks, ((0, -len(masks) % _ROWS), (0, 0)))
    predicted = _predict(
        support, np.pad(spectrum.coefficients, (0, terms - len(spectrum))), padded.reshape(-1, _ROWS, n)
    )
    return np.asarray(predicted).T[:, : len(masks)]


@jax.jit
@jax.default_matmul_precision("highest")
def _predict(
    support: Int[Array, "k d"], coefficients: Float[Array, " k"], blocks: Bool[Array, "b r n"]
) -> Float[Array, "_ q"]:
    used = jnp.where(jnp.arange(len(coefficients))[:, None] <= jnp.array(_SIZES), coefficients[:, None], 0)
    return jax.lax.map(lambda masks: characters(support, masks) @ used, blocks).reshape(-1, len(_SIZES))


def sum_of_products(rank: int = 96) -> SumOfProducts:
    """A parametric proxy for 30,000 or more masks of about 100 features: sums of products trained by gradient.

    1. `Products` with `rank` units of each kind are trained by Adam without each of 3 folds, with a penalty on absolute
       weights. Their exact Fourier coefficients are read off.
    2. The strongest coefficients are kept. Their number and one of two penalties are chosen together, by the held-out
       error of the truncated spectrum, because truncation regularises too.
    3. Both penalties are tried without fold 0 and without fold 1. Fold 0 is predicted with the setting that fold 1
       chooses and vice versa, fold 2 with the setting that both choose. So no mask takes part in choosing the setting
       that predicts it.
    4. The spectrum is that of the mean of 3 models with the setting that both chose, truncated. The mean is better than
       each model, so the held-out error is a little pessimistic. There is no surrogate.

    The time is that of 5 trainings of `max(1600, m / 77)` steps on 512 masks each. Memory holds the masks and values, a
    few copies of the `2 * rank * (n + 1)` parameters of each model, and about 0.5 GB during the search for terms. With
    fewer than 10,000 masks, or with 1,000 features or more, `kernels` is better.

    Source: see `Products`. Averaging models that were trained on parts of the data is bagging (Breiman 1996).

    Args:
      rank: the number of units of each of the two kinds.

    Returns:
      A proxy. Calling it raises ValueError for fewer than 2 masks.
    """
    return SumOfProducts(rank)

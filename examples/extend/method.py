"""A method of your own: ridge regression on all pairs, available by name and to "auto"."""

from itertools import combinations

import jax
import numpy as np

import spexjax as sx


class Pairwise:
    """Fits every term of order 2 or less; leave-one-out predictions come from the hat matrix."""

    name = "pairwise"

    def design(self, key, num_features, budget, index):
        return sx.methods.draw(key, num_features, budget, index)

    def fit(self, design, evaluation, key):
        n, y = design.masks.shape[1], evaluation.values
        sets = [s for order in (0, 1, 2) for s in combinations(range(n), order)]
        one = sx.Spectrum.from_dict(dict.fromkeys(sets, 1.0), n)
        signs = np.asarray(sx.spectrum.characters(one.support, design.masks))
        inverse = np.linalg.inv(signs.T @ signs + np.eye(len(sets)))
        hat, weights = signs @ inverse @ signs.T, inverse @ signs.T @ y
        held_out = y - (y - hat @ y) / (1 - hat.diagonal())
        return sx.Fit(sx.Spectrum(one.support, weights, n), held_out, {"terms": len(sets)})


if __name__ == "__main__":
    sx.methods.register(Pairwise(), compete=True)
    game = sx.ablations.host_function(lambda m: m[:, 0] * 2.0 - 3.0 * m[:, 1] * m[:, 2], 10)
    explanation = sx.explain(game, budget=128, key=jax.random.key(0), method="pairwise")
    print(explanation)
    print(explanation.interactions("FSII", 2).top(2))

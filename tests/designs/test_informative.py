"""Masks chosen for what they tell of Shapley values: the gains against brute force, and the errors they save."""

from math import comb

import jax
import numpy as np
import pytest

from spexjax import Spectrum, explain
from spexjax.ablations import host_function
from spexjax.designs import _informative as module
from spexjax.designs import all_masks, informative, sized, uniform_rows, uniform_size
from spexjax.indices import interactions
from spexjax.methods import Design, get

SHAPES = [(1, 1), (2, 1), (3, 2), (7, 3), (8, 3), (31, 5), (32, 5), (61, 12), (40, 40), (1500, 30), (65, 300)]
N = 6
MASKS = all_masks(N)
SIGNS = np.where(MASKS, 1.0, -1.0)
RHO = module._RATE / N
KERNEL = np.prod(1 + RHO * SIGNS[:, None] * SIGNS, axis=-1) / (1 + RHO) ** N


def shapley():
    """`SV = W f`, f at all masks."""
    sizes = MASKS.sum(1)[None] - MASKS.T
    each = np.array([1 / (N * comb(N - 1, k)) for k in range(N)])[np.clip(sizes, 0, N - 1)]
    return np.where(MASKS.T, each, -each)


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_distinct_pairs_with_both_ends_first(m, n):
    masks = informative(jax.random.key(1), m, n)
    assert masks.shape == (uniform_size(m, n), n)
    assert masks.dtype == bool
    assert len(np.unique(masks, axis=0)) == len(masks)
    assert masks[0].all()
    if 1 < m < 2**n:
        assert not masks[1].any()
        whole = len(masks) - len(masks) % 2
        np.testing.assert_array_equal(masks[:whole:2], ~masks[1:whole:2])


def test_covariances_are_those_of_the_kernel():
    np.testing.assert_allclose(module._covariances_with_values(MASKS), shapley() @ KERNEL, atol=1e-12)
    odd = (KERNEL - KERNEL[:, ::-1]) / 2
    np.testing.assert_allclose(module._odd_kernel(SIGNS @ SIGNS.T, N), odd, atol=1e-12)
    np.testing.assert_allclose(shapley() @ odd, shapley() @ KERNEL, atol=1e-12)


def test_each_choice_lowers_the_variance_of_the_values_most():
    """Against conditioning the joint covariance anew for every candidate."""
    pool, known = MASKS[1 : 1 << (N - 1)], np.ones((1, N), bool)
    chosen = module._most_informative(pool, known, 7)
    odd = (KERNEL - KERNEL[:, ::-1]) / 2
    noise, number = module._NOISE * odd[0, 0], 1 << np.arange(N)
    of = shapley()

    def variance(rows):
        system = odd[np.ix_(rows, rows)] + noise * np.eye(len(rows))
        cross = of @ odd[:, rows]
        return np.trace(of @ odd @ of.T - cross @ np.linalg.solve(system, cross.T))

    rows = [int(known[0] @ number)]
    for best in chosen:
        left = [variance([*rows, int(mask @ number)]) for mask in pool]
        taken = {int(pool[i] @ number) for i in chosen[: chosen.index(best)]}
        left = [v if int(mask @ number) not in taken else np.inf for v, mask in zip(left, pool, strict=True)]
        assert left[best] == pytest.approx(min(left), rel=1e-9)
        rows.append(int(pool[best] @ number))


def test_one_in_four_pairs_is_uniform_and_keys_matter():
    designs = np.array([informative(jax.random.key(seed), 40, 40) for seed in range(40)])
    rows = designs[:, uniform_rows(40)[2::2]].reshape(-1, 40)
    assert np.abs(rows.sum(1) - 20).mean() < 4
    assert not np.array_equal(designs[0], designs[1])
    np.testing.assert_array_equal(designs[3], informative(jax.random.key(3), 40, 40))


def test_features_are_covered_evenly():
    """Of 30 features each is removed from small masks about as often; random ones leave some out."""

    def unevenness(design):
        masks = np.delete(np.asarray(design(jax.random.key(2), 96, 30)), uniform_rows(96), axis=0)
        small = masks[masks.sum(1) < 15]
        return (small / small.sum(1, keepdims=True)).sum(0).std()

    assert unevenness(informative) < 0.5 * unevenness(sized)


class SizedMasks:
    """The same fit to random masks of the same sizes."""

    name = "sized-masks"

    def design(self, key, num_features, budget, index):
        masks = np.asarray(sized(key, budget, num_features))
        return Design("sized", masks, uniform_rows(len(masks)), by_size=True)

    def fit(self, design, evaluation, key):
        return get("proxyspex-gp").fit(design, evaluation, key)


def test_shapley_values_are_better_known():
    """The squared errors on smooth games of ten features, about half of those from random masks."""
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        sets = [tuple(sorted(rng.choice(10, size, replace=False).tolist())) for size in (2, 2, 2, 3, 3)]
        terms = {(i,): rng.normal() for i in range(10)} | {s: 0.5 * rng.normal() for s in sets}
        spectrum = Spectrum.from_dict(terms, 10)
        truth, errors = interactions(spectrum, "SV", 1), []
        for method in ("proxyspex-gp", SizedMasks()):
            ablation = host_function(lambda masks, f=spectrum: np.asarray(f(masks)), 10)
            options = {"budget": 64, "key": jax.random.key(seed), "index": "SV", "progress": False}
            found = explain(ablation, method=method, **options).interactions("SV")
            errors.append(sum((found[i] - truth[i]) ** 2 for i in range(10)))
        ratios.append(errors[0] / errors[1])
    assert np.exp(np.log(ratios).mean()) < 0.7


@pytest.mark.parametrize(("m", "n"), [(0, 3), (3, 0)])
def test_nothing_to_draw(m, n):
    with pytest.raises(ValueError, match="at least one mask and one feature"):
        informative(jax.random.key(0), m, n)

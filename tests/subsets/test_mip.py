"""The most influential subset, certified: equal to brute force over all masks."""

import numpy as np
import pytest
from common import all_masks

from spexjax.spectrum import Spectrum
from spexjax.subsets import certify, optimum, problem
from spexjax.subsets._enumeration import enumerate_all, few
from spexjax.subsets._mip import moebius

GOALS = ("farthest", "nearest", "largest", "smallest")


def random_spectrum(n, terms, max_order, seed, active=None):
    rng = np.random.default_rng(seed)
    found = {(): rng.normal()}
    while len(found) < terms:
        s = rng.choice(active or n, rng.integers(1, max_order + 1), replace=False)
        found[tuple(sorted(s.tolist()))] = rng.normal()
    return Spectrum.from_dict(found, n)


def brute_force(spectrum, removed, goal):
    """The best score of all masks with so many removed."""
    masks = all_masks(spectrum.num_features)
    signs = [(np.prod(1.0 - 2 * masks[:, list(s)], axis=1), c) for s, c in spectrum.to_dict().items()]
    values = sum(c * sign for sign, c in signs)
    full, values = values[-1], values[masks.sum(1) == len(masks[0]) - removed]
    return {
        "farthest": np.abs(values - full).max(),
        "nearest": -np.abs(values - full).min(),
        "largest": values.max(),
        "smallest": -values.min(),
    }[goal]


@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize(
    ("n", "active", "order", "removed"), [(7, 7, 4, 3), (9, 9, 3, 7), (10, 6, 4, 5), (12, 12, 2, 2)]
)
def test_certified_equals_brute_force(n, active, order, removed, goal):
    spectrum = random_spectrum(n, 25, order, seed=n, active=active)
    task = problem(spectrum, removed)
    certificate = certify(task, goal, 60.0)
    score = max(task.score(task.value(chosen), goal) for chosen in certificate.choices)
    expected = brute_force(spectrum, removed, goal)
    assert certificate.closed
    assert score == pytest.approx(expected, abs=task.tolerance if goal == "nearest" else 1e-5)
    assert certificate.bound >= expected - (task.tolerance + 1e-5 if goal == "nearest" else 1e-5)
    assert few(task)
    chosen = enumerate_all(task, goal)
    assert task.score(task.value(chosen), goal) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("removed", range(7))
def test_every_size_and_the_mask_it_returns(removed):
    spectrum = random_spectrum(6, 20, 4, seed=1)
    for goal in GOALS:
        found = optimum(spectrum, removed, goal=goal)
        assert (~found.mask).sum() == removed
        assert found.value == pytest.approx(float(spectrum(found.mask[None])[0]), abs=1e-5)
        assert found.full == pytest.approx(float(spectrum(np.ones((1, 6), bool))[0]), abs=1e-5)
        assert found.score == pytest.approx(
            brute_force(spectrum, removed, goal), abs=5e-3 if goal == "nearest" else 1e-5
        )
        assert found.status == "optimal"
        assert 0 <= found.gap < 5e-3


def test_the_moebius_form_is_the_function():
    spectrum = random_spectrum(8, 30, 4, seed=2)
    for removed in (3, 6):
        task = problem(spectrum, removed)
        form = moebius(task)
        for chosen in all_masks(8)[[0, 5, 129, 22]]:
            sets = [form.support[t, :o].tolist() for t, o in enumerate(form.orders)]
            total = form.constant + sum(a for s, a in zip(sets, form.values, strict=True) if chosen[s].all())
            if chosen.sum() <= task.size:
                assert total == pytest.approx(task.value(chosen), abs=1e-4)


def test_a_hard_instance_is_solved_or_says_that_time_was_up():
    spectrum = random_spectrum(64, 300, 4, seed=0)
    found = optimum(spectrum, 12, time_limit=1.5)
    search = optimum(spectrum, 12, method="local")
    assert found.status == "timeout"
    assert np.isfinite(found.bound)
    assert found.gap > 0
    assert found.score >= search.score
    assert found.seconds < 12
    assert (search.status, search.bound, (~search.mask).sum()) == ("local", np.inf, 12)


def test_an_easy_instance_of_that_size_is_certified():
    rng = np.random.default_rng(0)
    terms = {(i,): rng.normal() for i in range(64)}
    while len(terms) < 300:
        s = tuple(sorted(rng.choice(64, rng.integers(2, 4), replace=False).tolist()))
        terms[s] = 0.05 * rng.normal()
    found = optimum(Spectrum.from_dict(terms, 64), 20)
    assert found.status == "optimal"
    assert found.gap == pytest.approx(0, abs=1e-4)


def test_degenerate_functions():
    for terms in ({}, {(): 2.0}, {(3,): 1.0}):
        found = optimum(Spectrum.from_dict(terms, 5), 2)
        assert (~found.mask).sum() == 2
        assert found.score == pytest.approx(2.0 if (3,) in terms else 0.0)


def test_many_features_few_of_which_matter():
    spectrum = Spectrum.from_dict({(7, 40_000): 1.0, (7,): 0.5, (12, 13): 0.2}, 50_000)
    found = optimum(spectrum, 30_000)
    assert (~found.mask).sum() == 30_000
    assert found.score == pytest.approx(
        brute_force(Spectrum.from_dict({(0, 1): 1.0, (0,): 0.5, (2, 3): 0.2}, 4), 2, "farthest")
    )


def test_mistakes_are_named():
    spectrum = random_spectrum(6, 10, 3, seed=3)
    for removed in (-1, 7):
        with pytest.raises(ValueError, match="between 0 and 6"):
            optimum(spectrum, removed)
    with pytest.raises(ValueError, match="goal must be one of"):
        optimum(spectrum, 1, goal="best")
    with pytest.raises(ValueError, match="method must be one of"):
        optimum(spectrum, 1, method="quick")
    wide = Spectrum.from_dict({tuple(range(20)): 1.0, tuple(range(20, 60)): 1.0}, 60)
    with pytest.raises(ValueError, match="truncate the spectrum"):
        optimum(wide, 20, method="exact")
    assert optimum(wide, 20).status == "local"

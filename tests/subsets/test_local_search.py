"""The local search: no swap improves what it returns, and mostly it is the best there is."""

import itertools

import jax
import numpy as np
import pytest
from test_mip import GOALS, brute_force, random_spectrum

from spexjax.spectrum import Spectrum
from spexjax.subsets import local_search, problem


@pytest.mark.parametrize("goal", GOALS)
def test_no_swap_is_better(goal):
    task = problem(random_spectrum(14, 60, 4, seed=5), 5)
    chosen = local_search(task, goal, starts=4)
    assert chosen.sum() == 5
    best = task.score(task.value(chosen), goal)
    for i, j in itertools.product(np.flatnonzero(chosen), np.flatnonzero(~chosen)):
        swapped = chosen.copy()
        swapped[[i, j]] = False, True
        assert task.score(task.value(swapped), goal) <= best + 1e-3


def test_with_double_precision_enabled():
    with jax.enable_x64(True):
        task = problem(random_spectrum(11, 40, 4, seed=0), 4)
        for goal in ("farthest", "nearest"):
            assert local_search(task, goal).sum() == 4


def test_it_mostly_finds_the_optimum():
    hits = []
    for seed in range(8):
        spectrum = random_spectrum(11, 40, 4, seed)
        for goal in GOALS[:1] + GOALS[2:]:
            task = problem(spectrum, 4)
            hits.append(task.score(task.value(local_search(task, goal)), goal) > brute_force(spectrum, 4, goal) - 1e-4)
    assert np.mean(hits) >= 0.9


def test_what_acts_only_together_is_found():
    """A product of three, no part of which has an effect while the others are there, beside weak single features."""
    trio = {(): 0.125, (0,): 0.125, (1,): 0.125, (2,): 0.125, (0, 1): 0.125, (0, 2): 0.125, (1, 2): 0.125}
    spectrum = Spectrum.from_dict(
        {s: 8 * c * (-1) ** len(s) for s, c in (trio | {(0, 1, 2): 0.125}).items()}
        | {(i,): -0.1 for i in range(3, 12)},
        12,
    )
    flipped = Spectrum.from_dict({s: c * (-1) ** len(s) for s, c in spectrum.to_dict().items()}, 12)  # kept <-> removed
    task = problem(flipped, 3)
    assert np.flatnonzero(local_search(task, "farthest")).tolist() == [0, 1, 2]


def test_inert_features_are_taken_where_they_help():
    """Removing either active feature does harm, so that the smallest change removes the others."""
    task = problem(Spectrum.from_dict({(0,): 1.0, (3,): 1.0, (0, 3): 0.3}, 9), 4)
    assert local_search(task, "nearest").sum() == 0
    assert np.flatnonzero(~task.kept(local_search(task, "nearest"))).tolist() == [1, 2, 4, 5]

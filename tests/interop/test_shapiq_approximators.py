"""The approximators of shapiq that benchmarks compare with run with our settings, and answer what we say they do."""

import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from common import all_masks

import spexjax as sx
from spexjax.transforms import exact_spectrum

pytest.importorskip("shapiq")
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from peers import PEERS, SPEX_BUDGET, shapiq_approximators

ORDERS = {"SV": 1, "SII": 2, "FSII": 2, "FBII": 2}
N, BUDGET = 7, 64
NEEDS = {"proxyshap": "xgboost", "proxyshap-adjusted": "xgboost", "regressionmsr": "xgboost", "shapleig": "botorch"}
NEEDS |= {"proxyspex": "lightgbm", "oddshap": "lightgbm"}


def game(masks):
    """Some of shapiq's approximators ask for one coalition, a vector."""
    masks = np.atleast_2d(masks)
    return masks @ np.linspace(1.0, 2.0, masks.shape[1]) + 0.5 * masks[:, 0] * masks[:, 1]


@pytest.mark.parametrize(("name", "index"), [(name, index) for name in PEERS for index in PEERS[name]])
def test_a_peer_is_better_than_no_answer(name, index):
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"needs {NEEDS[name]}")
    n, budget = (12, SPEX_BUDGET) if name == "spex" else (N, BUDGET)
    masks, order = all_masks(n), ORDERS[index]
    exact = sx.indices.interactions(exact_spectrum(masks, game(masks)), index, order).to_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = shapiq_approximators(n, index, order, 0, budget)[name]().approximate(budget, game)
    values = np.array([[found[s], v] for s, v in exact.items() if s])
    assert np.mean((values[:, 0] - values[:, 1]) ** 2) < 0.5 * np.mean(values[:, 1] ** 2)


@pytest.mark.parametrize("index", ORDERS)
def test_the_peers_of_an_index_are_those_named(index):
    named = {name for name in PEERS if index in PEERS[name]}
    assert set(shapiq_approximators(N, index, ORDERS[index], 0, BUDGET)) == named - {"spex"}
    assert set(shapiq_approximators(N, index, ORDERS[index], 0, SPEX_BUDGET)) == named - {"shapleig"}

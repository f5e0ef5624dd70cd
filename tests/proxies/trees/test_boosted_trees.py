import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from spexjax.metrics import r2
from spexjax.proxies import boosted_trees, lasso

SENT24 = Path(__file__).parents[2] / "games" / "sent24.npz"  # 24 words of a review, SmolLM2-135M-Instruct


@pytest.fixture(scope="module")
def game():
    data = np.load(SENT24)
    masks = np.unpackbits(data["masks"], axis=1)[:, : int(data["n"])].astype(bool)
    return masks, data["values"]


def scores(proxy, game, m):
    masks, values = game
    fit = proxy(masks[:m], values[:m], jax.random.key(0))
    return r2(values[-1024:], fit.spectrum(masks[-1024:])), r2(values[:m], fit.held_out)


@pytest.mark.parametrize(
    ("grid", "m", "least"), [("paper", 256, 0.63), ("paper", 1024, 0.80), ("fast", 256, 0.63), ("fast", 1024, 0.80)]
)
def test_faithfulness_on_a_language_model(game, grid, m, least):
    test, held_out = scores(boosted_trees(grid), game, m)
    assert test >= least
    assert held_out == pytest.approx(test, abs=0.12)


def test_lasso_on_a_language_model(game):
    test, held_out = scores(lasso(), game, 256)
    assert test == pytest.approx(0.44, abs=0.03)
    assert held_out == pytest.approx(test, abs=0.12)


def test_interactions_are_found():
    masks = np.random.default_rng(0).random((400, 12)) < 0.5
    values = 1.0 * (masks[:, 1] & masks[:, 5]) + (masks[:, 2] ^ masks[:, 7])
    fit = boosted_trees()(masks, values, jax.random.key(0))
    found = fit.spectrum.to_dict()
    for s, c in {(): 0.75, (1,): -0.25, (5,): -0.25, (1, 5): 0.25, (2, 7): -0.5}.items():
        assert found.pop(s) == pytest.approx(c, abs=0.02)
    assert max(map(abs, found.values()), default=0) < 0.02


def test_missing_lightgbm_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(ImportError, match=r"Boosted trees need LightGBM: pip install 'spexjax\[trees\]'\."):
        boosted_trees()(np.eye(4, dtype=bool), np.arange(4.0), jax.random.key(0))


def test_unknown_grid():
    with pytest.raises(ValueError, match="There is no grid"):
        boosted_trees("huge")

"""Round trips with the real shapiq and spectralexplain, in the environment that `make bench-peers` makes."""

import warnings

import jax
import numpy as np
import pytest
from common import all_masks

import spexjax as sx

WHY = "needs shapiq and spectralexplain, and Python 3.12: make bench-peers"
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    shapiq = pytest.importorskip("shapiq", reason=WHY)
    spectralexplain = pytest.importorskip("spectralexplain", reason=WHY)

N, NAMES = 6, tuple("abcdef")
MASKS = all_masks(N)
ENDS = {"SV", "BV", "SII", "BII"}  # whose tables have no value for the empty set


def value(x):
    x = np.asarray(x, float)
    return 1.5 + 2 * x[:, 0] * x[:, 3] - x[:, 1] + x[:, 2] * x[:, 4] * x[:, 5]


@pytest.fixture(scope="module")
def ablation():
    return sx.ablations.host_function(value, N, feature_names=NAMES)


@pytest.fixture(scope="module")
def explanation(ablation):
    return sx.explain(ablation, budget=2**N, key=jax.random.key(0))


@pytest.mark.parametrize("index", ["SV", "BV", "SII", "BII", "STII", "FSII", "FBII", "k-SII", "Moebius", "Fourier"])
def test_our_tables_are_theirs_and_ours_again(explanation, index):
    table = explanation.interactions(index)
    theirs = table.to_shapiq()
    assert isinstance(theirs, shapiq.InteractionValues)
    assert theirs.index == index
    assert not theirs.estimated
    assert {type(v) for v in theirs.interactions.values()} == {float}
    ours = sx.Interactions.from_shapiq(theirs, NAMES)
    assert ours.to_dict() == table.to_dict()
    assert (ours.index, ours.max_order, ours.feature_names) == (table.index, table.max_order, table.feature_names)
    assert (ours - table).top(1).values.tolist() == [0.0]


@pytest.mark.parametrize("index", ["SV", "BV", "SII", "BII", "STII", "FSII", "FBII", "k-SII", "Moebius", "Fourier"])
def test_their_exact_values_are_ours(ablation, explanation, index):
    """Their definitions are ours, name by name: their computer of exact values on our game gives what we give."""
    order = {"SV": 1, "BV": 1, "Moebius": N, "Fourier": N}.get(index, 2)
    game = sx.interop.to_game(ablation)
    theirs = shapiq.ExactComputer(game, n_players=N)(index, order)
    table = sx.Interactions.from_shapiq(theirs, NAMES)
    found = explanation.interactions(index, None if order == N else order).to_dict()
    for s, each in table.to_dict().items():
        if s or index not in ENDS:
            assert found.get(s, 0.0) == pytest.approx(each, abs=1e-4), s


def test_the_baseline(explanation):
    table = explanation.interactions("SV")
    assert table.to_shapiq().baseline_value == 0.0
    theirs = table.to_shapiq(baseline=1.5)
    assert (theirs.baseline_value, theirs[()], theirs.min_order) == (1.5, 1.5, 0)
    assert explanation.interactions("FSII").to_shapiq().baseline_value == pytest.approx(1.5, abs=1e-5)


def test_their_plots_take_our_values(explanation):
    import matplotlib

    matplotlib.use("Agg")
    theirs = explanation.interactions("FSII").to_shapiq()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert theirs.plot_network(show=False, feature_names=[*NAMES]) is not None
        assert theirs.plot_upset(show=False, feature_names=[*NAMES]) is not None


def test_their_games_are_explained_and_come_back():
    from shapiq_games.synthetic import DummyGame

    game = DummyGame(N, interaction=(1, 2))
    ablation = sx.interop.from_game(game)
    np.testing.assert_allclose(sx.evaluate(ablation, MASKS), game(MASKS))
    again = sx.interop.to_game(ablation)
    np.testing.assert_allclose(again(MASKS), game(MASKS))
    found = sx.explain(ablation, budget=2**N, key=jax.random.key(0)).interactions("Moebius")
    assert found[1, 2] == pytest.approx(1.0, abs=1e-5)


def test_our_game_is_theirs(ablation):
    game = sx.interop.to_game(ablation, normalize=True)
    assert isinstance(game, shapiq.Game)
    assert game.is_normalized
    np.testing.assert_allclose(game(MASKS), value(MASKS) - 1.5)
    np.testing.assert_allclose(game([("a", "d")]), [2.0])
    approximator = shapiq.KernelSHAPIQ(n=N, max_order=2, index="SII", random_state=0)
    estimated = sx.Interactions.from_shapiq(approximator.approximate(2**N, game), NAMES)
    exact = sx.explain(ablation, budget=2**N, key=jax.random.key(0)).interactions("SII")
    assert estimated["a", "d"] == pytest.approx(exact["a", "d"], abs=1e-3)


def test_our_ablation_is_their_value_function(ablation, monkeypatch):
    search, few = spectralexplain.utils.GridSearchCV, {"n_estimators": [50], "max_depth": [3], "learning_rate": [0.1]}
    quick = {"param_grid": few, "cv": 2}  # their grid has up to 5,000 trees in each of 5 folds
    monkeypatch.setattr(spectralexplain.utils, "GridSearchCV", lambda **options: search(**options | quick))
    np.random.seed(0)  # theirs draws masks from it; with fewer than these, some draws lose the pair
    theirs = spectralexplain.Explainer(
        value_function=sx.interop.to_value_function(ablation),
        features=[*NAMES],
        sample_budget=1000,
        algorithm="proxyspex",
    )
    assert ("a", "d") in theirs.interactions(index="fbii").get_interactions()


def test_their_value_function_is_explained():
    def value_function(masks):
        assert masks.dtype.kind == "i"
        return value(masks).tolist()

    ablation = sx.interop.from_value_function(value_function, NAMES)
    found = sx.explain(ablation, budget=2**N, key=jax.random.key(0)).interactions("Moebius")
    assert found["a", "d"] == pytest.approx(2.0, abs=1e-5)

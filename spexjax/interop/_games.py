"""Games of shapiq and value functions of spectralexplain as ablations, and ablations as these."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from spexjax.ablation import Ablation, checked_ablation
from spexjax.ablations import FunctionAblation, host_function
from spexjax.evaluation import Store, evaluate
from spexjax.spectrum import checked_masks

ValueFunction = Callable[[Shaped[np.ndarray, "b n"]], Float[np.ndarray, " b"]]


def from_game(
    game: Any,
    *,
    feature_names: Sequence[str] | None = None,
    fingerprint: str | None = None,
    batch_size: int = 256,
) -> FunctionAblation:
    """A `shapiq.Game`, an imputer included, as an ablation: its players are the features.

    The values are those of `game(coalitions)`: normalised if the game is.

    Args:
      game: has `n_players`, and maps bool coalitions `[b, n]` to b numbers. shapiq itself is not imported.
      feature_names: n names; the game's own player names, or x0, x1, ... by default.
      fingerprint: as in `ablations.host_function`.
      batch_size: coalitions per call.

    Raises:
      ValueError: if that is no game, or there are not n names.

    >>> class Game:  # as shapiq has them
    ...     n_players, player_name_lookup = 2, {"a": 0, "b": 1}
    ...     def __call__(self, coalitions):
    ...         return coalitions.sum(1) * 1.5
    >>> from_game(Game()).feature_names, evaluate(from_game(Game()), np.eye(2, dtype=bool)).tolist()
    (('a', 'b'), [1.5, 1.5])
    """
    n = getattr(game, "n_players", None)
    if not callable(game) or not isinstance(n, int | np.integer):
        raise ValueError(
            f"from_game takes a shapiq.Game, which has n_players and can be called; got {type(game).__name__}. Use "
            "from_value_function for a function of masks."
        )
    own = getattr(game, "player_name_lookup", None) or {}
    if feature_names is None and len(own) == n:
        feature_names = sorted(own, key=own.__getitem__)
    names = None if feature_names is None else tuple(map(str, feature_names))
    return host_function(
        lambda masks: np.asarray(game(masks), np.float64),
        int(n),
        feature_names=names,
        fingerprint=fingerprint,
        batch_size=batch_size,
    )


def from_value_function(
    value_function: Callable[[Any], Any],
    features: int | Sequence[Any],
    *,
    fingerprint: str | None = None,
    batch_size: int = 256,
) -> FunctionAblation:
    """A value function as `spectralexplain.Explainer` takes it, as an ablation.

    Args:
      value_function: maps integer masks `[b, n]`, 1 = kept, to b numbers.
      features: n, or the n features, whose `str` are their names.
      fingerprint: as in `ablations.host_function`.
      batch_size: masks per call.

    Raises:
      ValueError: if there are no features.

    >>> spent = from_value_function(lambda masks: [sum(mask) for mask in masks], features=["a", "b", "c"])
    >>> evaluate(spent, np.array([[True, True, False]])).tolist()
    [2.0]
    """
    if isinstance(features, str):
        raise ValueError("features is how many features there are, or a list of them; got a string.")
    n, names = (features, None) if isinstance(features, int) else (len(features), tuple(map(str, features)))
    return host_function(
        lambda masks: np.asarray(value_function(masks.astype(int)), np.float64),
        n,
        feature_names=names,
        fingerprint=fingerprint,
        batch_size=batch_size,
    )


def to_value_function(ablation: Ablation, *, store: Store | None = None) -> ValueFunction:
    """An ablation as `value_function` for `spectralexplain.Explainer`, and for all else that calls masks.

    Args:
      ablation: with one value per mask.
      store: where values are looked up and kept, as in `evaluate`.

    Returns:
      A function from masks `[b, n]` of 0 and 1, or False and True, to b numbers in float64.

    Raises:
      ValueError: if that is no ablation, or it gives several values.

    >>> pair = host_function(lambda masks: masks.all(1), num_features=2)
    >>> to_value_function(pair)(np.array([[1, 1], [0, 1]])).tolist()
    [1.0, 0.0]
    """
    n = checked_ablation(ablation, single=True).num_features

    def value_function(masks: Any) -> Float[np.ndarray, " b"]:
        kept = np.asarray(checked_masks(np.atleast_2d(np.asarray(masks)), n))
        return np.asarray(evaluate(ablation, kept, store=store, progress=False), np.float64)

    return value_function


def to_game(ablation: Ablation, *, normalize: bool = False, store: Store | None = None) -> Any:
    """An ablation as a `shapiq.Game`, for shapiq's approximators, its exact computer and its benchmarks.

    Args:
      ablation: with one value per mask; its features are the players.
      normalize: subtract the value of the empty coalition, which many of shapiq's approximators expect.
      store: where values are looked up and kept, as in `evaluate`.

    Raises:
      ImportError: if shapiq is not installed; it needs Python 3.12.
      ValueError: if that is no ablation, or it gives several values.
    """
    values = to_value_function(ablation, store=store)
    try:
        import shapiq
    except ImportError as error:
        raise ImportError("This needs shapiq: pip install 'shapiq>=1.8', on Python 3.12 or later.") from error

    class AblationGame(shapiq.Game):  # type: ignore[misc, name-defined]
        def value_function(self, coalitions):
            return values(coalitions)

    names, n = [*map(str, ablation.feature_names)], ablation.num_features
    nothing = float(values(np.zeros((1, n), bool))[0]) if normalize else 0.0
    distinct = names if len(set(names)) == n else None
    return AblationGame(n, normalize=normalize, normalization_value=nothing, player_names=distinct)

"""Other packages' games as ablations, ours as theirs, and attribution matrices; shapiq is imported only if asked for.

`Interactions.to_shapiq` and `Interactions.from_shapiq` are the tables' side of it.
"""

from spexjax.interop._attributions import Attributions, attributions
from spexjax.interop._games import from_game, from_value_function, to_game, to_value_function

__all__ = ["Attributions", "attributions", "from_game", "from_value_function", "to_game", "to_value_function"]

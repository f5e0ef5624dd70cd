"""Orders: how much of the variance single features carry, how much pairs, and so on."""

from typing import Any

import numpy as np

from spexjax.explanation import Explanation
from spexjax.indices import Interactions
from spexjax.plots._shown import faithfulness_notes
from spexjax.plots._style import INK, NORMAL, POSITIVE, SMALL, Axes, new_axes, tidy, titled

_MOST = 8  # orders that have a bar of their own
_WORDS = {1: "single features", 2: "pairs", 3: "triples"}


def orders(source: Explanation | Interactions, *, ax: Axes | None = None) -> Axes:
    """Draws each order's share of the variance over all masks, `sum_{|S| = o} F(S)^2 / sum_{S != ∅} F(S)^2`.

    Args:
      source: an explanation, whose Fourier terms are taken; or interactions, whose squares are summed in the same way
        (a variance only if their index is Fourier).
      ax: where to draw; by default a new figure.

    Returns:
      The axes.

    Raises:
      ValueError: if it is neither.
    """
    if isinstance(source, Explanation):
        energy, fourier, notes = source.spectrum.energy_by_order(), True, faithfulness_notes(source)
    elif isinstance(source, Interactions):
        weights, fourier = np.asarray(source.values, np.float64) ** 2, source.index == "Fourier"
        energy, notes = np.bincount(source.orders, weights, minlength=source.support.shape[1] + 1), []
    else:
        raise ValueError(f"A picture is made of an Explanation or of Interactions; got {type(source).__name__}.")
    energy = np.append(energy[1:], [0.0] * (len(energy) < 2))
    total = float(energy.sum())
    shares = energy / total if total > 0 else energy
    if len(shares) > _MOST:
        shares = np.append(shares[: _MOST - 1], shares[_MOST - 1 :].sum())
    ax = new_axes(ax, max(4.4, 1.4 + 0.62 * len(shares)), 3.2)
    tidy(ax, grid="y")
    names = [str(order) for order in range(1, len(shares) + 1)]
    names[-1] = f"≥ {_MOST}" if len(energy) > _MOST else names[-1]
    ax.bar(range(len(shares)), 100 * shares, width=0.7, color=POSITIVE, linewidth=0)
    for at, share in enumerate(shares.tolist()):
        place: dict[str, Any] = {"xytext": (0, 2), "textcoords": "offset points", "ha": "center"}
        ax.annotate(
            f"{100 * share:.{0 if share >= 0.1 else 1}f} %", (at, 100 * share), **place, fontsize=SMALL, color=INK
        )
    ax.set_xticks(range(len(shares)), names, fontsize=NORMAL)
    ax.set(ylim=(0, 109), yticks=range(0, 101, 25), xlabel="order: features in a set")
    ax.set_ylabel("share of the variance (%)" if fourier else "share of the sum of squares (%)")
    titled(ax, _title(shares, fourier), notes)
    return ax


def _title(shares: np.ndarray, fourier: bool) -> str:
    if not shares.sum() > 0:
        return "The function is constant"
    order = int(np.argmax(shares)) + 1
    which = f"sets of {_MOST} or more" if order == _MOST else _WORDS.get(order, f"sets of {order}")
    share = 100 * float(shares[order - 1])
    return f"{which.capitalize()} carry {share:.0f} % of the {'variance' if fourier else 'squares'}"

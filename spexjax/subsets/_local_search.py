"""A fast answer: greedy choices from several starts, each improved by the best swap until there is none."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from spexjax._buckets import bucket
from spexjax.subsets._problem import Problem
from spexjax.typing import Array

_STARTS = 32
_MAX_PAIRS = 1 << 26  # pairs of items, over all starts, that are evaluated at once
_BLOCK, _TERMS = 256, 8192  # terms in a block, and the fewest that a program holds
_MANY = 256  # features beyond which only those in the spectrum count
_WAYS = {"farthest": ((1, 0), (-1, 0)), "nearest": ((0, 1),), "largest": ((1, 0),), "smallest": ((-1, 0),)}


def local_search(problem: Problem, goal: str, starts: int = _STARTS) -> Bool[np.ndarray, " a"]:
    """The best choice found from several starts; in both directions if the goal is the farthest value.

    The first start is empty, the others are the sets S of largest |F(S)|, as items that act together are hard to find
    one by one. Each is completed greedily. Then a chosen item is swapped for another as long as that helps. All swaps
    are evaluated at once: with `w_S = F(S) (-1)^{|S ∩ z|}`, `g_i = sum_{S ∋ i} w_S` and `Q_ij = sum_{S ∋ i, j} w_S`,
    swapping i and j changes f by `-2 (g_i + g_j - 2 Q_ij)`.

    Args:
      problem: from `problem`.
      goal: "farthest" from f(1), "nearest" to it, "largest" or "smallest" f.
      starts: how many starts; fewer if a matrix of pairs for each would not fit in memory.

    Returns:
      Which active items are chosen. No swap improves the choice, but nothing is certified.
    """
    a, (k, d) = len(problem.active), problem.support.shape
    least, most = max(problem.size - problem.inert, 0), min(problem.size, a)  # active items in a choice
    items, width = max(32, bucket(problem.num_features + 1)), -(-d // 8) * 8  # few shapes
    if items > _MANY:
        items = -(-(a + 1) // 32) * 32
    terms = max(_TERMS, 1 << (k - 1).bit_length())
    starts = min(starts, max(2, _MAX_PAIRS // items**2))
    support = np.full((terms, width), items, np.int32)
    support[:k, :d] = np.where(problem.support == a, items, problem.support)
    scale = np.abs(problem.coefficients).max(initial=0) or 1.0
    coefficients = np.zeros(terms, np.float32)
    coefficients[:k] = problem.coefficients / scale
    orders = (support < items).sum(1)
    strongest = np.argsort(-np.abs(coefficients), kind="stable")
    strongest = strongest[(orders[strongest] > 0) & (orders[strongest] <= most)][: starts - 1]
    begin = np.zeros((starts, items + 1), bool)
    begin[1 + np.arange(len(strongest))[:, None], support[strongest]] = True
    found = _search(
        support.reshape(-1, _BLOCK, width),
        coefficients.reshape(-1, _BLOCK),
        np.int32(-(-k // _BLOCK)),
        np.float32(problem.full / scale),
        np.array(_WAYS[goal], np.float32),
        begin[:, :items],
        np.arange(items) < a,
        np.array([least, most]),
    )
    choices = np.unique(np.asarray(found).reshape(-1, items)[:, :a], axis=0)
    return max(choices, key=lambda chosen: problem.score(problem.value(chosen), goal))


@jax.jit
def _search(
    support: Int[Array, "b r d"],
    coefficients: Float[Array, "b r"],
    count: Int[Array, ""],
    full: Float[Array, ""],
    ways: Float[Array, "w 2"],
    begin: Bool[Array, "s u"],
    real: Bool[Array, " u"],
    sizes: Int[Array, "2"],
) -> Bool[Array, "w s u"]:
    """For each way `(p, q)` of scoring, `p f - q |f - f(1)|`, and each start, a choice that no move improves.

    The terms come in blocks, of which the first `count` are used. A choice has between `sizes[0]` and `sizes[1]` real
    items; the inert ones make up the rest. The last item is a dummy: swapping it for another item adds that item, and
    the reverse removes it.
    """
    items = begin.shape[1]
    eye, rounding = jnp.eye(items, dtype=bool) & real, 1e-6 * jnp.abs(coefficients).sum()
    none = jnp.arange(items) == items - 1

    def sums(chosen, pairs: bool):
        """f, `g_i` and `Q_ij` of `local_search`; without Q_ij unless pairs are wanted."""

        def add(i, total):
            f, g, q = total
            terms = support[i]
            odd = chosen.at[terms].get(mode="fill", fill_value=False).sum(1) % 2 > 0
            w = jnp.where(odd, -coefficients[i], coefficients[i])
            if pairs:
                q = q.at[terms[:, :, None], terms[:, None]].add(w[:, None, None], mode="drop")
            return f + w.sum(), g.at[terms].add(w[:, None], mode="drop"), q

        shape = (items, items) if pairs else ()
        zeros = jnp.zeros(()), jnp.zeros(items), jnp.zeros(shape)
        return jax.lax.fori_loop(0, count, add, zeros)

    def search(way, chosen):
        def score(f):
            return way[0] * f - way[1] * jnp.abs(f - full)

        def add(state):
            chosen, _ = state
            f, g, _ = sums(chosen, pairs=False)
            scores = jnp.where(real & ~chosen, score(f - 2 * g), -jnp.inf)
            pick, size = jnp.argmax(scores), chosen.sum()
            more = (size < sizes[0]) | ((size < sizes[1]) & (scores[pick] > score(f) + rounding))
            return jnp.where(more, chosen | eye[pick], chosen), more

        def swap(state):
            chosen, best, _ = state
            (f, g, q), size = sums(chosen, pairs=True), chosen.sum()
            values = f - 2 * (g[:, None] + g - 2 * q)  # f after each swap
            out, into = chosen | (none & (size < sizes[1])), (real & ~chosen) | (none & (size > sizes[0]))
            scores = jnp.where(out[:, None] & into, score(values), -jnp.inf)
            i, j = jnp.unravel_index(jnp.argmax(scores), scores.shape)
            better = scores[i, j] > best + rounding  # strictly, or the loop might not end
            return jnp.where(better, chosen ^ eye[i] ^ eye[j], chosen), jnp.where(better, scores[i, j], best), better

        chosen, _ = jax.lax.while_loop(lambda state: state[1], add, (chosen, True))
        return jax.lax.while_loop(lambda state: state[2], swap, (chosen, score(sums(chosen, False)[0]), True))[0]

    return jax.vmap(lambda way: jax.vmap(lambda chosen: search(way, chosen))(begin))(ways)

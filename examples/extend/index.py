"""An index of your own: the chaining index, available by name like Shapley's and Banzhaf's."""

from fractions import Fraction

import jax

import spexjax as sx

# I(S) = sum over T ⊇ S of w(|S|, |T|) a(T), with a the Möbius transform. The weights are all that an index needs.
chaining = sx.indices.Index(
    name="Chaining",
    weight=lambda s, t, k: Fraction(s, t),
    definition="chaining index: the derivative at a set when its last feature arrives, averaged over all orders",
    reference="Marichal & Roubens 1999, The chaining interaction index among players in cooperative games",
    design="sized",
)

if __name__ == "__main__":
    sx.indices.register(chaining)
    game = sx.ablations.host_function(lambda m: m[:, 0] * 2.0 - 3.0 * m[:, 1] * m[:, 2], 7)
    explanation = sx.explain(game, budget=128, key=jax.random.key(0), index="Chaining")  # 128 = 2^7: all masks
    print(explanation.interactions("Chaining", max_order=2))  # x0: 2, and of the -3 of x1 with x2 each half

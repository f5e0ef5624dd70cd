"""A lens of your own: any value function whose parts can be removed.

Derive from `Ablation`, name the parts, give the function a fingerprint, and say how masks are answered. `plan_rows`
is all you need if one row of an array stands for each mask. Here: a panel of five that passes a motion by majority,
unless the chair is away.
"""

import jax
import numpy as np

import spexjax as sx


class Panel(sx.Ablation):
    """f(mask) = 1 if the members who are present pass the motion, else 0."""

    feature_names = ("chair", "Ann", "Bob", "Cleo", "Dan")  # the parts that a mask keeps or removes
    fingerprint = "panel-of-five-1"  # a Store finds values again under it: change it with the function

    def plan(self, masks, *, devices=1, shrink=1):
        """How a batch of masks is answered."""
        return sx.ablation.plan_rows(votes, masks, devices=devices, shrink=shrink)


def votes(parameters, masks):
    """Pure JAX, from masks [b, n] to values [b]; the engine batches, compiles and shards it."""
    return masks[:, 0] * (masks.sum(1) >= 3).astype("float32")


if __name__ == "__main__":
    panel = Panel()
    explanation = sx.explain(panel, budget=32, key=jax.random.key(0))  # 32 = 2^5: all masks, so the numbers are exact
    print(explanation.interactions("SV"))  # the Shapley values: the chair has the largest share of the power
    everybody, without_chair = sx.evaluate(panel, np.array([[1, 1, 1, 1, 1], [0, 1, 1, 1, 1]], bool))
    print(f"everybody: {everybody:.0f}, without the chair: {without_chair:.0f}")

"""A removal of your own: what becomes of a removed word.

Derive from `Removal` and define `stand_in`. Here: only the initial of a removed word is left. The model is a tiny one
with random weights.
"""

from pathlib import Path

import numpy as np

import spexjax as sx

TINY = Path(__file__).parents[2] / "tests" / "golden" / "tiny_llama3"


class Initial(sx.ablations.Removal):
    """Leaves the initial of a word, and a full stop."""

    def stand_in(self, unit, replacement):
        """The text in place of the unit; `replacement` is the option that the user gave."""
        return unit[0] + "."


if __name__ == "__main__":
    sx.ablations.register_removal("initial", Initial())
    model, text = sx.load_model(TINY), "The film was never boring"
    mine = sx.ablations.text(model, text, question="Good?", answers=("yes", "no"), removal="initial")
    without_never = np.array([[True, True, True, False, True]])
    (value,) = sx.evaluate(mine, without_never)
    print(f"removal: {mine.describe()['removal']}, value without 'never': {value:.4f}")

    by_hand = sx.ablations.text(model, "The film was n. boring", question="Good?", answers=("yes", "no"))
    (expected,) = sx.evaluate(by_hand, np.ones((1, 5), bool))
    print(f"value of 'The film was n. boring': {expected:.4f}")

"""A fill of your own: what replaces the output of a removed attention head.

Derive from `Fill` and define `substitute`. Here: the median output over all tokens of the prompts, which a few unusual
tokens hardly change, beside the built-in mean. The model is a tiny one with random weights.
"""

from pathlib import Path

import jax.numpy as jnp
import numpy as np

import spexjax as sx

TINY = Path(__file__).parents[2] / "tests" / "golden" / "tiny_llama3"
PROMPTS = ["The quick brown fox", "The lazy dog", "A fox jumps over the dog"]


class Median(sx.ablations.Fill):
    """The median output over all tokens of the references."""

    def substitute(self, outputs, real, at):
        """Outputs are [references, tokens, ...]; `real` says which tokens are not padding."""
        flat = outputs.reshape(-1, *outputs.shape[2:])
        real = real.reshape(-1, *[1] * (flat.ndim - 1))
        return jnp.nanmedian(jnp.where(real, flat, jnp.nan), axis=0)[None, None]  # the same for all tokens


if __name__ == "__main__":
    sx.ablations.register_fill("median", Median())
    model = sx.load_model(TINY)
    for fill in ("zero", "mean", "median"):
        ablation = sx.ablations.components(model, PROMPTS, answers=("e", "a"), fill=fill)
        masks = np.array([[True] * ablation.num_features, [False] * ablation.num_features])
        whole, bare = sx.evaluate(ablation, masks)
        print(f"{ablation.describe()['removal']:6}  all heads: {whole:.4f}  no heads: {bare:+.4f}")

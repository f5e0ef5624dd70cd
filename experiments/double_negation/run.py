"""Explains exactly what SmolLM2 makes of two double negations, from all subsets of their words.

python experiments/double_negation/run.py
"""

from pathlib import Path

import jax
from rich.console import Console

import spexjax as sx
from experiments.common import SENTIMENT
from spexjax.report import interaction_table, write_html

TEXTS = {
    "not_bad": "This movie is not bad at all.",
    "never_boring": "The film was never boring and not a waste of time.",
}


def main():
    """Writes a page and a JSON file for each text into `out/`, beside this file."""
    model, console = sx.load_model("smollm2"), Console()
    for name, text in TEXTS.items():
        ablation = sx.ablations.text(model, text, **SENTIMENT)
        explanation = sx.explain(ablation, budget=2**ablation.num_features, key=jax.random.key(0))
        folder = Path(__file__).parent / "out" / name
        explanation.save(folder)
        console.print(text, interaction_table(explanation, index="BII", top=6))
        console.print(write_html(explanation, folder / "explanation.html", index="BII"))


if __name__ == "__main__":
    main()

"""Writes explanation_format_1/: an explanation in the file format before the present one, and what it says.

Run by hand with spexjax as of commit 34da98f, from the repository root: later versions write a later format.
"""

import json
from pathlib import Path

import jax
import numpy as np

import spexjax as sx

FOLDER = Path(__file__).parent / "explanation_format_1"


def main():
    masks = np.asarray(sx.designs.uniform(jax.random.key(0), 40, 6))
    x = masks.astype(np.float32)
    values = 0.5 * x[:, 0] - x[:, 1] * x[:, 2] + 0.25 * x[:, 3] * x[:, 4] * x[:, 5] + 0.1 * np.sin(np.arange(40))
    names = ["not", "good", "ü", "\u202e", "日本", ""]
    explanation = sx.fit(masks, values, method="proxyspex-gp", key=jax.random.key(1), feature_names=names)
    explanation.save(FOLDER)
    everything = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(bool)
    faithfulness = explanation.faithfulness
    said = {
        "predictions": explanation.predict(everything).tolist(),
        "errors": explanation.prediction_errors(everything).tolist(),
        "values": values.tolist(),
        "terms": [[list(s), c] for s, c in explanation.spectrum.to_dict().items()],
        "faithfulness": [faithfulness.r2, faithfulness.error, faithfulness.scheme, faithfulness.masks.tolist()],
    }
    (FOLDER / "said.json").write_text(json.dumps(said, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

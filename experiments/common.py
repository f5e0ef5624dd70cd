"""What the studies share: settings, results, sets of heads, and the removal of words."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import spexjax as sx

SENTIMENT = {
    "question": "Is the sentiment of this movie review Positive or Negative?\nReview: {text}",
    "answers": (" Positive", " Negative"),
    "answer_prefix": "Sentiment:",
}
WAYS = ("interactions", "first order", "one word out", "best of all")


def setup(study: Path, size: str) -> tuple[dict, Path]:
    """The settings of one size, from the study's `config.yaml`, and the folder for its results.

    Results of the small size lie beside the study and are committed; those of other sizes go into `out/`.
    """
    folder = study if size == "small" else study / "out"
    folder.mkdir(exist_ok=True)
    return yaml.safe_load((study / "config.yaml").read_text())[size], folder


def load_model(config: dict) -> Any:
    """The model that the settings name."""
    return sx.load_model(config["model"], dtype=config["dtype"])


def save(result: Any, folder: Path) -> None:
    """Writes `result.json`."""
    (folder / "result.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def top(scores, r: int) -> np.ndarray:
    """The mask that keeps the r features with the largest scores."""
    mask = np.zeros(len(scores), bool)
    mask[np.argsort(-np.asarray(scores), kind="stable")[:r]] = True
    return mask


def removals(ablation, explanation, config: dict, name: str) -> tuple[float, list[tuple[int, Any, dict]]]:
    """Removes r words from a text to lower the value, chosen in up to four ways, and evaluates the model on the rest.

    The ways are: the set that lowers the spectrum most, the r largest Banzhaf values, the r words whose removal alone
    lowers the value most, and for small r the best of all sets.

    Args:
      ablation: of the words of a text.
      explanation: of this ablation.
      config: `removed`, the numbers r, and `exhaustive`, the largest r for which all sets are tried.
      name: of the value, for the records.

    Returns:
      The value of the whole text; and for each r: r, the subset that the spectrum chooses, and the words and the value
      of each way.
    """
    n = ablation.num_features
    banzhaf = sorted(explanation.interactions("BV"), key=lambda item: -item[1])
    order = [s[0] for s, _ in banzhaf if s]
    one_out = np.argsort(sx.evaluate(ablation, ~np.eye(n, dtype=bool), progress=False)).tolist()
    found = []
    for r in config["removed"]:
        subset = explanation.remove(r, goal="smallest")
        first, one = (sx.metrics.nested_masks(ranking[:r], n)[-1] for ranking in (order, one_out))
        choices = list(combinations(range(n), r)) if r <= config["exhaustive"] else []
        every = np.ones((len(choices), n), bool)
        every[np.arange(len(choices))[:, None], np.array(choices, int).reshape(-1, r)] = False
        masks = np.concatenate([np.stack([np.ones(n, bool), subset.mask, first, one]), every])
        full, *values = sx.evaluate(ablation, masks, progress=False).tolist()
        words = [subset.removed_names, *([ablation.feature_names[i] for i in o[:r]] for o in (order, one_out))]
        rows = {way: {"words": w, name: v} for way, w, v in zip(WAYS, words, values, strict=False)}
        found.append((r, subset, rows | ({"best of all": {name: min(values[3:])}} if choices else {})))
    return full, found

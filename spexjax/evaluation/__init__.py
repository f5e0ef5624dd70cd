"""Masks in, values out."""

from spexjax.evaluation.engine import Evaluation, evaluate, run
from spexjax.evaluation.progress import progress_bar

__all__ = ["Evaluation", "evaluate", "progress_bar", "run"]

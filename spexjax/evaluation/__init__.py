"""Masks in, values out."""

from spexjax.evaluation.engine import Evaluation, evaluate, run
from spexjax.evaluation.progress import progress_bar
from spexjax.evaluation.sharding import mesh
from spexjax.evaluation.store import Store

__all__ = ["Evaluation", "Store", "evaluate", "mesh", "progress_bar", "run"]

"""Masks in, values out."""

from spexjax.evaluation.engine import Evaluation, evaluate, run
from spexjax.evaluation.progress import progress_bar
from spexjax.evaluation.sharding import from_first_host, mesh
from spexjax.evaluation.store import Store

__all__ = ["Evaluation", "Store", "evaluate", "from_first_host", "mesh", "progress_bar", "run"]

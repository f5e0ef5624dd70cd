"""Masks in, values out."""

from spexjax.evaluation._engine import evaluate, run, run_many
from spexjax.evaluation._evaluation import Evaluation
from spexjax.evaluation._progress import progress_bar
from spexjax.evaluation._sharding import from_first_host, mesh
from spexjax.evaluation._store import Store, StoreError

__all__ = [
    "Evaluation",
    "Store",
    "StoreError",
    "evaluate",
    "from_first_host",
    "mesh",
    "progress_bar",
    "run",
    "run_many",
]

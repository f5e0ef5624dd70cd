"""Many explanations as one job that can be interrupted: inputs x models x methods x budgets x seeds x indices."""

from spexjax.sweep._config import Config, read_config
from spexjax.sweep._estimate import Estimate, estimate
from spexjax.sweep._load import load
from spexjax.sweep._page import write_page
from spexjax.sweep._ray import RayTasks
from spexjax.sweep._run import Swept, run
from spexjax.sweep._summary import Group, summarise, summary_table
from spexjax.sweep._sweep import Sweep

__all__ = [
    "Config",
    "Estimate",
    "Group",
    "RayTasks",
    "Sweep",
    "Swept",
    "estimate",
    "load",
    "read_config",
    "run",
    "summarise",
    "summary_table",
    "write_page",
]

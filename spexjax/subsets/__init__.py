"""Which r features matter most together: certified by mixed-integer programming, or found by local search."""

from spexjax.subsets._local_search import local_search
from spexjax.subsets._mip import certify
from spexjax.subsets._optimum import Optimum, optimum
from spexjax.subsets._problem import Problem, check_count, problem

__all__ = ["Optimum", "Problem", "certify", "check_count", "local_search", "optimum", "problem"]

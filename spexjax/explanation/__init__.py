"""What a user holds: the Explanation, its faithfulness, its most influential subsets, and its file."""

from spexjax.explanation._explanation import Explanation, Faithfulness, load
from spexjax.explanation._subset import Subset, Verified

__all__ = ["Explanation", "Faithfulness", "Subset", "Verified", "load"]

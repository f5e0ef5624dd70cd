"""What a user holds: the Explanation, its faithfulness, its most influential subsets, and its file."""

from spexjax.explanation._combination import Combination, in_short, strongest
from spexjax.explanation._explanation import Explanation, load
from spexjax.explanation._faithfulness import Faithfulness, measured
from spexjax.explanation._subset import Subset, Verified
from spexjax.explanation._verdict import ends_of, model_of, probability

__all__ = [
    "Combination",
    "Explanation",
    "Faithfulness",
    "Subset",
    "Verified",
    "ends_of",
    "in_short",
    "load",
    "measured",
    "model_of",
    "probability",
    "strongest",
]

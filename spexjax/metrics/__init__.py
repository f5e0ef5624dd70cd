"""How good an explanation is."""

from spexjax.metrics.agreement import Agreement, agreement
from spexjax.metrics.by_order import r2_by_order
from spexjax.metrics.curves import area, nested_masks, removal
from spexjax.metrics.faithfulness import few_hold_half, r2, r2_error, size_weights
from spexjax.metrics.recovery import Recovery, recovery

__all__ = [
    "Agreement",
    "Recovery",
    "agreement",
    "area",
    "few_hold_half",
    "nested_masks",
    "r2",
    "r2_by_order",
    "r2_error",
    "recovery",
    "removal",
    "size_weights",
]

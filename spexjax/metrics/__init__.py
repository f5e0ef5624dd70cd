"""How good an explanation is."""

from spexjax.metrics._agreement import Agreement, agreement
from spexjax.metrics._by_order import r2_by_order
from spexjax.metrics._curves import area, nested_masks, removal
from spexjax.metrics._faithfulness import few_hold_half, r2, r2_error, size_weights
from spexjax.metrics._recovery import Recovery, recovery

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

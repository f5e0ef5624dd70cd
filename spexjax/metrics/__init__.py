"""How good an explanation is."""

from spexjax.metrics.faithfulness import r2, r2_error

__all__ = ["r2", "r2_error"]

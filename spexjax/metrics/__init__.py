"""How good an explanation is."""

from spexjax.metrics.faithfulness import r2

__all__ = ["r2"]

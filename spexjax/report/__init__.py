"""What a person reads: a self-contained HTML page and terminal tables."""

from spexjax.report._curves import draw_curves
from spexjax.report._html import fragment, html, write_html
from spexjax.report._overview import overview, overview_table, write_overview
from spexjax.report._sweep import write_sweep
from spexjax.report._tables import interaction_table
from spexjax.report._words import directions, signed, value_in_words, where_time_went

__all__ = [
    "directions",
    "draw_curves",
    "fragment",
    "html",
    "interaction_table",
    "overview",
    "overview_table",
    "signed",
    "value_in_words",
    "where_time_went",
    "write_html",
    "write_overview",
    "write_sweep",
]

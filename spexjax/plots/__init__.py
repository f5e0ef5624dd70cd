"""Pictures of explanations by matplotlib: each one call, which returns the axes.

    ax = sx.plots.bars(explanation)
    ax.figure.savefig("bars.pdf")

Blue is positive and dark, orange negative and light, and lines of negative values are dashed, so that a grey print
shows the sign as well. A value below two standard errors looks like noise and is faded. What would not be legible is
left out, weakest first, and the note under the title says so. Give `ax` of a figure with `layout="constrained"` to
combine pictures. If the font lacks characters of your text, name a second one that has them:
`matplotlib.rcParams["font.family"] = ["DejaVu Sans", "Noto Sans CJK JP"]`.
"""

from spexjax.plots._bars import bars
from spexjax.plots._beeswarm import beeswarm
from spexjax.plots._budget import budget
from spexjax.plots._force import force
from spexjax.plots._heads import heads
from spexjax.plots._heatmap import heatmap
from spexjax.plots._image import image
from spexjax.plots._network import network
from spexjax.plots._orders import orders
from spexjax.plots._plot import plot
from spexjax.plots._text import text
from spexjax.plots._upset import upset
from spexjax.plots._waterfall import waterfall

__all__ = [
    "bars",
    "beeswarm",
    "budget",
    "force",
    "heads",
    "heatmap",
    "image",
    "network",
    "orders",
    "plot",
    "text",
    "upset",
    "waterfall",
]

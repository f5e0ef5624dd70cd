"""What holds for every picture: titles, units, no label over another, whatever the number of features."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from drawable import text_explanation
from pictures import PICTURES

from spexjax import plots

NEEDS = {"network": "networkx", "network_force": "networkx"}


@pytest.fixture(params=PICTURES)
def draw(request):
    pytest.importorskip(NEEDS.get(request.param, "matplotlib"), reason="pip install 'spexjax[plots]'")
    return request.param, PICTURES[request.param]


def tick_labels(axis):
    """Those in view."""
    low, high = sorted(axis.get_view_interval())
    return [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]


def boxes(artists):
    """The extents of texts that are shown, in pixels: left, bottom, right, top."""
    shown = [a for a in artists if a.get_visible() and a.get_text().strip() and a.get_rotation() in (0, 90)]
    return [a.get_window_extent().extents for a in shown], [a.get_text() for a in shown]


def overlapping(artists, slack=1.5):
    found, names = boxes(artists)
    found = np.array(found).reshape(-1, 4)
    low, high = np.maximum(found[:, None, :2], found[:, :2]), np.minimum(found[:, None, 2:], found[:, 2:])
    rows = np.argwhere(np.triu(((high - low) > slack).all(-1), 1))
    return [(names[a], names[b]) for a, b in rows]


@pytest.mark.parametrize("n", [1, 2, 3, 300])
def test_every_picture_is_legible(draw, n):
    name, picture = draw
    ax = picture(n)
    figure = ax.get_figure()
    figure.canvas.draw()
    assert len(ax.get_title(loc="left")) > 8
    x_labels, y_labels = tick_labels(ax.xaxis), tick_labels(ax.yaxis)
    assert not overlapping([*y_labels, ax.yaxis.label])
    assert not overlapping([*x_labels, ax.xaxis.label])
    note = [text for text in ax.texts if text.get_color() == "#5b6472"][:1]
    assert not overlapping([ax.title, ax._left_title, *note])
    if name in ("text", "force", "network_force"):
        assert not overlapping(ax.texts, slack=2.5), "names cover each other"
    width, height = figure.bbox.size
    labels = [ax._left_title, *ax.texts] + (x_labels + y_labels if ax.axison else [])
    for (left, bottom, right, top), label in zip(*boxes(labels), strict=True):
        assert min(left, bottom) > -3, label
        assert right < width + 3, label
        assert top < height + 3, label
    if n == 300 and name not in ("budget", "orders"):
        assert any("strongest of" in text.get_text() for text in ax.texts), "the note says what was left out"


@pytest.mark.parametrize("name", ["bars", "force", "heatmap", "orders", "plot", "text", "upset", "waterfall"])
def test_pictures_are_drawn_into_given_axes(name):
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    ax = getattr(plots, name)(text_explanation(30), ax=axes[1])
    figure.canvas.draw()
    assert ax is axes[1]
    assert len(figure.axes) == 2
    assert not axes[0].texts
    assert not overlapping(ax.get_yticklabels())


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_a_picture_for_a_paper(tmp_path, suffix):
    path = tmp_path / f"text.{suffix}"
    plots.text(text_explanation(30)).get_figure().savefig(path)
    assert path.stat().st_size > 3000


def test_many_curves_have_their_names_beside_them():
    """None of them looks like another, and the title names the cheapest of those that are as good."""
    curves = {f"curve {k}": [(40, 0.5), (80 + k, 1.0 - 1e-6 * (40 - k))] for k in range(32)}
    axes = plots.budget(curves)
    axes.figure.draw_without_rendering()  # a warning, were there no room
    lines = [container.lines[0] for container in axes.containers]
    assert len({(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines}) == 32
    legend = axes.get_legend().get_window_extent()
    assert legend.x0 >= axes.get_window_extent().x1
    assert legend.y0 >= 0
    assert axes.get_title(loc="left") == "curve 0: R² reaches 1.00 with 80 ablations"

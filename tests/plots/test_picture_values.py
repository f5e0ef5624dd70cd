"""What is drawn is what the explanation says."""

import dataclasses

import numpy as np
import pytest
from drawable import ERROR, explained, head_explanation, mosaic, of_terms, small, text_explanation, words
from matplotlib.colors import same_color, to_rgb
from matplotlib.patches import Polygon, Rectangle

from spexjax import plots
from spexjax.plots._style import FADED, NEGATIVE, POSITIVE
from spexjax.spectrum import Spectrum


def rectangles(ax):
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def named(ax):
    """The bars of a picture by the names beside them."""
    names = dict(zip(ax.get_yticks(), [label.get_text() for label in ax.get_yticklabels()], strict=True))
    return {names[round(bar.get_y() + bar.get_height() / 2)]: bar for bar in rectangles(ax)}


def test_bars_have_values_signs_and_errors():
    ax = plots.bars(small())
    table, bars = small().interactions("FSII"), named(ax)
    assert list(bars) == ["good", "not", "very", "not × good"]
    for name, bar in bars.items():
        value = table[name.split(" × ")]
        assert bar.get_width() == pytest.approx(value)
        assert same_color(bar.get_facecolor()[:3], POSITIVE if value > 0 else NEGATIVE)
        assert bar.get_alpha() == (FADED if abs(value) < 2 * ERROR else 1)
    assert bars["very"].get_alpha() == FADED
    for container in ax.containers[1::2]:
        (line,) = container.lines[2]
        (left, _), (right, _) = line.get_segments()[0]
        assert right - left == pytest.approx(2 * ERROR)
    assert "single features, 3 of 3" in [label.get_text() for label in ax.get_yticklabels()]


def test_bars_of_shapley_values_are_single_features():
    assert list(named(plots.bars(small(), index="SV"))) == ["not", "good", "very"]


def test_heatmap_has_a_cell_for_each_value():
    ax = plots.heatmap(small())
    cells = {(cell.get_center()[0], cell.get_center()[1]): cell for cell in rectangles(ax)}
    assert set(cells) == {(0, 0), (1, 1), (2, 2), (1, 2)}
    assert cells[0, 0].get_width() < 0.5, "noise is small"
    assert cells[1, 1].get_width() == 1
    assert "−1.10" in [text.get_text() for text in ax.texts if text.get_position() == (2, 2)]


def test_network_has_a_node_for_each_feature_and_the_strongest_links():
    pytest.importorskip("networkx", reason="pip install 'spexjax[plots]'")
    terms = {(0,): 1.0, (0, 1): -1.0, (1, 2, 3): 0.5}
    for layout in ("circular", "force"):
        ax = plots.network(of_terms(terms, list("abcd")), max_order=3, layout=layout)
        assert {text.get_text() for text in ax.texts} >= set("abcd")
        assert len(ax.collections) == 4, "nodes"
        assert len([line for line in ax.lines if line.get_marker() == "D"]) == 1, "the triple"


@pytest.mark.parametrize(("index", "missing"), [("FSII", False), ("SV", False), ("FBII", True)])
def test_waterfall_leads_from_nothing_to_everything(index, missing):
    explanation = explained(9)
    nothing, everything = explanation.predict(np.array([[False] * 9, [True] * 9]))
    ax = plots.waterfall(explanation, index=index, top=4)
    bars = named(ax)
    assert ("not in " + index in bars) == missing
    assert sum(bar.get_width() for bar in bars.values()) == pytest.approx(everything - nothing)
    at = nothing
    for bar in bars.values():
        assert bar.get_x() == pytest.approx(at)
        at += bar.get_width()
    assert len(bars) == 5 + missing, "four terms and the weaker ones"


def test_force_meets_at_the_value_of_everything_kept():
    explanation = explained(5)
    nothing, everything = explanation.predict(np.array([[False] * 5, [True] * 5]))
    pieces = [patch.get_xy() for patch in plots.force(explanation, top=99).patches if isinstance(patch, Polygon)]
    up = sum(xy[2, 0] - xy[0, 0] for xy in pieces if xy[2, 0] > xy[0, 0])
    down = sum(xy[0, 0] - xy[2, 0] for xy in pieces if xy[2, 0] < xy[0, 0])
    assert up - down == pytest.approx(everything - nothing)
    assert pieces[0][2, 0] == pytest.approx(everything)


def test_upset_marks_the_members_of_each_set():
    terms = {(0, 2): 1.0, (1,): -0.5}
    ax = plots.upset(of_terms(terms, list("abc")), index="Fourier")
    columns = [(line.get_xdata()[0], sorted(line.get_ydata())) for line in ax.lines if line.get_marker() == "o"]
    assert columns == [(0, [-2, 0]), (1, [-1])]


def test_text_links_words_and_dashes_what_is_negative():
    ax = plots.text(text_explanation(30), top=5)
    drawn = [text.get_text() for text in ax.texts]
    assert [word for word in drawn if word in words(30)] == words(30)
    assert {patch.get_linestyle() for patch in ax.patches if not isinstance(patch, Rectangle)} >= {"-"}


def test_a_text_that_exceeds_a_page_is_cut_to_what_matters():
    ax = plots.text(text_explanation(900))
    drawn = " ".join(text.get_text() for text in ax.texts)
    assert "…" in drawn
    assert len(drawn) < 4500
    assert any("units left out" in text.get_text() for text in ax.texts)
    sentences = [f"Sentence {i}. " + "It goes on and on. " * 12 for i in range(30)]
    ax = plots.text(explained(30, sentences, pieces=[[sentence, i] for i, sentence in enumerate(sentences)]))
    assert any("units left out" in text.get_text() for text in ax.texts)


def test_beeswarm_has_a_dot_for_each_explanation():
    several = [text_explanation(4, seed=seed) for seed in range(5)]
    ax = plots.beeswarm(several)
    dots = [x for dots in ax.collections for x in dots.get_offsets()[:, 0]]
    assert len(dots) == 20
    values = sorted(value for one in several for _, value in one.interactions("SV"))
    assert sorted(dots) == pytest.approx(values)


def test_beeswarm_by_name(unchecked):
    texts = [
        of_terms({(i,): 0.5 for i in range(len(names))}, names) for names in (["Not", "good"], ["not", "not", "bad"])
    ]
    ax = plots.beeswarm(texts)
    assert [name.get_text().split()[0] for name in ax.get_yticklabels()] == ["not", "good", "bad"]
    assert "not  (3)" in [label.get_text() for label in ax.get_yticklabels()]
    with pytest.raises(ValueError, match="different features"):
        plots.beeswarm(texts, by="feature")
    with pytest.raises(ValueError, match="got none"):
        plots.beeswarm([])
    for one in (texts[0], texts[0].interactions("SV"), "texts", None):
        with pytest.raises(ValueError, match="several explanations, given as a list; got one"):
            plots.beeswarm(one)


def test_heads_stand_in_their_layer():
    ax = plots.heads(head_explanation(3, 4))
    assert len(rectangles(ax)) == 15
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "2", "3", "MLP"]
    ax = plots.heads(of_terms({(0,): 1.0, (1,): -1.0}, ["L5", "L7"]))
    assert [cell.get_center()[1] for cell in rectangles(ax)] == [0, 2]
    with pytest.raises(ValueError, match="'word' is none"):
        plots.heads(of_terms({(0,): 1.0}, ["word"]))


def test_image_colours_regions():
    explanation = of_terms({(0,): -1.0, (3,): 1.0}, list("abcd"))
    picture, regions = mosaic(8, 2)
    white = np.ones((8, 8)) - np.eye(8)  # but for its diagonal
    shades = plots.image(explanation, white, regions).images[0].get_array()
    assert (shades[1, 6] == 1).all(), "no effect, no colour"
    for place, colour in (((1, 2), POSITIVE), ((6, 7), NEGATIVE)):
        assert np.allclose(shades[place], 1 - 0.75 * (1 - np.array(to_rgb(colour))))
    assert plots.image(explanation, np.zeros((8, 8, 3)), np.where(regions == 3, -1, regions)).images
    with pytest.raises(ValueError, match="picture's size"):
        plots.image(explanation, picture, regions[:4])
    with pytest.raises(ValueError, match="0 to 3, or -1; got 0 to 4"):
        plots.image(explanation, picture, regions + (regions == 3))
    with pytest.raises(ValueError, match="finite"):
        plots.image(explanation, picture * np.nan, regions)


def test_budget_draws_rounds_explanations_and_pairs():
    rounds = [{"ablations": m, "r2": r, "error": 0.01} for m, r in ((50, 0.2), (100, 0.7))]
    adaptive = dataclasses.replace(small(), provenance={"rounds": rounds})
    ax = plots.budget({"rounds": adaptive, "one": [small()], "pairs": [(200, 0.9), (20, float("nan")), (40, -0.5)]})
    lines = [container.lines[0].get_xydata().tolist() for container in ax.containers]
    assert lines == [[[50, 0.2], [100, 0.7]], [[62, 0.83]], [[40, -0.5], [200, 0.9]]]
    assert ax.get_title(loc="left") == "pairs: R² reaches 0.90 with 200 ablations"
    with pytest.raises(ValueError, match="no R2"):
        plots.budget([])


def test_orders_are_shares_of_the_variance():
    explanation = of_terms({(): 9.0, (0,): 1.0, (0, 1): 2.0, tuple(range(9)): 1.0}, list("abcdefghi"))
    ax = plots.orders(explanation)
    assert [bar.get_height() for bar in rectangles(ax)] == pytest.approx([100 / 6, 400 / 6, 0, 0, 0, 0, 0, 100 / 6])
    assert ax.get_title(loc="left").replace("\n", " ") == "Pairs carry 67 % of the variance"
    constant = dataclasses.replace(explanation, spectrum=Spectrum.constant(1.0, 9))
    assert plots.orders(constant).get_title(loc="left") == "The function is constant"


@pytest.mark.parametrize(
    ("explanation", "like"),
    [(text_explanation(5), plots.text), (head_explanation(2, 2), plots.heads), (explained(5), plots.bars)],
)
def test_plot_picks_the_picture_that_suits(explanation, like):
    expected, found = like(explanation), explanation.plot()
    assert found.get_xlabel() == expected.get_xlabel()
    assert [text.get_text() for text in found.texts] == [text.get_text() for text in expected.texts]
    assert len(found.patches) == len(expected.patches)
    assert explanation.plot(index="SV", top=2, ax=found) is found


def test_heatmap_keeps_the_strongest_single_features():
    terms = {(i,): 0.1 * (i + 1) for i in range(20)} | {(i, i + 1): 0.05 for i in range(8)}
    shown = {
        label.get_text() for label in plots.heatmap(of_terms(terms, list(map(str, range(20)))), top=5).get_yticklabels()
    }
    assert shown == {"15", "16", "17", "18", "19"}


def test_a_title_names_nothing_that_looks_like_noise():
    quiet = of_terms({(0,): 0.01, (1,): -0.02}, ["a", "b"])
    assert plots.bars(quiet).get_title(loc="left") == "FSII: nothing stands out from the noise"
    unlearned = of_terms({(0,): 1.0, (1,): -2.0}, ["a", "b"], r2=0.01)
    assert plots.bars(unlearned).get_title(loc="left").startswith("Not learnable at this budget")
    strong = of_terms({(0,): 1.0, (1,): 0.01}, ["a", "b\U0001f468\u200d\U0001f469"])
    ax = plots.bars(strong)
    assert ax.get_title(loc="left").startswith("a ")
    assert "b\u25a1\u25a1" in [label.get_text() for label in ax.get_yticklabels()]

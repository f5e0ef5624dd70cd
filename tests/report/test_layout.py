"""Which layout features get, by their names."""

import pytest

from spexjax.report._layout import around, layout, unit_name, units


def laid_out(explain, names, **provenance):
    one = explain({(0,): 1.0}, names, provenance=provenance)
    return one, layout(one)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["x0", "x1"], "chips"),
        (["L0.H0", "L0.H1", "L1.H0"], "grid"),
        (["L0.H0", "x"], "chips"),
        (["example 0", "example 12"], "rows"),
        (["a film that nobody should miss this year", "an hour and a half of my life, gone"], "rows"),
    ],
)
def test_without_a_text(explain, names, kind):
    assert laid_out(explain, names)[1].kind == kind


def test_a_row_of_the_grid_is_a_layer(explain):
    names = ["L3.H0", "L3.H2", "L3.MLP", "L4.H1", "L4.MLP"]
    one, how = laid_out(explain, names, prompts=["a"])
    assert how.style == "--columns:4"  # three heads, and the MLP
    grid = units(one, names, how, set())
    assert [grid.count(f"grid-column:{column}") for column in (2, 3, 4, 5)] == [1, 1, 1, 2]
    assert grid.count('class="layer"') == 2
    assert unit_name(one) == "component"


def test_sentences_have_numbers(explain):
    names = ["Sentence number one is the first of all.", "Sentence number two follows it closely."]
    one, how = laid_out(explain, names, pieces=[[names[0], 0], [" ", -1], [names[1], 1]])
    assert how.numbered
    assert 'data-number="2"' in units(one, names, how, set())
    assert unit_name(one) == "part"


def test_prompts_and_their_answers(explain):
    one, _ = laid_out(
        explain,
        ["L0.H0"],
        prompts=[f"{k} + 1 =" for k in range(5)],
        prompt_answers=[[f" {k + 1}", " 0"] for k in range(5)],
    )
    shown = around(one)
    assert "0 + 1 = → <b>1</b> / <b>0</b>" in shown
    assert "All other prompts" in shown

"""What a picture shows: terms, standard errors, words."""

import pytest
from drawable import ERROR, of_terms, small, text_explanation

from spexjax import plots
from spexjax.plots._shown import read


def test_terms_are_the_strongest_with_their_errors():
    shown = read(small())
    table = small().interactions("FSII")
    assert [(term.members, term.value) for term in shown.terms()] == list(table.top(len(table)))
    assert {term.error for term in shown.terms()} == {ERROR}
    assert shown.singles()[0].noise
    assert not shown.singles()[1].noise
    assert [term.members for term in shown.terms(1)] == [next(iter(table.top(1)))[0]]
    assert {term.members for term in shown.within([1, 2], 2)} == {(1,), (2,), (1, 2)}
    assert shown.count(lambda order: order == 2) == 1


def test_a_table_alone_knows_neither_errors_nor_answers():
    shown = read(small().interactions("SV"))
    assert not any(term.noise for term in shown.terms())
    assert shown.unit == "SV in units of the value function"
    assert shown.directions == ("raises the value", "lowers the value")
    assert shown.notes(3, 3) == []


def test_words_say_what_the_strongest_does():
    shown = read(small())
    assert shown.headline(shown.terms()).startswith("good pushes towards ")
    assert "R² = 0.83" in shown.notes(1, 3)
    assert "the 1 strongest of 3 interactions" in shown.notes(1, 3)
    assert shown.headline([]) == "FSII: no feature has an effect"


def test_long_answers_are_cut():
    unit = read(text_explanation(3, answers=["a\n" * 50, "b" * 50])).unit
    assert len(unit) < 100
    assert "\n" not in unit


@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="Explanation or of Interactions; got int"):
        plots.bars(3)
    with pytest.raises(ValueError, match="give the explanation itself"):
        plots.bars(small().interactions("SV"), index="FSII")
    with pytest.raises(ValueError, match="at least 1"):
        plots.bars(small(), top=0)
    with pytest.raises(ValueError, match="index"):
        plots.bars(small(), index="nonsense")
    with pytest.raises(ValueError, match="knows both values"):
        plots.waterfall(small().interactions("SV"))
    with pytest.raises(ValueError, match="Explanation or of Interactions"):
        plots.orders([1])
    with pytest.raises(ValueError, match='"circular" or "force"; got'):
        plots.network(small(), layout="square")
    with pytest.raises(ValueError, match='"feature" or by "name"; got'):
        plots.beeswarm([small()], by="word")
    with pytest.raises(ValueError, match="pair of ablations and R2"):
        plots.budget([3])


def test_links_that_are_next_to_nothing_are_not_drawn():
    shown = read(of_terms({(0,): 1.0, (1,): -1.0, (0, 1): 0.005, (1, 2): 0.3}, list("abc")), "Fourier")
    assert [term.members for term in shown.links(9)] == [(1, 2)]
    assert shown.link_share(shown.links(1)[0]) == pytest.approx(0.9), "beside a third of the strongest"
    assert "the 1 strongest of 2 interactions" in shown.link_notes(shown.links(9))
    alone = read(of_terms({(0,): 1.0, (0, 1): 0.005}, list("ab")), "Fourier")
    assert alone.links(9) == []
    assert "none of 1 interactions above 2 % of the strongest value" in alone.link_notes([])

"""sx.compare: agreement, correlations, sign flips and changes, against scipy and by hand."""

import dataclasses
import io

import jax
import numpy as np
import pytest
from common import all_masks
from rich.console import Console
from scipy import stats

import spexjax as sx

NAMES = ("not", "very", "good", "is", "is")


def table(terms, index="BII", n=5, errors=None):
    spectrum = sx.Spectrum.from_dict({(): 0.0} | terms, n)
    support = np.asarray(spectrum.support)[1:]
    found = sx.Interactions(support, np.asarray(spectrum.coefficients)[1:], index, 2, n, NAMES)
    return found if errors is None else dataclasses.replace(found, errors_of=lambda some: np.full(len(some), errors))


A = {(0,): 2.0, (2,): -1.0, (0, 2): -3.0, (1, 3): 0.5}
B = {(0,): 2.5, (2,): 1.0, (0, 2): -1.0, (3, 4): 0.25}


@pytest.fixture
def comparison():
    return sx.compare(table(A), table(B), k=3)


def test_agreement_of_the_strongest(comparison):
    assert comparison.top_k_agreement == 1.0
    assert sx.compare(table(A), table(B), k=4).top_k_agreement == pytest.approx(3 / 5)


def test_correlations_are_those_of_scipy(comparison):
    sets = sorted({*A, *B})
    x, y = ([terms.get(s, 0.0) for s in sets] for terms in (A, B))
    assert comparison.pearson == pytest.approx(stats.pearsonr(x, y)[0])
    assert comparison.rank_correlation == pytest.approx(stats.spearmanr(x, y)[0])


def test_changes_and_flips(comparison):
    changes = comparison.changes()
    assert [c.features for c in changes] == [(2,), (0, 2), (0,), (1, 3), (3, 4)]
    assert changes[1][:4] == ((0, 2), -3.0, -1.0, 2.0)
    assert np.isnan(changes[0].standard_error)
    assert len(comparison.changes(2)) == 2
    assert [flip.features for flip in comparison.sign_flips] == [(2,)]
    assert comparison.difference.to_dict()[3, 4] == 0.25


def test_noise_neither_agrees_nor_disagrees():
    noisy, clear = table(A | {(4,): 0.1}, errors=0.06), table(B, errors=0.2)
    comparison = sx.compare(noisy, clear, k=4)
    assert comparison.top_k_agreement == pytest.approx(3 / 4)  # without (4,) and (3, 4)
    assert "Of 4 interactions that stand out" in repr(comparison)


def test_noise_is_no_flip():
    flips = sx.compare(table(A, errors=0.6), table(B, errors=0.1)).sign_flips
    assert flips == ()
    (flip,) = sx.compare(table(A, errors=0.3), table(B, errors=0.4)).sign_flips
    assert flip.standard_error == pytest.approx(0.5)


def test_what_it_says(comparison):
    said = repr(comparison)
    assert "Of 5 interactions that stand out: agreement of the 3 strongest (Jaccard) 1.00, correlation" in said
    assert "opposite signs 1." in said
    assert "-1.00  +1.00  +2.00  good  (the sign flips)" in said
    assert "+0.00  +0.25  +0.25  is₁ × is₂" in said
    page = comparison._repr_html_()
    assert "b - a" in page
    console = Console(width=100, file=io.StringIO())
    console.print(comparison)
    assert "is₁ × is₂" in console.file.getvalue()


def test_the_page_is_one_escaped_file(tmp_path):
    hostile = dataclasses.replace(table(A), feature_names=("<script>x</script>", *NAMES[1:]))
    page = sx.compare(hostile, -hostile).write_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert page.count("<table>") == 3
    assert "http" not in page


def test_explanations_are_compared_by_any_index():
    masks = all_masks(5)
    games = [lambda x: 2 * x[:, 0] - x[:, 1] * x[:, 2], lambda x: 2 * x[:, 0] + x[:, 1] * x[:, 2]]
    a, b = (sx.fit(masks, g(masks.astype(float)), key=jax.random.key(0), feature_names=NAMES) for g in games)
    comparison = sx.compare(a, b)
    assert [flip.features for flip in comparison.sign_flips] == [(1, 2)]
    assert comparison.changes(1)[0].change == pytest.approx(2.0)
    assert comparison.changes(1)[0].standard_error == 0
    assert "exact on 32 ablations" in repr(comparison)
    assert sx.compare(a, a).pearson == pytest.approx(1.0)
    assert sx.compare(a - b, b - a, "SV").pearson == pytest.approx(-1.0)


def test_nothing_to_compare():
    comparison = sx.compare(table({}), table({}))
    assert (comparison.top_k_agreement, comparison.changes()) == (1.0, ())
    assert np.isnan(comparison.pearson)
    assert repr(comparison)


@pytest.mark.parametrize(
    ("b", "k", "said"),
    [
        (table(B, "SII"), 10, "got BII of order 2 and SII of order 2"),
        (dataclasses.replace(table(B), feature_names=("no", *NAMES[1:])), 10, "Feature 0 is 'not' here and 'no' there"),
        ({(0,): 1.0}, 10, "two explanations, or two tables of interactions; got dict"),
        (table(B), 0, "1 or more; got 0"),
        (table(B), 2.5, "1 or more; got 2.5"),
    ],
)
def test_what_cannot_be_compared(unchecked, b, k, said):
    with pytest.raises(ValueError, match=said):
        sx.compare(table(A), b, k=k)


def test_nothing_changed_between_a_table_and_itself():
    same = sx.compare(table(A), table(A))
    assert "Nothing changed." in repr(same)
    assert "What changed most" not in repr(same)
    two = table({(0,): 2.0, (1,): 1.0}), table({(0,): 3.0, (1,): -1.0})
    assert "correlation" not in repr(sx.compare(*two))

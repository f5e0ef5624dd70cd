"""What an explanation and its parts look like on a terminal, in a notebook, and to readers of their file."""

import copy
import dataclasses
import io
import json
import pickle
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from common import all_masks, random_surrogate
from rich.console import Console

import spexjax as sx
from spexjax.explanation import Explanation, Faithfulness

DOCS = Path(__file__).parents[2] / "docs"
ASKED = {"model": "tiny", "answers": [" yes", " no"], "value": "logit-difference"}


def explained(names=("it", "is", "what", "it", "is"), provenance=None):
    n, rng = len(names), np.random.default_rng(0)
    spectrum = sx.Spectrum.from_dict({(): 0.3, (0,): 0.01, (1,): -0.4, (1, 4): 0.6}, n)
    masks, values = all_masks(n)[::-1][:22], np.append(1.5, rng.normal(size=21))
    masks[-1], values[-1] = False, -0.5
    faithfulness = Faithfulness(0.5, np.arange(20), "by hand", 0.1)
    return Explanation(spectrum, faithfulness, names, "hand", masks, values, {}, provenance or {})


def with_surrogate(n=5, m=20):
    surrogate, rows, values = random_surrogate(n, m, share=0.5, rest={(): 0.3, (1,): -0.4, (1, 4): 0.6})
    spectrum = surrogate.spectrum(np.array([[n, n], [0, n], [1, n], [1, 4]], np.int32))
    faithfulness = Faithfulness(0.5, np.arange(m), "by hand", 0.1)
    names = tuple("abcde"[:n])
    return Explanation(spectrum, faithfulness, names, "hand", all_masks(n)[rows], values, {}, ASKED, surrogate)


def test_repr_fits_a_screen_and_says_what_was_answered():
    said = repr(explained(provenance=ASKED))
    lines = said.splitlines()
    assert lines[0] == "hand on 22 ablations of 5 features"
    assert 'tiny prefers " yes" to " no": 81.8 % of the probability of the two.' in said
    assert "The value is +1.5 with everything kept and -0.5 with nothing kept." in said
    assert "R2 = 0.500 ± 0.100 (by hand)." in said
    assert "The strongest interactions (FSII up to order 2):" in said
    assert "is₁ × is₂" in said
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize(
    ("provenance", "said"),
    [
        (ASKED | {"answers": [" no", " yes"]}, 'tiny prefers " no" to " yes"'),
        (ASKED | {"value": "log-probability", "answers": [" Paris"]}, 'tiny gives " Paris" a probability of 1.'),
        (ASKED | {"value": "log-odds", "answers": [" Paris"]}, 'tiny gives " Paris" a probability of 0.82.'),
        (ASKED | {"prompts": ["a", "b"]}, 'tiny prefers " yes" to " no" on average over the prompts'),
        (ASKED | {"answers": ["\x1b[31m\n", "b"]}, r'tiny prefers "\x1b[31m\n" to "b"'),
        ({}, "The value is +1.5 with everything kept"),
        ({"answers": None, "value": "logit-difference"}, "The value is"),
    ],
)
def test_the_verdict(provenance, said):
    assert said in repr(explained(provenance=provenance))


def test_a_verdict_needs_the_full_mask():
    explanation = explained(provenance=ASKED)
    inner = dataclasses.replace(explanation, masks=explanation.masks[1:4], values=explanation.values[1:4])
    assert "prefers" not in repr(inner)
    assert "The value is" not in repr(inner)


def test_html_is_escaped_and_small():
    hostile = ("<script>alert(1)</script>", "is", "what", "\u202e", "is")
    asked = ASKED | {"answers": ["<img src=x onerror=alert(1)>", "b"], "model": "</div><script>"}
    page = explained(hostile, asked)._repr_html_()
    assert "<script" not in page
    assert "<img" not in page
    assert "\u202e" not in page
    assert "prefers &quot;&lt;img" in page
    assert "http" not in page
    assert len(page) < 10_000
    for tag in ("div", "table", "tr", "td", "p", "style"):
        assert len(re.findall(rf"<{tag}\b", page)) == page.count(f"</{tag}>")


def test_rich():
    console = Console(width=100, file=io.StringIO())
    console.print(explained(("[bold]it", "is", "what", "it", "is"), ASKED))
    assert "is₁ × is₂" in console.file.getvalue()
    assert 'tiny prefers " yes" to " no"' in console.file.getvalue()


def test_an_explanation_of_one_value_and_of_no_terms():
    nothing = sx.fit(all_masks(5), np.ones(32), key=jax.random.key(0), method="exact")
    assert "nothing to explain" in repr(nothing)
    assert "FSII" not in repr(nothing)
    assert "nothing to explain" in nothing._repr_html_()


def test_terms_of_high_order_are_a_sentence():
    wide = sx.Spectrum.from_dict({tuple(range(200)): 1.0}, 200)
    masks = np.ones((1, 200), bool)
    names = tuple(f"x{i}" for i in range(200))
    explanation = Explanation(
        wide, Faithfulness(0.5, np.zeros(0, np.int64), "by hand"), names, "hand", masks, np.ones(1)
    )
    assert len(repr(explanation).splitlines()) < 24


def test_parts_show_themselves():
    explanation = with_surrogate()
    assert repr(explanation.faithfulness) == "Faithfulness(R2 = 0.500 ± 0.100 (by hand), on 20 rows)"
    said = repr(explanation.surrogate)
    assert said.startswith(
        "Surrogate of 5 features: 1 members of 1 kinds of kernel given 20 masks, and 3 Fourier terms"
    )
    assert len(said) < 200
    subset = explanation.remove(1)
    assert repr(subset) == f"Subset({subset})"
    twice = dataclasses.replace(explanation, feature_names=("is",) * 5).remove(1)
    assert re.match(r"Subset\(removing is[₁-₅]: .* \(optimal\)\)", repr(twice))


def test_a_spectrum_shows_its_strongest_terms():
    spectrum = sx.Spectrum.from_dict({(0,): 0.25, (): -3.0, (0, 2): -0.5}, 3)
    assert repr(spectrum).splitlines() == [
        "Spectrum of 3 features: 3 terms up to order 2",
        "   -3  constant",
        " -0.5  {0, 2}",
        "+0.25  {0}",
    ]
    many = sx.Spectrum(np.arange(50)[:, None], np.arange(50.0), 50)
    assert repr(many).splitlines()[-1] == "     and 40 weaker ones"
    assert repr(sx.Spectrum.from_dict({}, 3)) == "Spectrum of 3 features: 0 terms up to order 0"


def test_pytrees_show_themselves_under_transformations():
    spectrum, seen = sx.Spectrum.from_dict({(0,): 0.25, (): -3.0}, 3), []
    surrogate = with_surrogate().surrogate

    @jax.jit
    def traced(spectrum, surrogate):
        seen.extend([repr(spectrum), repr(surrogate)])
        return spectrum.coefficients.sum()

    traced(spectrum, surrogate)
    assert seen[0] == "Spectrum(support=int32[2, 1], coefficients=float32[2], num_features=3)"
    assert seen[1].startswith("Surrogate(masks=bool[20, 5], processes=(")
    batched = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), spectrum)
    assert repr(batched) == "Spectrum(support=int32[2, 2, 1], coefficients=float32[2, 2], num_features=3)"
    assert repr(jax.tree.map(lambda leaf: None, spectrum)).startswith("Spectrum(support=None")
    deleted = jax.tree.map(jnp.asarray, spectrum)
    deleted.coefficients.delete()
    assert repr(deleted).startswith("Spectrum(support=int32[2, 1]")


def test_ablations_show_themselves():
    ablation = sx.ablations.host_function(len, 12, feature_names=("\x1b", *"bbcdefghijk"))
    assert repr(ablation) == r"FunctionAblation of 12 features: \x1b, b₁, b₂, c, d, e, f, g, ..."

    class Own(sx.Ablation):
        def plan(self, masks, *, devices=1, shrink=1): ...

        def describe(self):
            return {"answers": ["a", " b"], "pieces": [["x", 0]], "layers": 3, "before": "x" * 500}

    own = Own()
    assert repr(own) == "Own without feature names"
    own.feature_names = ("a", "b")
    assert repr(own).splitlines() == [
        "Own of 2 features: a, b",
        '  answers: "a", " b"',
        "  layers: 3",
        f"  before: {'x' * 59}…",
    ]


def test_tables_know_their_standard_errors():
    explanation = with_surrogate()
    table = explanation.interactions("BII")
    np.testing.assert_array_equal(table.standard_errors, explanation.standard_errors(table))
    top = table.top(3)
    np.testing.assert_array_equal(top.standard_errors, explanation.standard_errors(top))
    again = pickle.loads(pickle.dumps(copy.deepcopy(top)))
    np.testing.assert_array_equal(again.standard_errors, top.standard_errors)


def test_differences_and_sums_of_explanations():
    a, b = with_surrogate(), explained(tuple("abcde"))
    difference, masks = a - b, all_masks(5)
    np.testing.assert_allclose(difference.predict(masks), a.predict(masks) - b.predict(masks))
    np.testing.assert_allclose(difference.spectrum(masks), a.spectrum(masks) - b.spectrum(masks), atol=1e-5)
    assert difference.interactions("SV")["a"] == pytest.approx(a.interactions("SV")["a"] - b.interactions("SV")["a"])
    assert np.isnan(difference.interactions("SV").standard_errors).all()
    assert repr(difference).splitlines()[0] == "Difference of two explanations of 5 features"
    mean = sx.comparison.mean([a, a, a, a])
    table = mean.interactions("SV")
    np.testing.assert_allclose(table.values, a.interactions("SV").values)
    np.testing.assert_allclose(table.standard_errors, a.interactions("SV").standard_errors / 2, rtol=1e-6)
    np.testing.assert_allclose(mean.standard_errors(table), table.standard_errors)
    np.testing.assert_allclose(mean.prediction_errors(masks), a.prediction_errors(masks) / 2)
    assert repr(mean).splitlines()[0] == "Mean of 4 explanations of 5 features"
    assert repr(3 * a - b / 2).splitlines()[0] == "Weighted sum of 2 explanations of 5 features"
    np.testing.assert_allclose((3 * a - b / 2 + mean).predict(masks), 4 * a.predict(masks) - b.predict(masks) / 2)
    assert "<table>" in difference._repr_html_()
    with pytest.raises(ValueError, match=r"Feature 0 is 'a' here and 'it' there; .*sx.comparison.aggregate"):
        a - explained()
    with pytest.raises(TypeError):
        a - 1
    with pytest.raises(ValueError, match="a weight for each; got 1 and 2"):
        sx.explanation.Combination((a,), (1.0, 2.0))


@pytest.mark.parametrize("made", [with_surrogate, explained])
def test_the_file_is_as_its_schema_says(made, tmp_path):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((DOCS / "explanation.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    record = json.loads(made().save(tmp_path).read_text(encoding="utf-8"))
    jsonschema.validate(record, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record | {"summary": {}}, schema)


def test_the_file_can_be_read_without_spexjax(tmp_path):
    explanation = with_surrogate()
    said = json.loads(explanation.save(tmp_path).read_text(encoding="utf-8"))["summary"]
    assert said["faithfulness"] == {
        "r2": 0.5,
        "standard_error": 0.1,
        "exact": False,
        "scheme": "by hand",
        "held_out": 20,
    }
    assert said["verdict"] == list(said["verdict"])
    for name in ("SV", "BV", "FSII"):
        table = explanation.interactions(name).top(200)
        rows = said["indices"][name]["interactions"]
        assert [row["value"] for row in rows] == table.values.tolist()
        assert [row["standard_error"] for row in rows] == table.standard_errors.tolist()
        assert [row["names"] for row in rows] == [[*table.names(s)] for s, _ in table]
        assert said["indices"][name]["left_out"] == 0


def test_numbers_that_overflow_are_null(tmp_path):
    game = sx.Spectrum.from_dict({(0,): 1e308, (0, 1): -1e308}, 2)
    masks = all_masks(2)
    values = np.array([0.0, 1e308, -1e308, 1e307])
    faithfulness = Faithfulness(float("nan"), np.zeros(0, np.int64), "by hand", float("nan"))
    explanation = Explanation(game, faithfulness, ("a", "b"), "hand", masks, values)
    record = json.loads(explanation.save(tmp_path).read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert record["summary"]["faithfulness"]["r2"] is None

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from spexjax._printable import BREAKS, printable
from spexjax.explanation._explanation import Faithfulness
from spexjax.report import fragment, html, write_html

HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!-- ",
    "]]></style></div>",
    "{{script}} {{data}} {not} \\u003c",
    "&lt;b&gt;&amp;",
    "\u2028\u2029\u202e\x1b[31m",
    "\ud800lone",
    "<svg/onload=alert(1)>",
)


class Page(HTMLParser):
    """The elements with their attributes, and the text inside each element that has an id."""

    VOID = ("meta", "path", "br", "input")

    def __init__(self, page):
        super().__init__()
        self.elements, self.open, self.texts, self.rows = [], [], {}, 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append((tag, dict(attributes).get("id", tag)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag, f"</{tag}> closes something else"

    def handle_comment(self, data):
        raise AssertionError("a comment")

    def handle_data(self, data):
        for _, name in self.open:
            self.texts[name] = self.texts.get(name, "") + data

    @property
    def structure(self):
        return [(tag, sorted(attributes)) for tag, attributes in self.elements]

    @property
    def data(self):
        return json.loads(self.texts["data"])


def in_strings(text, explain):
    """An explanation in which every string is `text`, or one that `text` chooses by number."""
    names = [text(i) for i in range(10)]
    provenance = {
        "model": text(0),
        "question": text(9) + "{text}",
        "before": text(1),
        "after": text(2),
        "pieces": [[text(i), i] for i in range(10)] + [[text(3), -1]],
        "answers": [text(4), text(5)],
        "value": "logit-difference",
        "removal": text(6),
        "seconds": {text(7): 1.0},
        "fingerprint": text(8),
    }
    terms = {(): 1.0, **{(i,): 0.1 + i for i in range(10)}, (0, 1): -2.0, (3, 8): 1.5}
    return explain(terms, names, scheme=text(9), provenance=provenance, diagnostics={text(3): text(4)})


def test_nothing_in_a_string_becomes_markup(explain):
    plain = Page(html(in_strings(lambda i: f"word{i}", explain)))
    for shift in range(len(HOSTILE)):
        page = html(in_strings(lambda i, s=shift: HOSTILE[(i + s) % len(HOSTILE)], explain))
        parsed = Page(page)
        assert parsed.structure == plain.structure
        assert not parsed.open
        assert parsed.texts["style"] == plain.texts["style"]
        assert parsed.data["tables"] == plain.data["tables"]
        page.encode()


def test_the_text_is_shown_as_it_was_but_for_what_hides_or_turns_it(explain):
    explanation = in_strings(HOSTILE.__getitem__, explain)
    original = "".join(piece for piece, _ in explanation.provenance["pieces"])
    assert Page(html(explanation)).texts["text"] == printable(original, keep=BREAKS)


def test_data_cannot_leave_its_element(explain):
    page = html(in_strings(HOSTILE.__getitem__, explain))
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1]
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["labels"][3] == "<!--"


def test_self_contained(review):
    page = html(review)
    assert re.findall(r"\w+://[\w./]+", page) == ["http://www.w3.org/2000/svg"]  # a name, not an address
    assert not re.search(r"\b(src|href)=|url\(|@import|fetch\(|import\(|innerHTML|eval\(", page)
    assert "{{" not in page


def test_only_its_own_script_may_run(review):
    page = html(review)
    policy = next(a["content"] for tag, a in Page(page).elements if a.get("http-equiv") == "Content-Security-Policy")
    script = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    assert len(script) == 1
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_every_unit_is_named_and_reachable(review):
    units = [a for _, a in Page(html(review)).elements if a.get("class", "") == "unit"]
    assert [int(a["data-feature"]) for a in units] == list(range(7))
    assert [a["tabindex"] for a in units] == ["0", *["-1"] * 6]  # one tab stop, then the arrow keys
    assert [units[0]["aria-label"], units[5]["aria-label"]] == ["the₁", "the₂"]


def test_what_is_said_around_the_text(review):
    page = Page(html(review))
    assert page.texts["h1"] == "tiny answers “good”"
    whole = page.texts["main"]
    for said in ("tiny", "How is it?", "<|answer|>", "Everything kept", "80 % of the variance", "towards “bad”"):
        assert said in whole
    for said in ("abc123", "delete", "compile 1.0 s (25 %)", "folds 5", "R2 = 0.800 (held out)", "order 3"):
        assert said in whole
    assert "Everything removed" not in whole  # that mask was not evaluated


def test_everything_removed_is_shown_where_it_was_evaluated(review):
    masks = np.concatenate([review.masks, np.zeros((1, 7), bool)])
    more = dataclasses.replace(review, masks=masks, values=np.append(review.values, np.float32(-1.25)))
    assert "−1.25" in Page(html(more)).texts["main"]


def test_without_provenance_the_features_are_chips(explain):
    page = Page(html(explain({(0, 1): 1.0}, ["x0", "x1", "x2"])))
    assert page.texts["text"] == "x0x1x2"
    assert page.texts["h1"] == "What drives a function of 3 features"
    assert next(a for _, a in page.elements if a.get("id") == "text")["class"] == "chips"


def test_of_very_many_features_only_those_with_an_effect_are_chips(explain):
    names = [f"x{i}" for i in range(2000)]
    assert Page(html(explain({(3, 1999): 1.0}, names), max_order=2)).texts["text"] == "x3x1999"


def test_a_constant_function(explain):
    page = Page(html(explain({(): 0.0}, ["a", "b"], provenance={"pieces": [["a", 0], ["b", 1]]})))
    assert "Nothing that was removed changed the value." in page.texts["main"]
    assert "the function is constant" in page.texts["main"]
    assert all(not table["terms"] for table in page.data["tables"])


def test_an_index_of_single_features(review):
    page = Page(html(review, index="SV"))
    assert "SV up to order 1" in page.texts["main"]
    assert page.data["tables"][0]["single"]
    assert "not×good" in page.texts["main"]  # the verdict still says which combination counts


def test_a_fragment_is_isolated(review):
    element = fragment(review, height=300)
    (iframe,) = [a for tag, a in Page(element).elements if tag == "iframe"]
    assert iframe["sandbox"] == "allow-scripts"
    assert "height:300px" in iframe["style"]
    assert Page(iframe["srcdoc"]).texts["h1"] == "tiny answers “good”"


@pytest.mark.parametrize(
    ("r2", "warning"),
    [(0.9, None), (0.5, None), (0.49, "Read with care"), (0.09, "Not learnable"), (float("nan"), "nothing to explain")],
)
def test_warnings(review, r2, warning):
    page = html(dataclasses.replace(review, faithfulness=Faithfulness(r2, np.arange(31), "held out")))
    assert ('class="caution"' in page) == (warning is not None)
    assert warning is None or warning in page


def test_unknown_index(review):
    with pytest.raises(ValueError, match="FSII"):
        html(review, index="FSI")


def test_write(review, tmp_path):
    path = write_html(review, tmp_path / "new" / "page.html", top=3)
    assert path.read_text(encoding="utf-8") == html(review, top=3)


def test_several_in_one_page(review, tmp_path):
    other = dataclasses.replace(review, faithfulness=Faithfulness(0.3, np.arange(31), "held out"))
    page = html([review, other, review])
    shown = Page(page)
    radios = [attributes for tag, attributes in shown.elements if tag == "input"]
    frames = [attributes for tag, attributes in shown.elements if tag == "iframe"]
    assert len(radios) == len(frames) == 3
    assert ["checked" in radio for radio in radios] == [True, False, False]
    assert all(frame["sandbox"] == "allow-scripts" for frame in frames)
    assert "3 explanations" in page
    assert "all from the same 31 ablations" in page
    assert "1 of them are to be read with care" in page
    assert [radio["id"] for radio in radios] == ["value0", "value1", "value2"]
    assert write_html([review], tmp_path / "page.html").read_text(encoding="utf-8") == html([review])
    with pytest.raises(ValueError, match="nothing to show"):
        html([])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_several_are_escaped(review, name):
    class Named(list):
        names = (name, "b")

    shown = Page(html(Named([review, review])))
    tags = {tag for tag, _ in shown.elements}
    assert tags <= {"html", "head", "meta", "title", "style", "body", "main", "header", "h1", "p", "fieldset", "legend",
                    "input", "label", "small", "div", "iframe"}  # fmt: skip
    assert not any(attribute.startswith("on") for _, attributes in shown.elements for attribute in attributes)


def test_what_was_known_before_is_told(explain):
    terms, names = {(): 1.0, (0,): 2.0}, ["a", "b"]
    known = {"gradient": [1.0, 0.0], "relevances": [2.0, 1.0], "prior": "<b>f00d</b>"}
    told = "the gradient; how much each feature was expected to matter; a prior (the explanation <b>f00d</b>)"
    assert told in Page(html(explain(terms, names, provenance=known))).texts["main"]
    assert "Known before" not in html(explain(terms, names, provenance={}))

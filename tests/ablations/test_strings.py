"""What is no text, is far too long, or is an answer that nobody would write."""

import dataclasses
import time
import warnings

import numpy as np
import pytest

from spexjax import ablations
from spexjax.ablations._prompts import _strings as strings
from spexjax.ablations._prompts._strings import answer_tokens, check_room, check_text

GIVEN = {"question": "Q", "answers": ("x", "y")}


@pytest.mark.parametrize(
    ("what", "options"),
    [
        ("question", {"question": "Q\udcff"}),
        ("answer", {"answers": ("x", "y\udcff")}),
        ("answer prefix", {"answer_prefix": "\ud800"}),
        ("system turn", {"system": "\udfff"}),
        ("replacement", {"removal": "replace", "replacement": "\udc80"}),
    ],
)
def test_what_was_no_utf8_is_named(tiny, what, options):
    with pytest.raises(ValueError, match=rf"The {what} is not valid UTF-8: character \d is U\+D"):
        ablations.text(tiny, "a b c", **{**GIVEN, **options})
    with pytest.raises(ValueError, match=r"The text is not valid UTF-8: character 2 is U\+DC80"):
        ablations.text(tiny, "a \udc80 c", **GIVEN)
    with pytest.raises(ValueError, match="The prompt is not valid UTF-8"):
        ablations.components(tiny, ["a \udc80 c"], ("x", "y"))


@pytest.mark.usefixtures("unchecked")
def test_what_is_no_string_is_named(tiny):
    for wrong in (None, b"bytes", 3):
        with pytest.raises(ValueError, match=f"The text must be a string, not {type(wrong).__name__}"):
            check_text("text", wrong)
    with pytest.raises(ValueError, match="The answer must be a string, not int"):
        ablations.text(tiny, "a b c", question="Q", answers=(1, 2))


@pytest.mark.parametrize("unit", ["The quick brown fox. ", "a", "日", "\n", "<eos>"])
def test_long_input_is_judged_by_its_beginning(tiny, unit):
    text, start = "a" + unit * (20_000_000 // len(unit)), time.perf_counter()
    with pytest.raises(
        ValueError, match=r"The text has 19,99\d,\d+|20,0\d+,\d+ characters; the first [\d,]+ of them are"
    ):
        ablations.text(tiny, text, **GIVEN)
    assert time.perf_counter() - start < 10  # a tenth of a second on an idle machine; tokenising takes minutes


def test_every_string_is_judged(tiny):
    long = "unbelievable " * 5000
    for what, options in {
        "question": {"question": long},
        "answer": {"answers": ("x", long)},
        "answer prefix": {"answer_prefix": long},
        "replacement": {"removal": "replace", "replacement": long},
    }.items():
        with pytest.raises(ValueError, match=f"The {what} has 65,000 characters"):
            ablations.text(tiny, "a b c", **{**GIVEN, **options})
    with pytest.raises(ValueError, match="The prompt has 65,000 characters"):
        ablations.components(tiny, [long], ("x", "y"))


def test_what_fits_is_not_refused_at_a_glance(tiny):
    """Long tokens: more than six characters each."""
    text = "<eos>" * 500
    check_room(tiny, text)
    assert len(tiny.encode([text])[0]) == 500
    with pytest.raises(ValueError, match="the first 3,072 of them are 616 tokens"):
        check_room(tiny, text * 2)


def test_a_token_without_an_embedding_is_named(tiny):
    small = dataclasses.replace(tiny, config=dataclasses.replace(tiny.config, vocab_size=80))
    with pytest.raises(ValueError, match=r"has the token '\S+' \(id \d+\), but \S+ has 80 embeddings"):
        small.encode(["it is"])
    with pytest.raises(ValueError, match="has 80 embeddings"):
        ablations.text(small, "it is", **GIVEN)


def likely(model, prompt, tokens):
    """Log-probabilities that make some tokens likely, in units of a thousandth."""
    values = np.full(model.config.vocab_size, np.log(1e-3))
    for token, p in tokens.items():
        values[answer_tokens(model, prompt, model.encode([prompt])[0], token)[0]] = np.log(p)
    return values


@pytest.mark.parametrize(
    ("answers", "tokens", "meant"),
    [
        (("a", "t"), {" a": 0.2}, r"200 times as likely to begin with ' a' as with 'a'; did you mean ' a' and 't'\?"),
        (("a", "t"), {" a": 0.2, " t": 0.3}, r"300 times .* ' t' as with 't'; did you mean ' a' and ' t'\?"),
        ((" a", " t"), {"a": 0.2}, r"200 times .* 'a' as with ' a'; did you mean 'a' and ' t'\?"),
        ("a", {" a": 0.2}, r"200 times .* did you mean ' a'\?"),
        (("a", "t"), {" a": 0.05, "a": 0.3}, None),
        (("a", "t"), {"a": 0.5, "t": 0.4}, None),
        (" ", {"a": 0.5}, None),
    ],
)
def test_an_answer_that_lacks_its_space_is_named(tiny, monkeypatch, answers, tokens, meant):
    monkeypatch.setattr(strings, "next_log_probabilities", lambda model, ids, of: likely(model, "Q a b.", tokens)[of])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        made = [ablations.text(tiny, "a b.", question="Q {text}", answers=answers)]
        made.append(ablations.components(tiny, ["Q a b."], answers))
    assert len(said) == (2 if meant else 0)
    kept = [warning for ablation in made for warning in ablation.describe().get("warnings", [])]
    kept = [warning for warning in kept if "by their first tokens" not in warning]  # the tiny model spells them so
    assert kept == [str(warning.message) for warning in said]
    for warning in said:
        with pytest.warns(UserWarning, match=meant):
            warnings.warn(str(warning.message), stacklevel=1)


@pytest.mark.model
def test_the_real_model_says_which_answer_it_would_write(smollm2):
    given = {"question": "Is this film review Positive or Negative?\n{text}", "answer_prefix": "Sentiment:"}
    with pytest.warns(UserWarning, match=r"times as likely .*; did you mean ' Positive' and ' Negative'\?"):
        ablations.text(smollm2, "It is not bad at all.", answers=("Positive", "Negative"), **given)
    ablations.text(smollm2, "It is not bad at all.", answers=(" Positive", " Negative"), **given)
    start = time.perf_counter()
    with pytest.raises(ValueError, match="The text has 50,000,000 characters"):
        ablations.text(smollm2, "so it is. " * 5_000_000, answers=(" Positive", " Negative"), **given)
    assert time.perf_counter() - start < 5  # a third of a second on an idle machine

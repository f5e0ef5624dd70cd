"""A service that answers: values, bounds, samples, judges, what is said before an ask, and what is kept where."""

import functools
import math
import os
import sys

import jax
import numpy as np
import pytest

pytest.importorskip("httpx")

import fake_service

import spexjax as sx
from spexjax import ablations
from spexjax.ablation import UNNAMED
from spexjax.ablations._service import _loop, _options
from spexjax.evaluation import evaluate, run

TEXT = "The plot is not exactly bad, I think."
ASKED = {"question": "Is it good?", "answers": ("Yes", "No")}
EXTRA = math.log(1 + math.exp(-1.9))  # the fake service's other spelling of Yes
SECRET = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_options, "Backoff", functools.partial(_options.Backoff, first=0.01))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def masks_of(ablation, m=30):
    masks = np.random.default_rng(0).random((m, ablation.num_features)) < 0.6
    masks[0] = True
    return masks


def verdicts(ablation, masks):
    prompts = [ablation.frame.prompt(string) for string in ablation.pieces.strings(masks)]
    return np.array([fake_service.verdict(prompt) for prompt in prompts])


@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_the_log_probabilities_of_two_answers(kind):
    with fake_service.FakeService() as fake:
        given = {"system": "Be short."} if kind == "chat" else {"answer_prefix": "Verdict:"}
        ablation = ablations.service(fake.url, "m", TEXT, endpoint=kind, **ASKED, **given)
        masks = masks_of(ablation)
        found = run(ablation, masks)
    np.testing.assert_allclose(found.values, verdicts(ablation, masks) + EXTRA, atol=1e-5)
    assert fake.asks == found.num_evaluations == len(np.unique(masks, axis=0)) == ablation.tally.answered
    body = fake.bodies[0]
    if kind == "chat":
        assert body["messages"][0] == {"role": "system", "content": "Be short."}
        assert (body["logprobs"], body["top_logprobs"], body["max_tokens"], body["temperature"]) == (True, 20, 1, 0)
    else:
        assert body["prompt"].startswith("Is it good?\n")
        assert body["prompt"].endswith("\nVerdict:")
        assert body["logprobs"] == 5
    assert "authorization" not in fake.headers[0]


def test_a_set_of_answers_and_one_that_is_not_among_the_top_tokens():
    with fake_service.FakeService(misbehave=lambda prompt, nth: "no No" if "bad" in prompt else None) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, question="Good?", answers=("Yes", "No", "Maybe"))
        masks = masks_of(ablation)
        each = evaluate(ablation, masks)
    yes = -np.log1p(np.exp(-verdicts(ablation, masks)))
    no = np.where(masks[:, ablation.feature_names.index("bad,")], -7.0, yes - verdicts(ablation, masks) - 0.1)
    scores = np.stack([np.logaddexp(yes - 0.1, yes - 2.0), no, np.full(len(yes), -7.0)], 1)
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(each, np.log(p) - np.log1p(-p), atol=1e-5)
    assert ablation.value_names == ("Yes", "No", "Maybe")
    bounded = len(np.unique(masks[masks[:, ablation.feature_names.index("bad,")]], axis=0))
    assert ablation.tally.bounded == bounded
    assert f"For {bounded} of {ablation.tally.answered} prompts an answer was not" in ablation.describe()["warnings"][0]
    assert "as likely as the least" in ablation.describe()["service"]["missing"]


def test_shares_of_samples_that_come_in_parts():
    def say(prompt, i):
        return ["yes, it is", "No", "none of it", "Yes"][i % 4]

    with fake_service.FakeService(misbehave=lambda prompt, nth: "few", say=say) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, samples=8, **ASKED)
        values = evaluate(ablation, np.ones((1, ablation.num_features), bool))
    assert [body.get("n", 1) for body in fake.bodies] == [8, 4, 2, 1]
    assert fake.bodies[0]["temperature"] == 1
    assert ablation.describe()["value"] == "share-difference"
    said = [say("", i) for count in (4, 2, 1, 1) for i in range(count)]
    yes = sum(text.lower().startswith("yes") for text in said)
    assert values.tolist() == [(yes - said.count("No")) / 8]


def test_a_judge_and_its_identity():
    with fake_service.FakeService(say=lambda prompt, i: prompt[::-1]) as fake:

        def asked(judge, **options):
            return ablations.service(fake.url, "m", TEXT, question="Q", judge=judge, **options)

        ablation = asked(lambda text: len(text))
        masks = masks_of(ablation)
        expected = [len(ablation.frame.prompt(s)) for s in ablation.pieces.strings(masks)]
        assert evaluate(ablation, masks).tolist() == expected
        assert ablation.fingerprint == asked(lambda text: len(text)).fingerprint
        assert ablation.fingerprint != asked(lambda text: -len(text)).fingerprint
        reads = asked(lambda text: float(os.environ[text]))
        assert reads.fingerprint.startswith(UNNAMED)
        assert not asked(lambda text: float(os.environ[text]), fingerprint="v1").fingerprint.startswith(UNNAMED)
        for no_number in (lambda text: float("nan"), lambda text: "fine", lambda text: None):
            with pytest.raises(ValueError, match="must give a finite number"):
                evaluate(asked(no_number), masks)
        with pytest.raises(ZeroDivisionError):
            evaluate(asked(lambda text: 1 / 0), masks)


def test_a_client_of_ones_own():
    import httpx

    with fake_service.FakeService(key="mine") as fake:
        client = httpx.AsyncClient(base_url=fake.url, headers={"Authorization": "Bearer mine"})
        ablation = ablations.service(client, "m", TEXT, key_env=None, **ASKED)
        masks = masks_of(ablation)
        for rows in (masks[:10], masks[10:]):  # two runs on one client
            np.testing.assert_allclose(evaluate(ablation, rows), verdicts(ablation, rows) + EXTRA, atol=1e-5)
        assert ablation.fingerprint == ablations.service(fake.url, "m", TEXT, **ASKED).fingerprint
        assert not client.is_closed
        _loop.start(client.aclose()).result()


def test_a_key_in_place_of_its_variable_is_not_echoed():
    with pytest.raises(ValueError, match="key_env is the name of an environment variable") as bad:
        ablations.service("http://localhost:1/v1", "m", TEXT, key_env=SECRET, **ASKED)
    assert SECRET not in str(bad.value)


def test_a_key_comes_from_the_environment_and_goes_nowhere_else(tmp_path, monkeypatch, capfd, caplog):
    caplog.set_level(0)
    monkeypatch.setenv("MY_KEY", SECRET)
    with fake_service.FakeService(key=SECRET) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, key_env="MY_KEY", **ASKED)
        store, key = sx.Store(tmp_path / "values"), jax.random.key(0)
        explanation = sx.explain(ablation, budget=40, method="lasso", store=store, key=key, progress=False)
        sx.report.write_html(explanation, tmp_path / "page.html", progress=False)
        explanation.save(tmp_path)
        monkeypatch.setenv("MY_KEY", SECRET + "-old")
        asks = fake.asks
        with pytest.raises(
            OSError, match=r"refuses m .401.; put a valid key into the environment variable MY_KEY"
        ) as bad:
            evaluate(ablations.service(fake.url, "m", TEXT + "!", key_env="MY_KEY", **ASKED), masks_of(ablation))
        assert fake.asks == asks + 1, "what is wrong with all asks costs one"
        with pytest.raises(OSError, match="name the environment variable that holds the key by key_env"):
            evaluate(ablations.service(fake.url, "m", TEXT + "?", key_env=None, **ASKED), masks_of(ablation))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    seen = [
        repr(ablation),
        repr(explanation),
        str(bad.value),
        repr(bad.value.__context__),
        caplog.text,
        *capfd.readouterr(),
    ]
    assert len(files) > 3
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
    assert not any(SECRET in text for text in seen)
    assert explanation.provenance["service"]["asks"] == asks


def test_an_error_that_quotes_the_key_does_not_reach_the_user(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    said = f"status 400 no such model for {SECRET} or Bearer abc.def or sk-other-one"
    with fake_service.FakeService(misbehave=lambda prompt, nth: said) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, **ASKED)
        with pytest.raises(OSError, match=r"refuses m .400.: no such model for ... or ... or ....") as bad:
            evaluate(ablation, masks_of(ablation))
    assert "nothing is lost" in str(bad.value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\x01")
    with pytest.raises(ValueError, match="OPENAI_API_KEY has characters that cannot be sent"):
        ablations.service(fake.url, "m", TEXT, **ASKED)


@pytest.mark.parametrize("said", [None, "status 400 logprobs are not supported"])
def test_a_service_without_log_probabilities_is_asked_once(said):
    with fake_service.FakeService(logprobs=False, misbehave=lambda prompt, nth: said) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, **ASKED)
        with pytest.raises(ValueError, match=r"no log-probabilities of m: take samples=20.* or judge=") as bad:
            evaluate(ablation, masks_of(ablation))
    assert fake.asks == 1
    assert "..." not in str(bad.value)


def test_what_would_cost_too_much_is_not_asked():
    with fake_service.FakeService() as fake:
        dear = ablations.service(fake.url, "m", TEXT, price=(1e6, 1e6), max_cost=100.0, **ASKED)
        assert dear.estimate(10).cost == 10 * dear.estimate(1).cost > 100
        with pytest.raises(ValueError, match=r"30 asks, about .* tokens, about .*: more than max_cost=100"):
            evaluate(dear, np.unique(masks_of(dear, 60), axis=0)[:30])
        assert fake.asks == 0
        few = evaluate(dear, masks_of(dear)[:2])
        assert len(few) == fake.asks == 2
        fake.tokens = 110_000  # for each ask, by the service's own count
        cheap = ablations.service(fake.url, "m", TEXT, price=(1.0, 1.0), max_cost=1.0, at_once=2, **ASKED)
        assert cheap.estimate(30).cost < 0.1
        with pytest.raises(ValueError, match=r"has cost 1\.\d+ by its own count.* So far 1\d answers by 1\d asks"):
            evaluate(cheap, masks_of(cheap))
        assert fake.asks <= 2 + 12


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"url": "ftp://x"}, "is like https://"),
        ({"url": "https://me:pass@x/v1"}, "no user, password or query"),
        ({"url": "https://x/v1?key=1"}, "no user, password or query"),
        ({"url": 3}, "a URL, or an httpx.AsyncClient"),
        ({"answers": None}, "Give the answers to compare, or judge="),
        ({"answers": ("No", "Not")}, "begins the answer"),
        ({"answers": ("A", "A")}, "are the same"),
        ({"value": "share"}, "The value must be one of logit-difference"),
        ({"value": "log-odds", "samples": 3}, "The value must be one of share-difference"),
        ({"judge": len}, "in place of answers"),
        ({"endpoint": "embeddings"}, "must be one of chat, completions"),
        ({"endpoint": "completions", "system": "x"}, "no system turn"),
        ({"answer_prefix": "A:"}, "begins its answer itself"),
        ({"features": "token"}, "known to a model alone, and service gives strings"),
        ({"removal": "hide"}, "hides tokens"),
        ({"max_cost": 1.0}, "needs price="),
        ({"price": (1,)}, "price is two numbers"),
        ({"at_once": 0}, "at_once is a whole number"),
        ({"rate": -1}, "rate is a number greater than 0"),
        ({"temperature": -1.0}, "temperature"),
        ({"top": 3, "samples": 3}, "top= is for"),
        ({"body": {"a": object()}}, "JSON values only"),
        ({"question": "{text} {text}"}, "only once"),
    ],
)
def test_what_cannot_be_done_is_said_before_an_ask(options, said, unchecked):
    with pytest.raises(ValueError, match=said):
        ablations.service(**{"url": "http://127.0.0.1:9/v1", "model": "m", "text": TEXT, **ASKED, **options})


def test_without_httpx_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ImportError, match=r"pip install 'spexjax\[service\]'"):
        ablations.service("http://127.0.0.1:9/v1", "m", TEXT, **ASKED)

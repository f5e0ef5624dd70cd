"""A service that stalls, fails, limits, breaks connections or answers half; and a process that is killed."""

import functools
import os
import re
import signal
import subprocess
import sys
import time
import zlib

import numpy as np
import pytest

pytest.importorskip("httpx")

import fake_service

import spexjax as sx
from spexjax import ablations
from spexjax.ablations._service import _options
from spexjax.ablations._service._bucket import Bucket
from spexjax.ablations._service._retry import Backoff, retry_after
from spexjax.evaluation import evaluate, run

TEXT = "The plot is not exactly bad, but I never once cared how it would end at all."
ASKED = {"question": "Is it good?", "answers": ("Yes", "No")}
FAILURES = ("stall", "late", "bare", "status 500", "status 503", "wait 0.05", "break", "half", "malformed", "empty")
KINDS = (*FAILURES, "", "")
CHILD = """
import sys
import numpy as np
import spexjax as sx
from spexjax.evaluation import evaluate
url, folder, text, m = sys.argv[1:]
ablation = sx.ablations.service(url, "m", text, question="Is it good?", answers=("Yes", "No"))
masks = np.array([[int(bit) for bit in format(i, f"0{ablation.num_features}b")] for i in range(int(m))], bool)
evaluate(ablation, masks, store=sx.Store(folder))
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(_options, "Backoff", functools.partial(_options.Backoff, first=0.01))


def masks_of(ablation, m):
    return np.array([[int(bit) for bit in format(i, f"0{ablation.num_features}b")] for i in range(m)], bool)


def expected(ablation, masks):
    prompts = [ablation.frame.prompt(string) for string in ablation.pieces.strings(masks)]
    return np.array([fake_service.verdict(prompt) for prompt in prompts]) + np.log1p(np.exp(-1.9))


def kind_of(prompt, nth):
    """Every third of the prompts fails in some way, once or twice."""
    number = zlib.crc32(prompt.encode())
    return KINDS[number % len(KINDS)] if nth < 1 + number % 2 else None


def test_whatever_a_service_does_every_prompt_has_its_answer_once():
    with fake_service.FakeService(delay=0.002, misbehave=kind_of) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, timeout=0.4, at_once=16, **ASKED)
        masks = masks_of(ablation, 256)
        found = run(ablation, masks)
    np.testing.assert_allclose(found.values, expected(ablation, masks), atol=1e-5)
    tally = ablation.tally
    again = sum(count - 1 for count in fake.asked.values())
    assert tally.answered == found.num_evaluations == len(fake.asked)
    assert again == tally.retried.total() > 100
    assert not tally.failed
    assert set(tally.retried) == {
        *("time-out", "error of the service (500)", "error of the service (503)", "limited (429)"),
        *("broken connection", "malformed answer"),
    }
    assert re.match(rf"256 answers by {256 + again} asks; {again} sent again \(.*time-out \d+", str(tally))
    assert ablation.describe()["service"]["retried"]["limited (429)"] == tally.retried["limited (429)"]


def test_what_is_given_up_is_said_and_all_else_is_kept(tmp_path):
    with fake_service.FakeService(delay=0.01) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, at_once=8, tries=3, **ASKED)
        masks = masks_of(ablation, 64)
        doomed = ablation.frame.prompt(ablation.pieces.strings(masks[30:31])[0])
        fake.misbehave = lambda prompt, nth: "status 500" if prompt == doomed else None
        with pytest.raises(
            OSError, match=r"did not answer a prompt in 3 tries \(the last: error of the service \(500\)\)"
        ) as bad:
            evaluate(ablation, masks, store=sx.Store(tmp_path))
        said = re.search(
            r"So far (\d+) answers by (\d+) asks; 2 sent again .*; 1 given up .*with the same store", str(bad.value)
        )
        answered, asks = map(int, said.groups())
        assert fake.asked[doomed] == 3
        assert asks == fake.asks == answered + 3
        fake.misbehave = lambda prompt, nth: None
        again = ablations.service(fake.url, "m", TEXT, **ASKED)
        np.testing.assert_allclose(
            evaluate(again, masks, store=sx.Store(tmp_path)), expected(ablation, masks), atol=1e-5
        )
    assert fake.asks == 64 + 3, "nothing is asked twice but what was given up"
    assert again.tally.answered == 64 - answered


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("moved", r"127.0.0.1:\d+ redirects to another address .302.; give the URL of the service itself"),
        ("page 200", r"127.0.0.1:\d+ sends a web page; the URL of a service often ends with /v1"),
        ("page 404", r"refuses m .404.: it sends a web page; the URL"),
        ("code 400", r"refuses m .400.: no room"),
        ("code 401", r"refuses m .401.; put a valid key"),
        ("logits", r"gives log-probabilities above 0; take samples= or judge="),
    ],
)
def test_what_is_no_answer_is_told_after_one_ask(what, said):
    with fake_service.FakeService(misbehave=lambda prompt, nth: what) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, **ASKED)
        with pytest.raises(OSError, match=said):
            evaluate(ablation, masks_of(ablation, 8))
        assert fake.asks == 1


def test_an_error_with_the_status_of_a_success_is_asked_again_if_that_may_help():
    with fake_service.FakeService(misbehave=lambda prompt, nth: None if nth else "code 429") as fake:
        ablation = ablations.service(fake.url, "m", TEXT, **ASKED)
        masks = masks_of(ablation, 4)
        np.testing.assert_allclose(evaluate(ablation, masks), expected(ablation, masks), atol=1e-5)
        assert ablation.tally.retried == {"limited (429)": len(fake.asked)}


def test_nobody_at_the_address():
    with fake_service.FakeService() as fake:
        pass
    with pytest.raises(OSError, match=r"did not answer a prompt in 2 tries .the last: no connection.*nothing is lost"):
        evaluate(ablations.service(fake.url, "m", TEXT, tries=2, **ASKED), np.ones((1, 17), bool))


@pytest.mark.parametrize("m", [192])
def test_a_process_that_is_killed_loses_what_is_in_flight_only(tmp_path, m):
    with fake_service.FakeService(delay=0.05) as fake:
        command = [sys.executable, "-c", CHILD, fake.url, str(tmp_path), TEXT, str(m)]
        with subprocess.Popen(command, env=os.environ | {"JAX_PLATFORMS": "cpu"}) as child:
            limit = time.monotonic() + 60
            while fake.asks < m // 2 and time.monotonic() < limit:
                time.sleep(0.005)
            child.send_signal(signal.SIGKILL)
            child.wait()
        time.sleep(0.1)
        first = fake.asks
        ablation = ablations.service(fake.url, "m", TEXT, **ASKED)
        masks = masks_of(ablation, m)
        start = time.perf_counter()
        found = run(ablation, masks, store=sx.Store(tmp_path))
        seconds = time.perf_counter() - start
    np.testing.assert_allclose(found.values, expected(ablation, masks), atol=1e-5)
    assert m // 2 <= first < m
    assert m <= fake.asks <= m + 32
    assert found.num_reused >= first - 32
    assert max(fake.asked.values()) <= 2
    assert fake.most <= 32
    assert seconds < 10


def test_as_many_at_once_as_allowed_and_no_more_often():
    with fake_service.FakeService(delay=0.02) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, at_once=5, **ASKED)
        evaluate(ablation, masks_of(ablation, 40))
        assert fake.most == 5
        slow = ablations.service(fake.url, "m", TEXT + "!", rate=100.0, **ASKED)
        fake.times.clear()
        evaluate(slow, masks_of(slow, 150))
        times = np.array(fake.times)
    assert times[-1] - times[0] > 0.4, "150 asks: the first 100 at once, then 100 a second"


def test_a_service_that_limits_is_left_alone_for_as_long_as_it_asks():
    with fake_service.FakeService(misbehave=lambda prompt, nth: None) as fake:
        ablation = ablations.service(fake.url, "m", TEXT, at_once=4, **ASKED)
        masks = masks_of(ablation, 40)
        fake.misbehave = lambda prompt, nth: "wait 0.5" if fake.asks == 10 else None
        evaluate(ablation, masks)
        gaps = np.diff(fake.times)
    assert gaps.max() > 0.4, "nobody asks meanwhile"
    assert fake.asks == 41


def test_waits_grow_and_are_as_long_as_asked():
    backoff = Backoff(10)
    for i in range(9):
        assert 0.25 * 2**i <= backoff.wait(i, None) <= 0.5 * 2**i or i > 5
        assert backoff.wait(i, None) <= 30
    assert backoff.wait(0, 7.0) == 7
    assert backoff.wait(1000, None) <= 30
    assert [retry_after(header) for header in (None, "", "3", "-1", "inf", "nan", "later")] == [
        None,
        None,
        3,
        *[None] * 4,
    ]
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_a_bucket_refills():
    bucket = Bucket(10.0)
    at = bucket._at
    bucket._tokens = 0.0
    assert bucket._wait(at) == pytest.approx(0.1)
    assert bucket._wait(at + 0.11) == 0
    assert bucket._wait(at + 100) == 0
    assert bucket._tokens == 10
    assert Bucket(None)._wait(at) == 0

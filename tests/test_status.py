"""What is said of long phases: where, when, and by whom it is heard."""

import io
import sys
import threading
import time
from types import ModuleType

import jax
import numpy as np
import pytest

import spexjax as sx
from spexjax import _status
from spexjax._status import in_notebook, is_watched, phase


class Terminal(io.StringIO):
    def isatty(self):
        return True


class ZMQInteractiveShell:
    pass


class Shell(ZMQInteractiveShell):
    """Colab's."""


class TerminalInteractiveShell:
    pass


def at_a_terminal(monkeypatch):
    """What is written to it; for the body of a test, because pytest sets its own stream after the fixtures."""
    monkeypatch.setattr(sys, "stderr", Terminal())
    return sys.stderr


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(_status, "_PATIENCE", 0.0)


def inside(monkeypatch, shell):
    """As within that shell of IPython."""
    ipython = ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def test_a_short_phase_is_not_worth_a_word(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    with phase("fit"):
        pass
    assert terminal.getvalue() == ""


def test_a_long_phase_is_named_while_it_runs_and_timed_at_its_end(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    monkeypatch.setattr(_status, "_PATIENCE", 0.02)
    with phase("fit") as spent:
        deadline = time.perf_counter() + 20
        while not terminal.getvalue() and time.perf_counter() < deadline:
            time.sleep(0.01)
        assert terminal.getvalue() == "fit ..."
    assert terminal.getvalue() == f"fit ...\rfit {spent.seconds:.1f} s\n"
    assert spent.seconds >= 0.02


def test_no_thread_outlives_its_phase_even_if_that_fails(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    before = threading.active_count()
    with pytest.raises(RuntimeError, match="1 more"), phase("fit"):
        raise RuntimeError(f"{threading.active_count() - before} more")
    assert threading.active_count() == before
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("impatient")
def test_quiet_when_asked(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    with phase("fit", enabled=False):
        time.sleep(0.01)
    assert terminal.getvalue() == ""


@pytest.mark.usefixtures("impatient")
def test_a_file_gets_a_line_only_if_asked_for(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with phase("fit"):
        pass
    with phase("report", enabled=True):
        pass
    assert sys.stderr.getvalue() == "report 0.0 s\n"


@pytest.mark.usefixtures("impatient")
def test_nobody_listens(monkeypatch):
    terminal = at_a_terminal(monkeypatch)
    terminal.close()
    assert not is_watched()
    with phase("fit", enabled=True):
        pass
    monkeypatch.setattr(sys, "stderr", None)
    assert not is_watched()
    with phase("fit", enabled=True):
        pass


def test_compiling_is_told_apart():
    with phase("fit") as spent:
        jax.jit(lambda x: x * 43)(np.ones(3, np.float32))
        time.sleep(0.01)
    assert spent.compile_seconds > 0
    assert spent.seconds >= 0.01
    assert str(_status.Spent(1.0, 2.0)) == "3.0 s, of which 2.0 s compiling"


@pytest.mark.parametrize(
    ("shell", "expected"),
    [(Shell(), True), (ZMQInteractiveShell(), True), (TerminalInteractiveShell(), False), (None, False)],
)
def test_notebooks_are_known_by_their_shell(shell, expected, monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())  # not a terminal
    assert not in_notebook()
    inside(monkeypatch, shell)
    assert in_notebook() == is_watched() == expected
    assert not is_watched(False)


@pytest.mark.filterwarnings("error")
def test_the_bar_of_ablations_is_shown_in_a_notebook(monkeypatch):
    """Also in one without widgets, where rich would only warn."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    inside(monkeypatch, Shell())
    ablation = sx.ablations.host_function(lambda masks: masks.sum(1), 4)
    sx.evaluate(ablation, np.eye(4, dtype=bool))
    assert "4/4" in sys.stderr.getvalue()


@pytest.mark.usefixtures("impatient")
def test_explain_fit_and_report_say_what_they_do(monkeypatch):
    terminal = at_a_terminal(monkeypatch)

    def value(masks):
        return masks[:, 0] + 2.0 * masks[:, 1] * masks[:, 2]

    key = jax.random.key(0)
    explanation = sx.explain(sx.ablations.host_function(value, 4), budget=16, key=key, method="lasso")
    sx.fit(explanation.masks, explanation.values, key=key, method="lasso")
    sx.report.html(explanation)
    sx.report.interaction_table(explanation)
    said = terminal.getvalue()
    assert [name for name in ("design", "ablations", "fit", "report", "table") if f"{name} " not in said] == []
    terminal.truncate(0)
    explanation = sx.explain(sx.ablations.host_function(value, 4), budget=16, key=key, method="lasso", progress=False)
    sx.fit(explanation.masks, explanation.values, key=key, method="lasso", progress=False)
    sx.report.html(explanation, progress=False)
    sx.report.interaction_table(explanation, progress=False)
    assert terminal.getvalue().strip("\0") == ""


def test_the_provenance_times_compiling_wherever_it_happens():
    jax.clear_caches()
    rng, key = np.random.default_rng(0), jax.random.key(0)
    masks = np.unique(rng.random((40, 7)) < 0.5, axis=0)
    start = time.perf_counter()
    explanation = sx.fit(masks, masks @ rng.normal(size=7) + rng.normal(size=len(masks)), method="lasso", key=key)
    passed = time.perf_counter() - start
    seconds = explanation.provenance["seconds"]
    assert list(seconds) == ["compile", "fit"]
    assert 0 < seconds["compile"] < passed
    assert sum(seconds.values()) <= passed + 0.01

    jax.clear_caches()
    ablation = sx.ablations.host_function(lambda masks: np.sin(masks @ np.arange(7)), 7)
    start = time.perf_counter()
    seconds = sx.explain(ablation, budget=50, method="lasso", key=key).provenance["seconds"]
    passed = time.perf_counter() - start
    assert list(seconds) == ["prepare", "compile", "ablations", "fit"]
    assert seconds["compile"] > seconds["ablations"]  # that of the fit: the function itself is not compiled
    assert sum(seconds.values()) <= passed + 0.01

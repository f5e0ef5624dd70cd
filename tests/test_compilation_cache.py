"""Compiled programs outlive the process, unless the user wants something else; seen from fresh processes."""

import ast
import os
import subprocess
import sys

import pytest

COUNT = """
import jax, numpy as np
from jax import monitoring
events = []
monitoring.register_event_listener(lambda name, **_: events.append(name.split("/")[-1]))
def report():
    print({"hits": events.count("cache_hits"), "misses": events.count("cache_misses"),
           "asked": events.count("compile_requests_use_cache"), "folder": jax.config.jax_compilation_cache_dir})
"""
FIT = (
    COUNT
    + """
key = jax.random.key(0)  # compiled before the first fit
import spexjax as sx
masks = np.random.default_rng(0).random((64, 6)) < 0.5
events.clear()
sx.fit(masks, masks @ np.arange(6.0), key=key, method="lasso").interactions("FSII", 2)
with jax.enable_x64(True):
    jax.jit(lambda x: x / 3)(np.float64(1))
report()
"""
)
PROGRAM = (
    COUNT
    + """
from spexjax._compilation_cache import keep_programs
keep_programs()
jax.jit(lambda x: x * 2)(1.0)
report()
"""
)


@pytest.fixture
def environment(tmp_path):
    """As it is for a user who has set nothing."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "SPEXJAX_", "XDG_"))}
    return {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}


def start(code, environment):
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=pipe, stderr=pipe, text=True)


def said(process):
    """What a process reports; it must end well, and without a word on standard error."""
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    return ast.literal_eval(out)


def test_a_second_process_compiles_nothing(environment):
    first, second = (said(start(FIT, environment)) for _ in range(2))
    assert first["folder"] == f"{environment['XDG_CACHE_HOME']}/spexjax/programs"
    assert first["hits"] == 0
    assert first["misses"] == first["asked"] > 0
    assert second["misses"] == 0
    assert second["hits"] == second["asked"] < first["asked"]  # some programs are kept whole: JAX is not asked for them


def test_processes_that_start_at_once_share_it(environment):
    for process in [start(PROGRAM, environment) for _ in range(3)]:
        assert said(process)["asked"] == 1
    assert said(start(PROGRAM, environment))["hits"] == 1


def test_a_damaged_program_is_compiled_again(environment, tmp_path):
    said(start(PROGRAM, environment))
    (entry,) = (tmp_path / "cache" / "spexjax" / "programs").glob("*-cache")
    entry.write_bytes(entry.read_bytes()[:100])
    assert said(start(PROGRAM, environment))["hits"] == 0


def test_without_a_place_nothing_is_kept_and_nothing_said(environment, tmp_path):
    (tmp_path / "file").touch()
    for place in ({"XDG_CACHE_HOME": str(tmp_path / "file" / "x")}, {"XDG_CACHE_HOME": "", "HOME": "/dev/null"}):
        assert said(start(PROGRAM, environment | place))["folder"] is None
    homeless = "import os, pwd\npwd.getpwuid = {}.__getitem__\ndel os.environ['HOME'], os.environ['XDG_CACHE_HOME']\n"
    assert said(start(homeless + PROGRAM, environment))["folder"] is None


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"SPEXJAX_CACHE": "off"}, None),
        ({"JAX_ENABLE_COMPILATION_CACHE": "false"}, None),
        ({"JAX_COMPILATION_CACHE_DIR": "mine"}, "mine"),
    ],
)
def test_the_users_choice_stands(environment, tmp_path, variables, folder):
    variables = {k: str(tmp_path / v) if v == "mine" else v for k, v in variables.items()}
    report = said(start(PROGRAM, environment | variables))
    assert report["folder"] == (folder and str(tmp_path / folder))
    assert report["misses"] == 0
    assert not (tmp_path / "cache").exists()

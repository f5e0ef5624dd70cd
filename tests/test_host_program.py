import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spexjax import _executables, _host_program
from spexjax._compiling import compiling
from spexjax._host_program import forget_programs, host_program


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where programs are kept."""
    monkeypatch.setattr(_host_program, "_folder", lambda: tmp_path)
    return tmp_path


def made():
    """A program of its own, and how often it has been traced."""
    traced = []

    def program(x, y):
        traced.append(1)
        return {"sum": jnp.sin(x) + y}

    return host_program(program), traced


def as_new():
    """What a new process knows: nothing."""
    jax.clear_caches()
    forget_programs()


def right(program, x, y):
    np.testing.assert_allclose(program(x, y)["sum"], np.sin(x) + y, rtol=1e-6)


@pytest.mark.parametrize("known", [True, False], ids=["quick", "an XLA without the option"])
def test_the_result_is_that_of_jit(known, folder, monkeypatch):
    monkeypatch.setattr(_host_program, "_quick", True)
    monkeypatch.setattr(_host_program, "_QUICK", _host_program._QUICK if known else {"xla_cpu_no_such_thing": False})
    program, _ = made()
    right(program, np.float32(2), np.arange(3.0))
    assert _host_program._quick or not known


def test_other_errors_pass(folder):
    with pytest.raises(TypeError, match="add got incompatible shapes"):
        made()[0](np.zeros(2), np.zeros(3))


def test_shapes_types_and_precision_have_programs_of_their_own(folder):
    program, _ = made()
    for x in (np.zeros(2), np.zeros(3), np.zeros(2, np.float16), 0.0, jnp.zeros(2)):
        for _ in range(2):
            right(program, x, x)
    assert len(list(folder.iterdir())) == 4  # an array on the host is like one on the default device


def test_precision_is_that_of_the_program_whatever_the_user_has_set(folder):
    single, double = host_program(lambda x: x * np.array([0.1])), host_program(lambda x: x * 0.1, double=True)
    for x64 in (False, True):
        with jax.enable_x64(x64):
            assert single(np.ones(1, np.float32)).dtype == np.float32
            assert double(np.ones(1)).dtype == np.float64


def test_without_jit(folder):
    with jax.disable_jit():
        right(made()[0], np.ones(3), np.ones(3))


def test_a_new_process_traces_nothing(folder):
    program, traced = made()
    right(program, np.ones(4), np.ones(4))
    as_new()
    with compiling() as watch:
        right(program, np.ones(4), np.ones(4))
    assert len(traced) == 1
    assert watch.seconds > 0  # of loading


def test_what_jax_has_in_memory_is_not_written(folder):
    """It may have come from JAX's cache, and XLA would write it without its functions."""
    program, _ = made()
    right(program, np.ones(6), np.ones(6))
    (file,) = folder.iterdir()
    file.unlink()
    forget_programs()
    right(program, np.ones(6), np.ones(6))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no program", b"x" * 5000, None])
def test_a_damaged_program_is_compiled_again(content, folder):
    program, traced = made()
    right(program, np.ones(5), np.ones(5))
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 64
    file.write_bytes(flipped if content is None else content)
    as_new()
    right(program, np.ones(5), np.ones(5))
    assert len(traced) == 2
    assert len(file.read_bytes()) == pytest.approx(len(whole), rel=0.1)


def test_without_a_folder_nothing_is_kept(monkeypatch):
    monkeypatch.setattr(_host_program, "_folder", lambda: None)
    right(made()[0], np.ones(2), np.ones(2))


@pytest.mark.parametrize("what", ["write_durably", "packed"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), NotImplementedError("no serialization")])
def test_a_program_that_cannot_be_saved_runs_all_the_same(what, error, folder, monkeypatch):
    def refuse(*_):
        raise error

    monkeypatch.setattr(_host_program, what, refuse)
    right(made()[0], np.ones(2), np.ones(2))
    assert list(folder.iterdir()) == []


def test_under_transformations_it_is_a_plain_program():
    program, _ = made()
    np.testing.assert_allclose(jax.vmap(program)(jnp.ones(3), jnp.ones(3))["sum"], np.sin(1) + 1, rtol=1e-6)
    assert jax.grad(lambda x: program(x, 0.0)["sum"])(0.0) == 1.0
    assert jax.jit(lambda x: program(x, 0.0)["sum"])(0.0) == 0.0


def test_another_source_or_version_is_another_program(monkeypatch):
    names = {_executables.digest("f", (2, "float32")), _executables.digest("f", (3, "float32"))}
    monkeypatch.setattr(_executables, "_origin", lambda: ("another source",))
    assert len(names | {_executables.digest("f", (2, "float32"))}) == 3


RUN = """
import sys
import numpy as np
import jax
from spexjax import _executables
from spexjax._compilation_cache import keep_programs
from spexjax._host_program import host_program
keep_programs()
_executables.source = lambda: sys.argv[1]
_executables._origin = lambda: sys.argv[1]
import spexjax._host_program as h
h.source = _executables.source
@host_program
def program(x):
    return jax.numpy.cos(jax.numpy.sort(x * 2) ** 2).sum()
print(float(program(np.arange(100.0))))
"""


def test_what_jax_read_from_its_own_cache_is_not_written_again(tmp_path):
    """XLA writes a program that it has read without its functions."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "SPEXJAX_", "XDG_"))}
    environment = {**kept, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    found = []
    for source in ("first", "first", "second", "second", "gone", "gone"):
        if source == "gone":  # our programs are, JAX's are not
            shutil.rmtree(tmp_path / "spexjax" / "executables")
        done = subprocess.run(
            [sys.executable, "-c", RUN, source.replace("gone", "first")],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")
        found.append(done.stdout)
    assert len(set(found)) == 1

import jax
import jax.numpy as jnp
import pytest

from spexjax import _host_program
from spexjax._host_program import host_program


@pytest.mark.parametrize("known", [True, False], ids=["quick", "an XLA without the option"])
def test_the_result_is_that_of_jit(known, monkeypatch):
    monkeypatch.setattr(_host_program, "_quick", True)
    monkeypatch.setattr(_host_program, "_QUICK", _host_program._QUICK if known else {"xla_cpu_no_such_thing": False})

    @host_program
    def program(x, y):
        return {"sum": jnp.sin(x) + y}

    assert program(2.0, jnp.arange(3))["sum"].tolist() == pytest.approx((jnp.sin(2.0) + jnp.arange(3)).tolist())
    assert known or not _host_program._quick


def test_other_errors_pass(monkeypatch):
    def refuse(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    monkeypatch.setattr(_host_program.jax, "jit", lambda *_, **__: refuse)
    with pytest.raises(jax.errors.JaxRuntimeError, match="Out of memory"):
        host_program(lambda x: x)(1.0)

"""A sweep on a Ray cluster of two workers, one of which is killed: the table is that of `local`, bit for bit."""

import os
import signal
from pathlib import Path

import pytest
from sweep_games import Game, small, values_of

import spexjax as sx

pytest.importorskip("pyarrow", reason="the table of a sweep needs pyarrow")
ray = pytest.importorskip("ray", reason="tasks of Ray need ray: pip install 'spexjax[ray]'")
pytestmark = pytest.mark.filterwarnings("ignore:os.fork", "ignore::pytest.PytestUnraisableExceptionWarning")
HERE = Path(__file__).parent


class Killing(Game):
    """The first worker that is asked for game 4 is killed in the middle of its second batch of ablations."""

    def __init__(self, folder):
        super().__init__(str(folder / "log"))
        self.marks = folder

    def __call__(self, number, model):
        ablation = super().__call__(number, model)
        if number != 4:
            return ablation
        value = ablation.apply

        def fatal(parameters, masks):
            (self.marks / f"asked-{len(list(self.marks.glob('asked-*')))}").touch()
            if len(list(self.marks.glob("asked-*"))) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return value(parameters, masks)

        return sx.ablations.host_function(
            lambda masks: fatal(None, masks), 9, fingerprint=ablation.fingerprint, batch_size=16
        )


@pytest.fixture(scope="module")
def cluster():
    paths = os.pathsep.join([str(Path(sx.__file__).parents[1]), str(HERE)])
    env = {"PYTHONPATH": paths, "JAX_PLATFORMS": "cpu", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "error"}
    try:
        ray.init(num_cpus=2, runtime_env={"env_vars": env}, **quiet)
    except (OSError, RuntimeError, ray.exceptions.RayError) as error:
        pytest.skip(f"Ray cannot start a cluster on this machine: {error}")
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_lost_worker_changes_nothing(cluster, tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    swept = sx.sweep.run(small(Killing(marks)), tmp_path / "ray", executor=sx.sweep.RayTasks(num_cpus=1))
    assert swept.complete
    assert len(list(marks.glob("asked-*"))) > 2, "a worker has been killed, and another went on"
    sx.sweep.run(small(), tmp_path / "local")
    assert values_of(tmp_path / "ray").equals(values_of(tmp_path / "local"))


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_a_store_that_workers_cannot_use_ends_the_sweep(cluster, tmp_path):
    (tmp_path / "store").write_text("no folder")
    tasks = sx.sweep.RayTasks(num_cpus=1)
    with pytest.raises(sx.evaluation.StoreError, match=r"The store .* cannot be "):
        sx.sweep.run(small(), tmp_path / "ray", store=tmp_path / "store", executor=tasks)
    assert not list((tmp_path / "ray").glob("parts/*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retries": -1}, "`retries` of Ray's tasks is a whole number from 0; got -1"),
        ({"at_once": 0}, "`at_once` of Ray's tasks is a whole number from 1"),
        ({"num_cpus": "two"}, "`num_cpus` of Ray's tasks is a number, finite and not below 0; got 'two'"),
        ({"resources": {"TPU": -4}}, "`TPU` of Ray's tasks is a number"),
        ({"resources": ["TPU"]}, "`resources` of Ray's tasks maps names to numbers"),
        ({"address": 10001}, "`address` of Ray's cluster is a string"),
    ],
)
def test_what_tasks_cannot_need(options, said, unchecked):
    with pytest.raises(ValueError, match=said):
        sx.sweep.RayTasks(**options)


def test_a_store_of_this_process_is_refused(tmp_path):
    with pytest.raises(ValueError, match="workers of Ray open the store themselves"):
        sx.sweep.run(small(), tmp_path, executor="ray", store=sx.Store("memory://"))

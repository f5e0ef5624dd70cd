"""A sweep that is killed, and one of two processes under jax.distributed: the tables are those of a single process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sweep_games import small, values_of

import spexjax as sx

pytest.importorskip("pyarrow", reason="the table of a sweep needs pyarrow")
SCRIPT = Path(__file__).with_name("sweep_games.py")


def start(*arguments, devices=1):
    env = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}", "JAX_PLATFORMS": "cpu"}
    return subprocess.Popen(
        [sys.executable, SCRIPT, *map(str, arguments)], env=env, text=True, stdout=-1, stderr=subprocess.STDOUT
    )


def finish(process):
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The table of a sweep that nothing disturbs, and what its games were asked."""
    folder = tmp_path_factory.mktemp("whole")
    sx.sweep.run(small(), folder)
    return values_of(folder)


def test_kill_9_changes_nothing(whole, tmp_path):
    folder, log, rows = tmp_path / "sweep", tmp_path / "log", []
    for parts in (1, 4):
        process = start(folder, log, 0.03)
        while len(list((folder / "parts").glob("*.jsonl"))) < parts and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        rows.append(len(sx.sweep.load(folder)))
    assert 0 < rows[0] < rows[1] < 28
    finish(start(folder, log, 0.0))
    assert values_of(folder).equals(whole)
    spent = Counter()
    for line in log.read_text().splitlines():
        spent[line.split()[0]] += int(line.split()[1])
    kept = {i: len(sx.Store(folder / "values").shelf(f"game-{i}", 9)) for i in range(7)}
    again = sum(spent.values()) - sum(kept.values())
    assert again <= 2 * 16, "a kill costs one batch of ablations at most"


def test_two_hosts_give_the_table_of_one(whole, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for process in [start(tmp_path / "sweep", tmp_path / "log", 0, 2, process, port) for process in range(2)]:
        finish(process)
    assert values_of(tmp_path / "sweep").equals(whole)

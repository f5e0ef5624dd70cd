"""A slow ablation into a store, by processes that are killed or that run at once; `test_store.py` runs this script.

The processes are forked from one that has imported everything and has started no thread; each opens the store itself
and evaluates through `spexjax.evaluation.evaluate`, as users do.
"""

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from spexjax import ablations
from spexjax import evaluation as engine

NUM_FEATURES, BATCH, KILLS = 11, 4, 60
MASKS = (np.arange(2**NUM_FEATURES)[:, None] >> np.arange(NUM_FEATURES) & 1).astype(bool)
WRITERS = MASKS[:400], np.concatenate([MASKS[:240], MASKS[298:500]])  # the same records at first, then others


def ablate(masks):
    return np.float32(masks @ (1 << np.arange(NUM_FEATURES)) / 3)


def evaluate(location, log, masks, seconds=0.004):
    """Evaluates what is not in the store, in batches; the log gets a line for each batch that is begun."""
    log = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def slow(batch):
        os.write(log, b"\n")
        time.sleep(seconds)
        return ablate(batch)

    ablation = ablations.host_function(slow, NUM_FEATURES, fingerprint="game", batch_size=BATCH)
    values = engine.evaluate(ablation, masks, store=engine.Store(location), progress=False)
    os.close(log)
    return values


def fork(task, *args):
    """Starts a process that runs the task, and returns its id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        task(*args)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def finish(pid):
    if os.waitpid(pid, 0)[1] != 0:
        raise SystemExit("a process that was not killed has failed")


def kills(folder):
    """Kills the evaluation KILLS times, after some batches and at any moment of the next, then lets it finish."""
    rng, log = random.Random(0), folder / "log"
    log.touch()
    task = evaluate, folder / "store", log, MASKS
    for _ in range(KILLS):
        enough = log.stat().st_size + rng.randrange(4)
        pid = fork(*task)
        while log.stat().st_size < enough:
            if os.waitpid(pid, os.WNOHANG)[0]:
                raise SystemExit("the process has ended before it was killed")
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        if not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            raise SystemExit("the process has ended before it was killed")
    finish(fork(*task))


def writers(folder):
    """Two evaluations at once, of masks that overlap."""
    for pid in [fork(evaluate, folder / "store", folder / "log", masks, 0) for masks in WRITERS]:
        finish(pid)


if __name__ == "__main__":
    {"kills": kills, "writers": writers}[sys.argv[1]](Path(sys.argv[2]))

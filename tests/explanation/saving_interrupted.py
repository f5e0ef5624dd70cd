"""Saves explanations in turn in processes that are killed; `test_saved.py` runs this script.

The processes are forked from one that has imported everything and has started no thread.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from spexjax._durable import write_durably
from spexjax.explanation import _saved as saved
from spexjax.explanation._explanation import Explanation, Faithfulness
from spexjax.spectrum import Spectrum

KILLS, FEATURES, MASKS = 50, 64, 2000


def explanation(number):
    """An explanation whose file has some 50 kB."""
    rng = np.random.default_rng(number)
    spectrum = Spectrum(np.arange(FEATURES, dtype=np.int32)[:, None], rng.normal(size=FEATURES), FEATURES)
    faithfulness = Faithfulness(0.5, np.arange(MASKS), f"number {number}")
    masks, values = rng.random((MASKS, FEATURES)) < 0.5, rng.normal(size=MASKS)
    return Explanation(spectrum, faithfulness, tuple(f"x{i}" for i in range(FEATURES)), "hand", masks, values)


def save_until_killed(folder, explanations):
    while True:
        for one in explanations:
            one.save(folder)


def kills(folder):
    """Every time, the file must be one of those that were being saved, and whole."""
    rng, two = random.Random(0), [explanation(0), explanation(1)]
    whole = [saved.encode(one, Explanation, Faithfulness) for one in two]
    write_durably(folder / "explanation.json", whole[0])
    seen = set()
    for _ in range(KILLS):
        pid = os.fork()
        if not pid:
            save_until_killed(folder, two)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(pid, signal.SIGKILL)
        if not os.WIFSIGNALED(os.waitpid(pid, 0)[1]):
            raise SystemExit("the process has ended before it was killed")
        seen.add(whole.index((folder / "explanation.json").read_bytes()))
    drafts = len(list(folder.glob(".spexjax-*.tmp")))
    print(f"{len(seen)} of 2 contents seen, {drafts} of {KILLS} kills during a write")


if __name__ == "__main__":
    kills(Path(sys.argv[1]))

"""Small games for sweeps; run as a script, it runs the sweep that test_sweep_killed.py and others compare.

python sweep_games.py FOLDER LOG [PAUSE [PROCESSES PROCESS PORT]]
"""

import os
import sys
import time

import numpy as np

import spexjax as sx

NUM_FEATURES = 9
COSTS = ["evaluations", "reused", "seconds", "seconds_evaluating", "seconds_fitting", "seconds_compiling"]


class Game:
    """The ablation of a number: a random quadratic form, asked batch by batch; the log gets a line for each batch."""

    def __init__(self, log=None, pause=0.0):
        self.log, self.pause = log, pause

    def __call__(self, number, model):
        if number == 3:
            raise ValueError("Three is no game.")
        weights = np.random.default_rng(number).normal(size=(NUM_FEATURES, NUM_FEATURES)) / NUM_FEATURES

        def value(masks):
            if self.log:
                log = os.open(self.log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
                os.write(log, f"{number} {len(masks)}\n".encode())
                os.close(log)
            time.sleep(self.pause)
            return np.einsum("mi,ij,mj->m", masks, weights, masks.astype(float))

        return sx.ablations.host_function(value, NUM_FEATURES, fingerprint=f"game-{number}", batch_size=16)


def small(lens=None, inputs=range(7)):
    """A sweep of 28 explanations, 4 of which fail."""
    grid = {"budgets": (24, 48), "methods": "least-squares", "indices": ("FSII", "FBII"), "batch": 3}
    return sx.sweep.Sweep(inputs, lens=lens or Game(), **grid)


def values_of(folder):
    """The table without what it cost."""
    return sx.sweep.load(folder).drop(columns=COSTS)


if __name__ == "__main__":
    if len(sys.argv) > 4:
        import jax

        processes, process, port = map(int, sys.argv[4:])
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
    pause = float(sys.argv[3]) if len(sys.argv) > 3 else 0.0
    sx.sweep.run(small(Game(sys.argv[2], pause)), sys.argv[1])

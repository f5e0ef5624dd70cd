"""How fast a service is asked, and what a killed process loses: 512 asks, 32 at once, each answered after 100 ms.

The service is the local one of the tests. The second process is killed (SIGKILL) when half of the asks have arrived;
a third one resumes from its store. Values are compared with those that the service is known to have.

    python benchmarks/service.py
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import spexjax as sx
from spexjax.evaluation import run

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from fake_service import FakeService, verdict

TEXT = "The plot is not exactly bad, but I never once cared how it would end at all."
ASKS, AT_ONCE, DELAY = 512, 32, 0.1
OUT = Path(__file__).with_name("results") / "service.json"


def asked(url):
    """The lens, and as many masks, all of which leave different prompts."""
    ablation = sx.ablations.service(url, "m", TEXT, question="Is it good?", answers=("Yes", "No"), at_once=AT_ONCE)
    masks = np.arange(ASKS)[:, None] >> np.arange(ablation.num_features) & 1
    return ablation, masks.astype(bool)


def errors(ablation, masks, values):
    prompts = [ablation.frame.prompt(string) for string in ablation.pieces.strings(masks)]
    return np.abs(values - [verdict(prompt) + np.log1p(np.exp(-1.9)) for prompt in prompts]).max()


def measure(folder, kill_at=None):
    """Seconds and counts of one run, in a process that is killed before it if so wanted."""
    with FakeService(DELAY) as fake:
        lost = 0
        if kill_at is not None:
            command = [sys.executable, __file__, "--child", fake.url, "--store", folder]
            with subprocess.Popen(command, env=os.environ | {"JAX_PLATFORMS": "cpu"}) as child:
                while fake.asks < kill_at:
                    time.sleep(0.001)
                child.send_signal(signal.SIGKILL)
            time.sleep(2 * DELAY)
            lost = fake.asks
        ablation, masks = asked(fake.url)
        start = time.perf_counter()
        found = run(ablation, masks, store=sx.Store(folder))
        return {
            "seconds": round(time.perf_counter() - start, 2),
            "asks_before_the_kill": lost,
            "asks": fake.asks,
            "asked_twice": sum(count > 1 for count in fake.asked.values()),
            "found_in_the_store": found.num_reused,
            "most_at_once": fake.most,
            "largest_error": float(errors(ablation, masks, found.values)),
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", help="URL: be the process that is killed")
    parser.add_argument("--store")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    if args.child:
        run(*asked(args.child), store=sx.Store(args.store))
        return
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        result = {"asks": ASKS, "at_once": AT_ONCE, "delay": DELAY, "cores": os.cpu_count()}
        result |= {"whole": measure(one), "killed_and_resumed": measure(other, ASKS // 2)}
    args.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

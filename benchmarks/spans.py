"""How long does it take to explain another part of an answer, from ablations that are there?

An answer of some 30 tokens over 20 sentences. Its first part is explained to compile; the next three are timed. Whether
values add up: those of all tokens against the log-probability of the whole answer, evaluated anew at the same masks.

    python benchmarks/spans.py [--budget 512]
"""

import argparse
import json
import os

import jax
import numpy as np
from common import RESULTS_FOLDER, Stopwatch, machine, versions
from games.make import FACTS, smollm2

import spexjax as sx

QUESTION = "Where do Nora's sister and brother live, and what do they do?"
ANSWER = (
    " Irene moved to Prague, where she blows glass, and Felix settled in Lisbon, where he repairs clocks for a living."
)
PARTS = ("she blows glass", "moved to Prague", "settled in Lisbon", "repairs clocks")


def ablation(value):
    return sx.ablations.text(smollm2(), FACTS, features="sentence", question=QUESTION, answers=ANSWER, value=value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=int, default=512)
    parser.add_argument("--store", default="out/spans", help="where ablations are kept")
    args = parser.parse_args()
    tokens = ablation("token-log-probability")
    store = sx.Store(args.store)
    each = sx.explain_each(tokens, budget=args.budget, key=jax.random.key(0), store=store, progress=False)
    parts = {}
    for part in PARTS:
        watch = Stopwatch()
        found = each.of(part)
        parts[part] = watch.read() | {"r2": round(found.faithfulness.r2, 3)}
        print(part, parts[part], flush=True)
    first = parts.pop(PARTS[0])
    whole = sx.evaluate(ablation("log-probability"), each[0].masks[:64], progress=False)
    gap = float(np.abs(np.asarray(whole) - each.values[:64].sum(1)).max())
    record = {
        "versions": versions(),
        "machine": machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "tokens": tokens.num_values,
        "sentences": tokens.num_features,
        "ablations": args.budget,
        "first": first,
        "parts": parts,
        "largest_difference_to_the_whole": gap,
    }
    print(json.dumps(record, indent=1))
    (RESULTS_FOLDER / "spans.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()

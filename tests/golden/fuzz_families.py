"""Random configs of every family in spexjax and in transformers + torch: equal, or refused by one sentence that names
the field.

Needs torch, which spexjax does not; run by hand:

    python tests/golden/fuzz_families.py      # 200 configs of each family; prints the seed of any fault
    python tests/golden/fuzz_families.py --families gemma2 --seeds 17 18
"""

import argparse
import json
import logging
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import oracle
import transformers
from families import FAMILIES, random_config


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=range(200))
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--all", action="store_true", help="print every config")
    parser.add_argument("--out", help="write the counts as JSON")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity(50)
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    table = {}
    for family in args.families:
        counts = Counter()
        for seed in args.seeds:
            config, changes = random_config(family, seed)
            with tempfile.TemporaryDirectory() as place:
                verdict, detail = oracle.judge(config, Path(place), seed)
            counts[verdict] += 1
            if args.all or verdict not in ("equal", "refused", "both refuse"):
                print(f"{family} seed {seed}: {verdict} ({detail}) {changes}", flush=True)
        table[family] = dict(counts)
        print(f"{family}: {table[family]}", flush=True)
        if args.out:
            Path(args.out).write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Random model folders in spexjax and in transformers + torch: each must load equal, or be refused in one sentence.

Needs torch, which spexjax does not; run by hand:

    python tests/golden/fuzz_folders.py                    # 200 folders of each family; prints the seed of any fault
    python tests/golden/fuzz_folders.py --seeds 17 18      # these again, with what was done to them
    python tests/golden/fuzz_folders.py --golden           # writes folders.json, the sample of the ordinary tests
"""

import argparse
import json
import logging
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import torch
import transformers

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "models"), str(HERE.parent)]
from folders import FAMILIES, random_folder  # noqa: E402
from test_golden_logits import logits  # noqa: E402

from spexjax.models import load_model  # noqa: E402

LENGTHS = (1, 7, 33)
IDS = [(7 * i + 3) % 20 for i in range(max(LENGTHS))]


def reference(folder: Path):
    """The logits at every position, by length, in float64; None if transformers refuses, or lacks some weights."""
    try:
        model, info = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"
    if info["missing_keys"] or info["mismatched_keys"]:
        return None, f"random weights: {sorted(info['missing_keys'])[:2]}"
    try:
        with torch.no_grad():
            model = model.double().eval()
            return {n: model(torch.tensor([IDS[:n]]), return_dict=True).logits[0].numpy() for n in LENGTHS}, ""
    except Exception as error:
        return None, f"{type(error).__name__} when run: {error}"


def judge(folder: Path) -> tuple[str, str]:
    theirs, why = reference(folder)
    try:
        model = load_model(folder)
    except ValueError as error:
        text = str(error)
        if not text or "\n" in text:
            return "not one sentence", repr(text)
        return ("both refuse" if theirs is None else "refused by name"), f"{text}  [{why}]"
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    if theirs is None:
        return "only transformers refuses", why
    ours = logits(model, IDS)
    length = model.config.max_length  # beyond it spexjax refuses a prompt
    error = max(float(np.abs(ours[:n] - theirs[n])[:length].max()) for n in LENGTHS)
    return ("equal" if error < 1e-4 else "different"), f"{error:.1e}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, nargs="+", default=range(200))
    parser.add_argument("--families", nargs="+", default=list(FAMILIES))
    parser.add_argument("--all", action="store_true", help="print every folder")
    parser.add_argument("--golden", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity(50)
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    if args.golden:
        return golden()
    faults = {"different", "crash", "not one sentence", "only transformers refuses"}
    for family in args.families:
        counts = Counter()
        for seed in args.seeds:
            with tempfile.TemporaryDirectory() as place:
                changes = random_folder(Path(place) / "model", family, seed)
                verdict, detail = judge(Path(place) / "model")
            counts[verdict] += 1
            if args.all or verdict in faults or len(args.seeds) < 10:
                print(f"{family} seed {seed}: {verdict} ({detail}) {changes}", flush=True)
        print(f"{family}: {dict(counts)}", flush=True)


def golden(each=10, last=8):
    """Ten folders that load and are as varied as they come; their last logits at each length."""
    telling = (
        "rms",
        "max_p",
        "num_",
        "head",
        "rope",
        "window",
        "layer_types",
        "act",
        "without",
        "stale",
        "both",
        "split",
    )
    pool, cases, seen = {}, [], set()
    for family in FAMILIES:
        for seed in range(200):
            with tempfile.TemporaryDirectory() as place:
                changes = random_folder(Path(place) / "model", family, seed)
            pool[family, seed] = changes, {c.split("=")[0] for c in changes if any(word in c for word in telling)}
    while len(cases) < each:
        here = [case for case in pool if case[0] == list(FAMILIES)[len(cases) % len(FAMILIES)]]
        family, seed = max(here, key=lambda case: len(pool[case][1] - seen))
        changes, kinds = pool.pop((family, seed))
        with tempfile.TemporaryDirectory() as place:
            random_folder(Path(place) / "model", family, seed)
            if judge(Path(place) / "model")[0] != "equal":
                continue
            theirs, _ = reference(Path(place) / "model")
        seen |= kinds
        rows = {n: theirs[n][-1, :last].tolist() for n in LENGTHS}
        cases.append({"family": family, "seed": seed, "changes": changes, "logits": rows})
    (HERE / "folders.json").write_text(json.dumps({"ids": IDS, "cases": cases}))


if __name__ == "__main__":
    main()

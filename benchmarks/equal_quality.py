"""Wall-clock from a text to an explanation with an R2 of .8: spexjax and its peers, on the same model and machine.

Every run is a process of its own. It imports what it needs, loads SmolLM2, ablates the text and fits; R2 is on 512
other random masks, whose evaluation is not counted. Peers load the model by `from_pretrained` and call it as
transformers and torch run it fastest, in batches sorted by length. spexjax makes their prompts, but the seconds in
which it starts and does so are not counted. Budgets are doubled, with values from a store, until a method reaches that
R2. Then the whole road is run twice, and the second is timed: programs that the first has compiled are on the disk.

What predicts: the refitted Fourier terms of the authors' ProxySPEX; for shapiq's ProxySHAP, the sum of its FSII of
order 3 over the subsets of a mask. Kernel SHAP and LIME of captum and the lasso of ContextCite are linear; captum's get
the level that fits the values they saw.

    make .venv-peers/peers
    .venv-peers/bin/python benchmarks/equal_quality.py
"""

import argparse
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from common import RESULTS_FOLDER, command, machine, versions

GOAL, LAST, NUM_TEST, BATCH = 0.8, 4096, 512, 16
TASKS = ("review16", "facts20", "review48")
MARK = "ANSWER "  # begins the line in which a process says what it found


def asked(task: str) -> tuple[str, dict]:
    """A text, and what is asked about it."""
    from games.make import ANSWER_PREFIX, ANSWERS, FACTS, FACTS_QUESTION, QUESTION, REVIEW16, REVIEW48

    if task == "facts20":
        prefix = "Nora's sister lives in the city of"
        about = {"question": FACTS_QUESTION, "answers": (" Prague", " Lisbon"), "answer_prefix": prefix}
        return FACTS, about | {"features": "sentence"}
    about = {"question": QUESTION, "answers": ANSWERS, "answer_prefix": ANSWER_PREFIX}
    return {"review16": REVIEW16, "review48": REVIEW48}[task], about


def ablation_of(task: str):
    import spexjax as sx

    text, about = asked(task)
    return sx.ablations.text(sx.load_model("smollm2"), text, **about)


def stored_values(task: str, store: str):
    """Values of masks by spexjax, each evaluated once: they are the same whoever asks."""
    import spexjax as sx

    ablation = ablation_of(task)
    return ablation.num_features, lambda masks: sx.evaluate(ablation, masks, store=sx.Store(store), progress=False)


def torch_values_of(task: str, network_folder: str):
    """Values of masks by transformers and torch, in batches, and the seconds in which spexjax made their prompts."""
    import torch
    import transformers

    torch.set_num_threads(os.cpu_count())
    network = transformers.AutoModelForCausalLM.from_pretrained(network_folder, attn_implementation="sdpa").eval()
    start = time.time()
    from throughput import torch_values

    import spexjax as sx

    inputs, tokenizer = ablation_of(task), sx.load_model("smollm2").tokenizer  # none of its programs run
    borrowed = time.time() - start

    def values(masks):
        return torch_values(network, tokenizer, inputs.inputs.prompts(np.asarray(masks)), inputs.targets, BATCH)

    return inputs.num_features, values, borrowed


def linear(effects: np.ndarray, masks: np.ndarray, values: np.ndarray):
    level = np.mean(values - masks @ effects)
    return lambda x: level + x @ effects


def authors(n: int, values, m: int):
    from peers import authors_and_lightgbm

    masks = np.random.default_rng(0).random((m, n)) < 0.5
    predict, _, _ = authors_and_lightgbm(masks, values(masks))["authors"]
    return predict


def proxyshap(n: int, values, m: int):
    from shapiq.approximator import ProxySHAP

    found = ProxySHAP(n=n, max_order=3, index="FSII", random_state=0).approximate(m, lambda x: values(x.astype(bool)))
    sets = [(list(s), float(found[s])) for s in found.interaction_lookup if s]
    masks = np.random.default_rng(0).random((64, n)) < 0.5

    def total(x):
        return sum(value * x[:, s].all(1) for s, value in sets)

    level = float(found[()]) if () in found.interaction_lookup else np.mean(values(masks) - total(masks))
    return lambda x: level + total(x)


def contextcite(n: int, values, m: int):
    """As the package context_cite fits: lasso of standardised masks with alpha .01; half of the parts are kept."""
    from sklearn.linear_model import Lasso
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    masks = np.random.default_rng(0).random((m, n)) < 0.5
    model = make_pipeline(StandardScaler(), Lasso(alpha=0.01)).fit(masks.astype(float), values(masks))
    return lambda x: model.predict(x.astype(float))


def captum(kind: str, n: int, values, m: int):
    import torch
    from captum import attr

    seen = []

    def forward(x):
        masks = x.numpy() > 0.5
        found = values(masks)
        seen.append((masks, found))
        return torch.as_tensor(found)

    explainer = {"kernelshap": attr.KernelShap, "lime": attr.Lime}[kind](forward)
    options = {"n_samples": m, "perturbations_per_eval": 64, "baselines": 0}
    torch.manual_seed(0)
    effects = explainer.attribute(torch.ones(1, n), **options).numpy()[0].astype(float)
    masks, found = (np.concatenate(part) for part in zip(*seen, strict=True))
    return linear(effects, masks.astype(float), found)


PEERS = {
    "authors": authors,
    "proxyshap": proxyshap,
    "contextcite": contextcite,
    "captum-kernelshap": partial(captum, "kernelshap"),
    "captum-lime": partial(captum, "lime"),
}
METHODS = ("spexjax", *PEERS)


def spexjax(task: str, m: int, store: str | None):
    import jax

    import spexjax as sx

    options = {"budget": m, "key": jax.random.key(0), "progress": False}
    return sx.explain(ablation_of(task), store=store and sx.Store(store), **options).predict


def one(task: str, method: str, m: int, store: str | None, folder: Path, start: float) -> None:
    """One run, from a text to predictions, in this process."""
    borrowed = 0.0  # seconds that a user of a peer would not spend
    if method == "spexjax":
        predict = spexjax(task, m, store)
    else:
        if store:
            n, values = stored_values(task, store)
        else:
            n, values, borrowed = torch_values_of(task, str(folder / "torch"))
        predict = PEERS[method](n, values, m)
    seconds = time.time() - start - borrowed
    with np.load(folder / f"{task}.npz") as data:
        masks, truth = data["masks"], data["values"]
    error = np.asarray(predict(masks)) - truth
    print(f"{MARK}{json.dumps({'seconds': seconds, 'r2': 1 - float(np.mean(error**2) / np.var(truth))})}")


def process(task: str, method: str, m: int, folder: Path, store: str | None = None) -> dict:
    call = [sys.executable, __file__, "--one", task, method, str(m), store or "", str(folder), str(time.time())]
    done = subprocess.run(call, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if not lines:
        raise SystemExit(f"{task}, {method}, {m} ablations failed:\n{done.stderr[-2000:]}")
    return json.loads(lines[-1].removeprefix(MARK))


def measure(task: str, method: str, folder: Path, first: int) -> dict:
    """The smallest budget that reaches the goal, and how long its whole road takes."""
    m, store = first, str(folder / "store")
    while (r2 := process(task, method, m, folder, store)["r2"]) < GOAL and m < LAST:
        m *= 2
    row = {"task": task, "method": method, "ablations": m, "r2": round(r2, 4)}
    if r2 >= GOAL:
        process(task, method, m, folder)  # leaves its programs on the disk
        timed = process(task, method, m, folder)
        row |= {"seconds": round(timed["seconds"], 1), "r2_of_the_timed_run": round(timed["r2"], 4)}
        row["machine"] = machine()
    return row


def prepare(task: str, folder: Path) -> None:
    """Writes the test masks of a task with their values, and the model as users of torch have it on their disk."""
    path = folder / f"{task}.npz"
    if not path.exists():
        n, values = stored_values(task, str(folder / "store"))
        masks = np.random.default_rng(1).random((NUM_TEST, n)) < 0.5
        np.savez(path, masks=masks, values=values(masks))
    if not (folder / "torch").exists():
        from throughput import torch_model

        from spexjax.models._language_model import smollm2_path

        torch_model(smollm2_path()).save_pretrained(folder / "torch")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--first", type=int, default=64, help="the budget that is tried first")
    parser.add_argument("--one", nargs=6, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        task, method, m, store, folder, start = args.one
        return one(task, method, int(m), store or None, Path(folder), float(start))
    folder, path = Path("out/equal_quality"), RESULTS_FOLDER / "equal_quality.json"
    folder.mkdir(parents=True, exist_ok=True)
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    for task in args.tasks:
        for method in args.methods:
            if any((row["task"], row["method"]) == (task, method) for row in rows):
                continue
            prepare(task, folder)
            rows.append(measure(task, method, folder, args.first))
            print(rows[-1], flush=True)
            about = {"command": command(), "versions": versions(), "goal": GOAL}
            path.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()

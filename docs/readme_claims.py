"""What README claims of benchmarks, from benchmarks/results; `docs/make_tables.py` writes it."""

import numpy as np
import table_tools
from benchmark_tables import beside_best_peer, needed_for
from table_tools import grouped, result


def claims() -> str:
    """The list under "What it does that others do not"."""
    return "\n".join(f"- **{name}.** {said}" for name, said in _said())


def _said() -> list[tuple[str, str]]:
    rates = result("throughput")["masks_per_second"]
    waits = {line["what"]: line["now"] for line in result("latency")["runs"]["now"]["acceptance"]}
    [decode] = [row for row in result("spex_speed")["decode"] if row["n"] == 1000]
    return [
        ("Fewer ablations", f"{_ablations()} {_index_errors()}"),
        (
            "Faster ablations",
            f"{rates['spexjax float32']:.1f} masks/s on SmolLM2, batched torch {rates['torch float32, batched']:.1f}: "
            "prompts that share a beginning share its computation.",
        ),
        (
            "Answers in seconds",
            "After a first game of 64 features and 512 masks, `auto` fits a second one in "
            f"{waits['fit auto, second game']:.1f} s of CPU time, and `proxyspex-gp` in "
            f"{waits['fit proxyspex-gp, second game']:.1f} s. A new process loads its programs instead of compiling "
            "them.",
        ),
        ("Honest faithfulness", _honesty()),
        (
            "SPEX at scale",
            f"1,000 features, {decode['terms']} coefficients: decoded in {decode['soft']['warm_ms']:.1f} ms, jitted, "
            "under `vmap` or over all devices.",
        ),
    ]


def _ablations() -> str:
    looked_at, held_out = (needed_for(table_tools.RESULTS, "authors", kind).measured for kind in (False, True))
    return (
        f"For the R2 of `auto`, the authors' ProxySPEX needs {held_out[0]:.1f} times the ablations on games held out "
        f"(95 % interval {held_out[1]:.1f} to {held_out[2]:.1f}) and {looked_at[0]:.1f} times ({looked_at[1]:.1f} to "
        f"{looked_at[2]:.1f}) on games looked at while `auto` was developed. These are the {held_out[3]} and "
        f"{looked_at[3]} pairs of game and budget where its curve reaches that R2."
    )


def _index_errors() -> str:
    errors = grouped(result("index_error")["rows"], ("method", "game", "index", "budget"), "mse")
    mean = {key: np.mean(e) for key, e in errors.items()}
    shared = [c for who, *c in mean if who == "proxyshap" and c[-1] >= 256 and ("auto", *c) in mean]
    over = np.mean([mean["auto", *c] / mean["proxyshap", *c] for c in shared])
    few = [ratio for (_, _, budget), _, ratio in beside_best_peer() if budget <= 128]
    lead = np.exp(np.mean(np.log(few)))
    return (
        f"The mean squared error of indices is {over:.2f} times that of shapiq's ProxySHAP, on average over "
        f"{len(shared)} cells (a game, an index and a budget of 256 or more). In {len(few)} cells with budgets of 32 "
        f"to 128 it is {lead:.2f} times that of whichever of shapiq's approximators is best there, by geometric "
        "mean."
    )


def _honesty() -> str:
    rows = result("calibration")["rows"]
    told = [r for r in rows if not r["unseen"] and np.isfinite(r["true"]) and np.isfinite(r["reported"])]
    gaps = np.array([r["reported"] - r["true"] for r in told])
    imperfect = [r for r in told if r["true"] < 0.999]
    covered = [100 * np.mean([r[k] for r in imperfect if r[k] is not None]) for k in ("SV", "SII", "FSII")]
    side = "below" if gaps.mean() < 0 else "above"
    return (
        f"Every explanation says how well it predicts masks it has not seen, with a standard error: on average "
        f"{abs(gaps.mean()):.3f} {side} the truth, within .06 of it in {100 * np.mean(np.abs(gaps) <= 0.06):.0f} % of "
        f"{len(told)} fits; {len(rows) - len(told)} that have no R2, or have not seen an outlier, are left out. "
        f"Standard errors of indices cover the truth {min(covered):.0f} to {max(covered):.0f} times in 100."
    )
